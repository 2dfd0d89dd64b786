import Foundation
import MusterHost
import MusterLogs
import MusterModel
import MusterTestKit
import Synchronization
import Testing

/// The tailer on its thread, with the real clock.
@Suite struct LogTailerTests {
    private static func clock() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    @Test func `lines written while it runs arrive within half a second, and it stops when told`() async throws {
        let harness = try TailHarness()
        let tailer = try #require(
            LogTailer(
                recovery: TailLedger.recovered(from: []), journal: harness.journal, sink: harness.link,
                compressor: StoringCompressor(), clock: Self.clock))
        #expect(tailer.start())
        tailer.setSources([LogSource(glob: harness.path("*.log"))])
        tailer.welcomed(durable: 0)
        try await eventually("it watches") { tailer.counters.watchedDirectories > 0 }
        let begun = Self.clock()
        for number in 0..<10 {
            harness.appendLines(number..<number + 1, to: "app.log")
            try await eventually("line \(number) has come", every: .milliseconds(5)) {
                tailer.acknowledged(through: harness.link.receive())
                return try harness.lines().count == number + 1
            }
        }
        #expect(Self.clock() - begun < .seconds(8))
        try await eventually("nothing waits") { tailer.counters.pendingBlocks == 0 }
        tailer.stop()
        harness.appendLines(10..<20, to: "app.log")
        #expect(try harness.lines() == numbered(0..<10))
    }

    @Test func `a full window opens and the rest comes`() async throws {
        let harness = try TailHarness()
        harness.link.state.withLock { $0.window = 1 }
        harness.appendLines(0..<100_000, to: "app.log")
        let tailer = try #require(
            LogTailer(
                recovery: TailLedger.recovered(from: []), journal: harness.journal, sink: harness.link,
                compressor: StoringCompressor(), clock: Self.clock))
        #expect(tailer.start())
        tailer.setSources([LogSource(glob: harness.path("app.log"))])
        tailer.welcomed(durable: 0)
        try await eventually("all lines have come", every: .milliseconds(5)) {
            tailer.acknowledged(through: harness.link.receive())
            tailer.windowOpened()
            return try harness.lines().count == 100_000
        }
        tailer.stop()
    }
}
