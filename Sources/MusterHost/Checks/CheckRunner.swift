package import MusterModel
import Synchronization

/// Runs the checks of a host's instances. `watch` says which; `run` is awaited by the wiring for as long as checks
/// shall run; `onChange` is called whenever `instances` has news, from whichever task brought it: read the level, not
/// the edge.
package final class CheckRunner: Sendable {
    /// A timer sleeps no longer than this, so that one that became useless does not stay for long.
    static let longestSleep = Duration.seconds(5)

    private let probe: any CheckProbe
    private let now: @Sendable () -> Instant
    private let onChange: @Sendable () -> Void
    private let table = Mutex(CheckTable())
    private let waker = Mutex<AsyncStream<Void>.Continuation?>(nil)

    package init(
        probe: any CheckProbe, now: @escaping @Sendable () -> Instant, onChange: @escaping @Sendable () -> Void
    ) {
        self.probe = probe
        self.now = now
        self.onChange = onChange
    }

    /// Replaces the whole set. What is the same run of the same thing keeps its state.
    package func watch(_ targets: [CheckTarget]) {
        let now = now()
        let isChanged = table.withLock { table in
            var random = SystemRandomNumberGenerator()
            return table.targetsReplaced(targets, now: now, using: &random)
        }
        if isChanged { onChange() }
        wake()
    }

    /// All instances with their health, by id.
    package var instances: [Instance] { table.withLock { $0.instances } }

    /// Runs until its task is cancelled; checks under way are waited for.
    package func run() async {
        let (wakes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        waker.withLock { $0 = continuation }
        continuation.yield()
        await withDiscardingTaskGroup { group in
            var armed = Instant.distantPast
            for await _ in wakes {
                let now = now()
                let (runs, wakeAt) = table.withLock { ($0.takeDue(now: now), $0.wakeAt) }
                for run in runs { group.addTask { await self.perform(run) } }
                guard let wakeAt, armed <= now || wakeAt < armed else { continue }
                let sleep = min(wakeAt - now, Self.longestSleep)
                armed = now + sleep
                group.addTask {
                    if sleep > .zero { try? await Task.sleep(for: sleep) }
                    continuation.yield()
                }
            }
            group.cancelAll()
        }
        waker.withLock { $0 = nil }
    }

    private func perform(_ run: CheckTable.Run) async {
        let target = run.target
        let result = await probe.result(
            of: target.policy.kind, address: target.checkAddress, port: target.checkPort, timeout: target.policy.timeout
        )
        let now = now()
        let jitter = Double.random(in: -0.1...0.1)
        let isChanged = table.withLock { table in
            // A run that was cut off with its task says nothing of the instance.
            Task.isCancelled ? false : table.resulted(run, result, now: now, jitter: jitter)
        }
        if isChanged { onChange() }
        wake()
    }

    private func wake() { _ = waker.withLock { $0?.yield() } }
}
