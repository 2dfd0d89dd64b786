import MusterModel
import Synchronization

/// Appends to a `SegmentLog` on a thread of its own and completes a record only after fdatasync returned. An idle log
/// commits at once; records that arrive while a sync runs share the next one. Completions run on that thread, in the
/// order of submission, and must not block.
///
/// When a record cannot be stored, everything that was submitted before its completion returned fails with it: stored
/// behind a loss, the next record of a stream would hide the loss from whoever reads the highest sequence back.
package final class GroupCommit: Sendable {
    package typealias Completion = @Sendable (Result<SegmentPosition, StoreError>) -> Void

    package struct Settings: Sendable {
        /// Submitted and not completed; `submit` refuses what would go beyond.
        package var queueBytes: Int
        /// One append and sync.
        package var batchBytes: Int
        /// The least time from one commit to the next under load, at most `Limits.groupCommitDelay`: fewer syncs for a
        /// little latency. A full batch does not wait.
        package var gather: Duration

        package init(queueBytes: Int = 32 << 20, batchBytes: Int = 4 << 20, gather: Duration = .milliseconds(2)) {
            self.queueBytes = queueBytes
            self.batchBytes = min(batchBytes, queueBytes)
            self.gather = min(max(gather, .zero), Limits.groupCommitDelay)
        }
    }

    /// What the caller should do next.
    package enum Admission: Equatable, Sendable {
        case accepted
        /// Accepted, but the queue is more than half full: stop reading from peers until `onRelief`.
        case acceptedUnderPressure
        /// Not accepted and the completion will not be called: the queue is full or closed.
        case refused
    }

    private let loop: GroupCommitLoop

    /// `onRelief` is called after pressure or a refusal once the queue is below a quarter, `onRemoved` when retention
    /// made room; both on the log's thread.
    package init(
        log: SegmentLog, settings: Settings = Settings(), onRelief: @escaping @Sendable () -> Void = {},
        onRemoved: @escaping @Sendable ([SegmentLog.Removed]) -> Void = { _ in }
    ) throws(StoreError) {
        let loop = GroupCommitLoop(
            log: log, settings: settings, wake: try WakeSignal(), onRelief: onRelief, onRemoved: onRemoved)
        try startThread { loop.run() }
        self.loop = loop
    }

    /// What is queued is still committed.
    deinit { loop.close() }

    package func submit(_ record: SegmentRecord, completion: @escaping Completion) -> Admission {
        loop.submit(record, completion)
    }

    /// Submitted and not completed.
    package var queuedBytes: Int { loop.queuedBytes }
    /// Syncs that succeeded, for metrics.
    package var commits: Int { loop.commits }

    /// Returns when everything submitted before is completed.
    package func drain() async {
        await withCheckedContinuation { continuation in loop.whenDone { continuation.resume() } }
    }

    /// Refuses new records and returns when the queued ones are completed and the thread is gone.
    package func close() async {
        await withCheckedContinuation { continuation in
            loop.whenDone { continuation.resume() }
            loop.close()
        }
    }
}
