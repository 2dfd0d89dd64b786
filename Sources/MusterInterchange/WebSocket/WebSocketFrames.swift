/// Frames of a WebSocket (RFC 6455) as a server writes them: whole messages, one frame each, not masked.
package enum WebSocketFrames {
    /// What a frame holds, by its number on the wire.
    enum Opcode: UInt8 {
        case continuation = 0
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
        case pong = 10

        var isControl: Bool { rawValue >= 8 }
    }

    /// Payload of a control frame, in bytes.
    package static let controlBytes = 125

    /// `message` is UTF-8, as all that `LokiJSON` writes is.
    package static func text(_ message: [UInt8]) -> [UInt8] { frame(.text, message) }

    /// At most `controlBytes`; more is cut.
    package static func ping(_ payload: [UInt8] = []) -> [UInt8] { frame(.ping, Array(payload.prefix(controlBytes))) }

    /// The answer to a ping has its payload.
    package static func pong(_ payload: [UInt8]) -> [UInt8] { frame(.pong, Array(payload.prefix(controlBytes))) }

    /// `reason` is cut at a character when it is longer than the 123 bytes that fit.
    package static func close(_ code: WebSocketCloseCode, _ reason: String = "") -> [UInt8] {
        let number = [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xff)]
        return frame(.close, number + Array(reason.prefix(utf8: controlBytes - number.count).utf8))
    }

    private static func frame(_ opcode: Opcode, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [0x80 | opcode.rawValue]
        bytes.reserveCapacity(payload.count + 10)
        switch payload.count {
        case ...125: bytes.append(UInt8(payload.count))
        case ...0xffff: bytes += [126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
        default:
            bytes.append(127)
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: payload.count >> shift))
            }
        }
        return bytes + payload
    }
}

/// Why a connection ends, as its peer is told (RFC 6455 section 7.4.1).
package enum WebSocketCloseCode: UInt16, Sendable {
    case normal = 1000
    case goingAway = 1001
    case protocolError = 1002
    case unsupportedData = 1003
    case invalidText = 1007
    case policyViolation = 1008
    case messageTooBig = 1009
    case internalError = 1011
    case tryAgainLater = 1013
}

extension InterchangeLimits {
    /// A message of a client, all its fragments together. Readers of `/tail` have nothing to say.
    package static let webSocketMessageBytes = 64 << 10
}

/// What a client did against RFC 6455: the connection is closed with `closeCode` and the description as the reason.
package enum WebSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    case reservedBits
    case unknownOpcode(UInt8)
    case notMasked
    case fragmentedControl
    case controlTooLong(Int)
    case lengthNotMinimal
    case lengthOutOfRange
    case messageTooBig(limit: Int)
    case continuesNothing
    case messageNotFinished
    case textNotUTF8
    case closeReasonNotUTF8
    case badCloseCode(UInt16)
    case closeOfOneByte

    package var closeCode: WebSocketCloseCode {
        switch self {
        case .messageTooBig: .messageTooBig
        case .textNotUTF8, .closeReasonNotUTF8: .invalidText
        default: .protocolError
        }
    }

    package var description: String {
        switch self {
        case .reservedBits: "a frame with reserved bits; no extension was agreed on"
        case .unknownOpcode(let opcode): "a frame of the unknown kind \(opcode)"
        case .notMasked: "a frame of a client that is not masked"
        case .fragmentedControl: "a control frame in fragments"
        case .controlTooLong(let count): "a control frame of \(count) bytes, 125 are allowed"
        case .lengthNotMinimal: "a length in more bytes than it takes"
        case .lengthOutOfRange: "a length with its highest bit set"
        case .messageTooBig(let limit): "a message of more than the \(limit) bytes allowed"
        case .continuesNothing: "a fragment that continues no message"
        case .messageNotFinished: "a new message before the last one was finished"
        case .textNotUTF8: "a text that is no UTF-8"
        case .closeReasonNotUTF8: "a reason to close that is no UTF-8"
        case .badCloseCode(let code): "the code \(code) to close, which may not be sent"
        case .closeOfOneByte: "a close frame of one byte"
        }
    }
}

/// What a client said.
package enum WebSocketEvent: Equatable, Sendable {
    /// UTF-8.
    case text([UInt8])
    case binary([UInt8])
    /// To be answered with a pong of the same payload.
    case ping([UInt8])
    case pong([UInt8])
    /// To be answered with a close, after which the connection ends. The code is nil when the client said none. Nothing
    /// that follows is read.
    case close(code: UInt16?, reason: String)
}
