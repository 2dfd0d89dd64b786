import Synchronization

/// The thread behind `GroupCommit`.
final class GroupCommitLoop: Sendable {
    struct Item: Sendable {
        var record: SegmentRecord
        var bytes: Int
        var completion: GroupCommit.Completion
    }

    private struct Waiter: Sendable {
        /// Fires when this many records are completed.
        var target: UInt64
        var done: @Sendable () -> Void
    }

    private struct Queue: Sendable {
        var items: [Item] = []
        /// Of `items` and of the batch being committed.
        var bytes = 0
        var submitted: UInt64 = 0
        var completed: UInt64 = 0
        var waiters: [Waiter] = []
        var isClosed = false
        var owesRelief = false
        var commits = 0
    }

    private let log: SegmentLog
    private let settings: GroupCommit.Settings
    private let wake: WakeSignal
    private let onRelief: @Sendable () -> Void
    private let onRemoved: @Sendable ([SegmentLog.Removed]) -> Void
    private let queue = Mutex(Queue())

    init(
        log: SegmentLog, settings: GroupCommit.Settings, wake: WakeSignal, onRelief: @escaping @Sendable () -> Void,
        onRemoved: @escaping @Sendable ([SegmentLog.Removed]) -> Void
    ) {
        self.log = log
        self.settings = settings
        self.wake = wake
        self.onRelief = onRelief
        self.onRemoved = onRemoved
    }

    var queuedBytes: Int { queue.withLock { $0.bytes } }
    var commits: Int { queue.withLock { $0.commits } }

    func submit(_ record: SegmentRecord, _ completion: @escaping GroupCommit.Completion) -> GroupCommit.Admission {
        let bytes = SegmentLog.storedBytes(record)
        let (admission, mustWake) = queue.withLock { queue in
            guard !queue.isClosed else { return (GroupCommit.Admission.refused, false) }
            guard queue.bytes == 0 || queue.bytes + bytes <= settings.queueBytes else {
                queue.owesRelief = true
                return (.refused, false)
            }
            queue.items.append(Item(record: record, bytes: bytes, completion: completion))
            queue.bytes += bytes
            queue.submitted += 1
            let isPressed = queue.bytes > settings.queueBytes / 2
            if isPressed { queue.owesRelief = true }
            return (isPressed ? .acceptedUnderPressure : .accepted, queue.items.count == 1)
        }
        if mustWake { wake.raise() }
        return admission
    }

    func whenDone(_ done: @escaping @Sendable () -> Void) {
        let isDone = queue.withLock { queue in
            if queue.completed == queue.submitted { return true }
            queue.waiters.append(Waiter(target: queue.submitted, done: done))
            return false
        }
        if isDone { done() }
    }

    func close() {
        queue.withLock { $0.isClosed = true }
        wake.raise()
    }

    func run() {
        let clock = ContinuousClock()
        while true {
            wake.wait()
            while let batch = takeBatch() {
                let start = clock.now
                commit(batch)
                // A lone record never waits for this: the queue is empty then and the next wait is for a wake-up.
                if mayGather { pauseThread(settings.gather - (clock.now - start)) }
            }
            if queue.withLock({ $0.isClosed && $0.items.isEmpty }) { return }
        }
    }

    /// More has arrived, but not yet enough for a batch.
    private var mayGather: Bool {
        queue.withLock { queue in
            !queue.items.isEmpty && !queue.isClosed && queue.bytes < settings.batchBytes
        }
    }

    private func takeBatch() -> [Item]? {
        queue.withLock { queue in
            guard !queue.items.isEmpty else { return nil }
            var bytes = 0
            var count = 0
            while count < queue.items.count, count == 0 || bytes + queue.items[count].bytes <= settings.batchBytes {
                bytes += queue.items[count].bytes
                count += 1
            }
            let batch = Array(queue.items[..<count])
            queue.items.removeFirst(count)
            return batch
        }
    }

    private func commit(_ batch: [Item]) {
        guard let error = stored(batch) else { return }
        // Together they are more than the log may hold; one by one they fit.
        guard error.cause == .tooLarge, batch.count > 1 else { return fail(batch[...], error) }
        var rest = batch[...]
        while let item = rest.first {
            if let error = stored([item]) { return fail(rest, error) }
            rest.removeFirst()
        }
    }

    /// Nil when it is; then its completions were called.
    private func stored(_ batch: [Item]) -> StoreError? {
        do throws(StoreError) {
            let appended = try log.append(batch.map(\.record))
            if !appended.removed.isEmpty { onRemoved(appended.removed) }
            try log.sync()
            queue.withLock { $0.commits += 1 }
            for (item, position) in zip(batch, appended.positions) { item.completion(.success(position)) }
            finish(batch)
            return nil
        } catch {
            return error
        }
    }

    private func fail(_ batch: ArraySlice<Item>, _ error: StoreError) {
        var failed = Array(batch)
        // Whoever submits before all completions have returned is caught by the next turn; whoever waits for them with
        // `drain` and submits then is not.
        while !failed.isEmpty {
            for item in failed { item.completion(.failure(error)) }
            failed = finish(failed, takingTheRest: true)
        }
    }

    /// What is queued still, when it is asked for: it is taken in the step that completes the batch.
    @discardableResult
    private func finish(_ batch: [Item], takingTheRest: Bool = false) -> [Item] {
        let (rest, done, isRelieved) = queue.withLock { queue -> ([Item], [Waiter], Bool) in
            queue.bytes -= batch.reduce(0) { $0 + $1.bytes }
            queue.completed += UInt64(batch.count)
            let completed = queue.completed
            let done = queue.waiters.filter { $0.target <= completed }
            queue.waiters.removeAll { $0.target <= completed }
            let isRelieved = queue.owesRelief && queue.bytes <= settings.queueBytes / 4
            if isRelieved { queue.owesRelief = false }
            guard takingTheRest else { return ([], done, isRelieved) }
            defer { queue.items = [] }
            return (queue.items, done, isRelieved)
        }
        for waiter in done { waiter.done() }
        if isRelieved { onRelief() }
        return rest
    }
}
