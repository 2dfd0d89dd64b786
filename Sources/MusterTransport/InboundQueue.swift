import MusterModel
import Synchronization

/// The bytes of one link between its event loop and the task that consumes them. The loop pushes, and stops reading
/// from the socket when it is told that there is enough; the consumer's progress makes it go on.
final class InboundQueue: Sendable {
    private struct State {
        /// Oldest first; those before `next` are consumed.
        var chunks: [[UInt8]] = []
        var next = 0
        var bytes = 0
        var isPaused = false
        var end: Result<Void, LinkError>?
        var waiting: CheckedContinuation<[UInt8]?, any Error>?
        /// Called when a paused loop is to read again; nil after the end.
        var resume: (@Sendable () -> Void)?

        mutating func takeChunk() -> [UInt8]? {
            guard next < chunks.count else { return nil }
            let chunk = chunks[next]
            next += 1
            bytes -= chunk.count
            if next == chunks.count {
                chunks.removeAll(keepingCapacity: true)
                next = 0
            }
            return chunk
        }
    }

    private enum Taken {
        case chunk([UInt8]?, resume: (@Sendable () -> Void)?)
        case failure(LinkError)
        case nothing
    }

    private let state: Mutex<State>

    init(resume: @escaping @Sendable () -> Void) { state = Mutex(State(resume: resume)) }

    /// False when reading from the socket has to pause until `resume` is called.
    func push(_ chunk: [UInt8]) -> Bool {
        let (waiter, wantsMore) = state.withLock { state -> (CheckedContinuation<[UInt8]?, any Error>?, Bool) in
            guard state.end == nil else { return (nil, false) }
            if let waiter = state.waiting {
                state.waiting = nil
                return (waiter, true)
            }
            state.chunks.append(chunk)
            state.bytes += chunk.count
            state.isPaused = state.bytes >= TransportLimits.inboundBytesHigh
            return (nil, !state.isPaused)
        }
        waiter?.resume(returning: chunk)
        return wantsMore
    }

    /// What was pushed is still given out; only the first end counts. Nil is an end in good order.
    func finish(_ error: LinkError?) {
        let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, any Error>? in
            guard state.end == nil else { return nil }
            state.end = error.map { .failure($0) } ?? .success(())
            state.resume = nil
            defer { state.waiting = nil }
            return state.waiting
        }
        if let error { waiter?.resume(throwing: error) } else { waiter?.resume(returning: nil) }
    }

    /// The next chunk, nil at the end. One consumer at a time: a second one is refused.
    func next() async throws(LinkError) -> [UInt8]? {
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { answer($0) }
            } onCancel: {
                let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, any Error>? in
                    defer { state.waiting = nil }
                    return state.waiting
                }
                waiter?.resume(throwing: LinkError.cancelled)
            }
        } catch {
            throw error as? LinkError ?? .cancelled
        }
    }

    private func answer(_ continuation: CheckedContinuation<[UInt8]?, any Error>) {
        switch take(orWait: continuation) {
        case .chunk(let chunk, let resume):
            continuation.resume(returning: chunk)
            resume?()
        case .failure(let error): continuation.resume(throwing: error)
        case .nothing: break
        }
    }

    private func take(orWait continuation: CheckedContinuation<[UInt8]?, any Error>) -> Taken {
        state.withLock { state in
            // Cancellation that came before there was somebody to resume is noticed here.
            if Task.isCancelled { return .failure(.cancelled) }
            if state.waiting != nil { return .failure(.secondConsumer) }
            if let chunk = state.takeChunk() {
                guard state.isPaused, state.bytes <= TransportLimits.inboundBytesLow else {
                    return .chunk(chunk, resume: nil)
                }
                state.isPaused = false
                return .chunk(chunk, resume: state.resume)
            }
            switch state.end {
            case .success: return .chunk(nil, resume: nil)
            case .failure(let error): return .failure(error)
            case nil:
                state.waiting = continuation
                return .nothing
            }
        }
    }
}
