import DequeModule
import MusterModel

/// What one connection has brought of one class and was not told to be durable: holds the agent to its window and to
/// increasing sequences, and knows when an acknowledgement is owed.
struct InboundWindow: Sendable {
    private struct Held: Sendable {
        let sequence: UInt64
        let bytes: Int
    }

    private let name: TrafficClass
    private let window: Window
    /// At most `window.frames`.
    private var unacknowledged: Deque<Held> = []
    private var bytes = 0
    /// The highest sequence that came on this connection.
    private(set) var lastSequence: UInt64 = 0
    private var told: UInt64 = 0
    /// A duplicate of something durable came: the agent has not heard that it is.
    private var owesAgain = false

    init(_ name: TrafficClass, _ window: Window) {
        self.name = name
        self.window = window
    }

    mutating func welcomed(durable: UInt64) { told = durable }

    mutating func received(_ frame: DataFrame) throws(WireError) {
        guard frame.sequence > lastSequence else {
            throw .sequenceNotIncreasing(name, sequence: frame.sequence, after: lastSequence)
        }
        lastSequence = frame.sequence
        // Sent before our acknowledgement arrived there. The agent's window is free of it as soon as that does, so here
        // it must not count either.
        guard frame.sequence > told else {
            owesAgain = true
            return
        }
        let size = frame.payload.count
        guard window.allows(payloadBytes: size, framesInFlight: unacknowledged.count, bytesInFlight: bytes) else {
            throw .windowExceeded(name, framesInFlight: unacknowledged.count, bytesInFlight: bytes)
        }
        unacknowledged.append(Held(sequence: frame.sequence, bytes: size))
        bytes += size
    }

    /// One cumulative acknowledgement when one is owed.
    mutating func acknowledgement(durable: UInt64) -> Frame? {
        guard durable > told || owesAgain else { return nil }
        told = max(told, durable)
        owesAgain = false
        while let first = unacknowledged.first, first.sequence <= told {
            bytes -= first.bytes
            unacknowledged.removeFirst()
        }
        return .acknowledgement(name, sequence: told)
    }
}
