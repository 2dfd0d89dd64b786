/// Turns a stream of a client's bytes into what it said, whatever the pieces it arrives in.
///
///     decoder.append(bytes)
///     while let event = try decoder.next() { ... }
///
/// Events in front of a damaged frame are handed out before the error. After an error nothing more is read: `next`
/// throws the same error for ever. Memory: the bytes last appended, one unfinished message and one control frame; what
/// a length says is never allocated ahead of the bytes.
package struct WebSocketDecoder: Sendable {
    private struct Frame: Sendable {
        var opcode: WebSocketFrames.Opcode
        var isFinal: Bool
        var mask: [UInt8]
        var length: Int
        /// Bytes of the payload read so far.
        var read = 0
    }

    private let maxMessageBytes: Int
    /// Appended and not yet looked at.
    private var input: ArraySlice<UInt8> = []
    /// The beginning of a header whose end has not come.
    private var header: [UInt8] = []
    private var frame: Frame?
    private var control: [UInt8] = []
    private var message: [UInt8] = []
    /// Of the message whose fragments are being read.
    private var messageOpcode: WebSocketFrames.Opcode?
    private var isClosed = false
    private var failure: WebSocketError?

    package init(maxMessageBytes: Int = InterchangeLimits.webSocketMessageBytes) {
        self.maxMessageBytes = maxMessageBytes
    }

    /// Bytes held.
    package var bufferedBytes: Int { input.count + header.count + control.count + message.count }

    /// Call `next` until it returns nil before the next piece, so that little is held.
    package mutating func append(_ bytes: ArraySlice<UInt8>) {
        guard failure == nil, !isClosed else { return }
        if input.isEmpty { input = bytes } else { input.append(contentsOf: bytes) }
    }

    package mutating func append(_ bytes: [UInt8]) { append(bytes[...]) }

    /// The next event; nil when more bytes are needed, and after a close.
    package mutating func next() throws(WebSocketError) -> WebSocketEvent? {
        if let failure { throw failure }
        do throws(WebSocketError) {
            return try read()
        } catch {
            failure = error
            forget()
            throw error
        }
    }

    private mutating func forget() {
        (input, header, control, message) = ([], [], [], [])
        frame = nil
    }

    private mutating func read() throws(WebSocketError) -> WebSocketEvent? {
        while !isClosed {
            if frame == nil {
                guard let begun = try readHeader() else { return nil }
                frame = begun
            }
            guard let complete = readPayload() else { return nil }
            frame = nil
            if let event = try event(of: complete) { return event }
        }
        return nil
    }

    // MARK: Header

    private mutating func readHeader() throws(WebSocketError) -> Frame? {
        fill(to: 2)
        guard header.count >= 2 else { return nil }
        let opcode = try checkedOpcode(header[0], header[1])
        let short = Int(header[1] & 0x7f)
        let lengthBytes = short == 126 ? 2 : short == 127 ? 8 : 0
        fill(to: 2 + lengthBytes + 4)
        guard header.count == 2 + lengthBytes + 4 else { return nil }
        let number = header[2..<2 + lengthBytes].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let length = try checkedLength(short, number, opcode)
        let begun = Frame(
            opcode: opcode, isFinal: header[0] & 0x80 != 0, mask: Array(header.suffix(4)), length: length)
        header = []
        return begun
    }

    private mutating func fill(to count: Int) {
        let missing = input.prefix(max(0, count - header.count))
        header.append(contentsOf: missing)
        input = input.dropFirst(missing.count)
    }

    /// What the first two bytes say already.
    private func checkedOpcode(_ first: UInt8, _ second: UInt8) throws(WebSocketError) -> WebSocketFrames.Opcode {
        guard first & 0x70 == 0 else { throw .reservedBits }
        guard let opcode = WebSocketFrames.Opcode(rawValue: first & 0x0f) else { throw .unknownOpcode(first & 0x0f) }
        guard second & 0x80 != 0 else { throw .notMasked }
        if opcode.isControl {
            guard first & 0x80 != 0 else { throw .fragmentedControl }
            guard second & 0x7f <= 125 else { throw .controlTooLong(Int(second & 0x7f)) }
        } else if opcode == .continuation {
            guard messageOpcode != nil else { throw .continuesNothing }
        } else {
            guard messageOpcode == nil else { throw .messageNotFinished }
        }
        return opcode
    }

    private func checkedLength(
        _ short: Int, _ long: UInt64, _ opcode: WebSocketFrames.Opcode
    ) throws(WebSocketError) -> Int {
        if short == 126 { guard long > 125 else { throw .lengthNotMinimal } }
        if short == 127 {
            guard long >> 63 == 0 else { throw .lengthOutOfRange }
            guard long > 0xffff else { throw .lengthNotMinimal }
        }
        let length = short < 126 ? UInt64(short) : long
        let room = opcode.isControl ? WebSocketFrames.controlBytes : maxMessageBytes - message.count
        guard length <= UInt64(max(0, room)) else { throw .messageTooBig(limit: maxMessageBytes) }
        return Int(length)
    }

    // MARK: Payload

    /// The frame, once all of it was read.
    private mutating func readPayload() -> Frame? {
        guard var current = frame else { return nil }
        let piece = input.prefix(current.length - current.read)
        var plain: [UInt8] = []
        plain.reserveCapacity(piece.count)
        for byte in piece {
            plain.append(byte ^ current.mask[current.read & 3])
            current.read += 1
        }
        if current.opcode.isControl { control += plain } else { message += plain }
        input = input.dropFirst(piece.count)
        frame = current
        return current.read == current.length ? current : nil
    }

    private mutating func event(of frame: Frame) throws(WebSocketError) -> WebSocketEvent? {
        guard frame.opcode.isControl else { return try dataEvent(of: frame) }
        let payload = control
        control = []
        switch frame.opcode {
        case .ping: return .ping(payload)
        case .pong: return .pong(payload)
        default:
            let event = try Self.closing(payload)
            isClosed = true
            forget()
            return event
        }
    }

    private mutating func dataEvent(of frame: Frame) throws(WebSocketError) -> WebSocketEvent? {
        let opcode = messageOpcode ?? frame.opcode
        guard frame.isFinal else {
            messageOpcode = opcode
            return nil
        }
        let payload = message
        message = []
        messageOpcode = nil
        guard opcode == .text else { return .binary(payload) }
        guard (try? UTF8Span(validating: payload.span)) != nil else { throw .textNotUTF8 }
        return .text(payload)
    }

    private static func closing(_ payload: [UInt8]) throws(WebSocketError) -> WebSocketEvent {
        guard !payload.isEmpty else { return .close(code: nil, reason: "") }
        guard payload.count >= 2 else { throw .closeOfOneByte }
        let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
        // Those in between are reserved, or stand for a close that had no code and are never sent.
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: break
        default: throw .badCloseCode(code)
        }
        guard let reason = String(validating: payload[2...], as: UTF8.self) else { throw .closeReasonNotUTF8 }
        return .close(code: code, reason: reason)
    }
}
