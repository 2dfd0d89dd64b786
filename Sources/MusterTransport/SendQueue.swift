import MusterModel
import Synchronization

/// How many bytes of one connection are on their way to the kernel, and who waits for room. The bytes themselves are
/// in the channel; this counts them, so a slow peer makes its sender wait instead of filling memory.
final class SendQueue: Sendable {
    enum Reservation {
        case granted
        case full
        case refused(LinkError)
    }

    private struct State {
        var bytes = 0
        var end: LinkError?
        var waiting: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int = TransportLimits.sendQueueBytes) { self.capacity = capacity }

    var queuedBytes: Int { state.withLock { $0.bytes } }
    var isWritable: Bool { state.withLock { $0.end == nil && $0.bytes < capacity } }
    /// Why nothing can be sent any more; nil while it can.
    var end: LinkError? { state.withLock { $0.end } }

    func reserve(_ bytes: Int) -> Reservation {
        guard bytes <= capacity else { return .refused(.chunkTooLarge(bytes: bytes, maxBytes: capacity)) }
        return state.withLock { state in
            if let end = state.end { return .refused(end) }
            guard state.bytes + bytes <= capacity else { return .full }
            state.bytes += bytes
            return .granted
        }
    }

    /// The kernel took these bytes. At half of the capacity the waiting senders go on.
    func release(_ bytes: Int) {
        let ready = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            state.bytes -= bytes
            guard state.bytes <= capacity / 2 else { return [] }
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for waiter in ready { waiter.resume() }
    }

    /// Only the first reason counts.
    func close(_ reason: LinkError) {
        let ready = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            if state.end == nil { state.end = reason }
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for waiter in ready { waiter.resume() }
    }

    /// Returns when there may be room, or when the queue has closed; ask `reserve` again.
    func waitForRoom() async throws(LinkError) {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        do {
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { enqueue($0, id) }
            } onCancel: {
                state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(throwing: LinkError.cancelled)
            }
        } catch {
            throw error as? LinkError ?? .cancelled
        }
    }

    private func enqueue(_ continuation: CheckedContinuation<Void, any Error>, _ id: UInt64) {
        let answer = state.withLock { state -> Result<Void, LinkError>? in
            if state.end != nil || state.bytes <= capacity / 2 { return .success(()) }
            // Cancellation that came before the continuation was there finds nothing to resume.
            if Task.isCancelled { return .failure(.cancelled) }
            guard state.waiting.count < TransportLimits.waitingSenders else {
                return .failure(.tooManySenders(TransportLimits.waitingSenders))
            }
            state.waiting[id] = continuation
            return nil
        }
        switch answer {
        case .success: continuation.resume()
        case .failure(let error): continuation.resume(throwing: error)
        case nil: break
        }
    }
}
