import Glibc
import MusterCLI
import MusterTestKit
import Synchronization
import Testing

@Suite struct SignalTests {
    private final class Heard: Sendable {
        private let numbers = Mutex<[Int32]>([])
        var isEmpty: Bool { numbers.withLock { $0.isEmpty } }
        var all: Set<Int32> { numbers.withLock { Set($0) } }
        func hear(_ number: Int32) { numbers.withLock { $0.append(number) } }
    }

    /// A signal whose default is to be ignored, because the process that gets it runs all tests.
    @Test(.timeLimit(.minutes(1))) func `a signal is heard instead of what it does by default`() async throws {
        let heard = Heard()
        let signals = Signals([SIGWINCH]) { heard.hear($0) }
        defer { signals.cancel() }
        // It begins to listen a moment later, so the signal is sent until it is heard.
        try await eventually("the signal is heard", every: .milliseconds(2)) {
            kill(getpid(), SIGWINCH)
            return !heard.isEmpty
        }
        #expect(heard.all == [SIGWINCH])
    }
}
