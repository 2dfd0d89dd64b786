package import MusterModel

/// What a peer did against the protocol. The connection is of no use afterwards: tell the peer (`refusal`) and close.
package enum WireError: Error, Equatable, Sendable {
    // Bytes. `offset` counts from the first byte of the stream.
    case frameTooLarge(bytes: UInt64, limit: Int, offset: UInt64)
    case emptyFrame(offset: UInt64)
    case unknownKind(UInt8, offset: UInt64)
    /// A frame other than hello before hello.
    case kindNotAllowed(FrameKind, offset: UInt64)
    case malformed(FrameKind, field: String, offset: UInt64, problem: ByteError.Problem)

    // Conversation.
    case unexpectedFrame(FrameKind, state: String)
    case protocolVersion(theirs: UInt16, ours: UInt16)
    case acknowledgedBeyondSent(TrafficClass, sequence: UInt64, sent: UInt64)
    /// The coordinator has sequences that this agent has not handed out yet.
    case durableBeyondHandedOut(TrafficClass, durable: UInt64, handedOut: UInt64)
    case sequenceNotIncreasing(TrafficClass, sequence: UInt64, after: UInt64)
    case windowExceeded(TrafficClass, framesInFlight: Int, bytesInFlight: Int)
    case heartbeatNotIncreasing(counter: UInt64, after: UInt64)
    case echoNotSent(counter: UInt64, sent: UInt64)
    case messageOutOfOrder(id: UInt64, expected: UInt64)
    case tooManyMessages(limit: Int)
    case receiptNotExpected(id: UInt64)

    // Our own disk.
    case sequencesExhausted(ceiling: UInt64)

    /// What to tell the peer.
    package var refusal: Refusal {
        switch self {
        case .protocolVersion: Refusal(.protocolVersion, description)
        case .durableBeyondHandedOut: Refusal(.staleState, description)
        default: Refusal(.badFrame, description)
        }
    }
}

extension WireError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .frameTooLarge(let bytes, let limit, let offset):
            "the frame at byte \(offset) says it has \(bytes) bytes, the limit is \(limit); send less in one frame"
        case .emptyFrame(let offset): "the frame at byte \(offset) is empty; a frame has at least its kind"
        case .unknownKind(let kind, let offset):
            "the frame at byte \(offset) is of the unknown kind \(kind); is the peer of another version?"
        case .kindNotAllowed(let kind, let offset):
            "the frame at byte \(offset) is a \(kind) frame; before the welcome only hello is read"
        case .malformed(let kind, let field, let offset, let problem):
            "the \(kind) frame is malformed: \(field) at byte \(offset) of the stream \(problem)"
        case .sequencesExhausted(let ceiling):
            "sequence \(ceiling) is beyond what is ever used; the state directory is damaged, begin a new one"
        default: conversation
        }
    }

    private var conversation: String {
        switch self {
        case .unexpectedFrame(let kind, let state): "a \(kind) frame came while \(state)"
        case .protocolVersion(let theirs, let ours):
            "the peer speaks protocol version \(theirs), this side \(ours); bring both to the same release"
        case .acknowledgedBeyondSent(let name, let sequence, let sent):
            "\(name) was acknowledged up to \(sequence), but only \(sent) was sent"
        case .durableBeyondHandedOut(let name, let durable, let handedOut):
            "the coordinator has \(name) up to \(durable), but this agent has only reached \(handedOut): its state "
                + "directory was put back from an older copy; begin a new boot id"
        case .sequenceNotIncreasing(let name, let sequence, let after):
            "\(name) sequence \(sequence) came after \(after) on one connection; sequences must increase"
        case .windowExceeded(let name, let frames, let bytes):
            "\(name) exceeds its window: \(frames) frames and \(bytes) bytes are not acknowledged yet"
        case .heartbeatNotIncreasing(let counter, let after): "heartbeat \(counter) came after \(after)"
        case .echoNotSent(let counter, let sent): "heartbeat \(counter) was echoed, but only \(sent) were sent"
        case .messageOutOfOrder(let id, let expected): "message \(id) came, \(expected) was expected"
        case .tooManyMessages(let limit): "more than \(limit) messages wait for a receipt"
        case .receiptNotExpected(let id): "message \(id) was receipted, but it is not waiting for a receipt"
        default: "the stream is unusable"
        }
    }
}
