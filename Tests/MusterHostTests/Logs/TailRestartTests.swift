import Foundation
import MusterHost
import MusterLogs
import MusterModel
import Synchronization
import Testing

/// What the journal, the window and the life of sources do to what is read.
@Suite struct TailRestartTests {
    private func harness(_ glob: String = "app.log", start: LogSource.Start = .beginning) throws -> TailHarness {
        let harness = try TailHarness()
        harness.sources = [LogSource(glob: harness.path(glob), startAt: start)]
        return harness
    }

    @Test func `blocks without acknowledgement are sent again under their sequences`() throws {
        let harness = try harness()
        harness.isAcknowledging = false
        harness.start()
        harness.appendLines(0..<50_000, to: "app.log")
        harness.settle()
        let before = harness.link.state.withLock { $0.sent }
        #expect(before.count > 1)
        harness.restart()
        harness.settle()
        let after = harness.link.state.withLock { $0.sent }
        #expect(after.map(\.sequence) == before.map(\.sequence))
        #expect(after.map(\.payload) == before.map(\.payload))
        #expect(harness.counters.resentBlocks == before.count)
    }

    @Test func `what the coordinator holds is not sent again`() throws {
        let harness = try harness()
        harness.isAcknowledging = false
        harness.start()
        harness.appendLines(0..<50_000, to: "app.log")
        harness.settle()
        _ = harness.link.receive(1)
        harness.restart()
        harness.settle()
        #expect(harness.link.state.withLock { $0.sent.first?.sequence } == 2)
    }

    @Test func `nothing is cut before the first welcome`() throws {
        let harness = try harness()
        harness.appendLines(0..<10, to: "app.log")
        harness.start(isWelcomed: false)
        harness.pass(.seconds(5))
        #expect(harness.counters.blocks == 0)
        harness.loop?.welcomed(durable: 0)
        harness.settle()
        #expect(try harness.lines() == numbered(0..<10))
    }

    @Test func `a file rotated while the agent was down is found by its identity`() throws {
        let harness = try harness()
        harness.isAcknowledging = false
        harness.start()
        harness.appendLines(0..<100, to: "app.log")
        harness.settle()
        harness.crash()
        harness.appendLines(100..<200, to: "app.log")
        harness.move("app.log", "app.log-20260301")
        harness.appendLines(200..<300, to: "app.log")
        harness.start()
        harness.isAcknowledging = true
        harness.settle()
        #expect(try harness.lines().sorted() == numbered(0..<300).sorted())
    }

    @Test func `a file deleted while the agent was down is a counted gap`() throws {
        let harness = try harness()
        harness.isAcknowledging = false
        harness.start()
        harness.appendLines(0..<100, to: "app.log")
        harness.settle()
        harness.crash()
        harness.remove("app.log")
        harness.start()
        harness.settle()
        #expect(harness.counters.gaps == 1)
        #expect(harness.counters.lostLines == 100)
        #expect(harness.counters.pendingBlocks == 0)
    }

    @Test func `a full window stops the reading, an open one goes on where it stopped`() throws {
        let harness = try harness()
        harness.isAcknowledging = false
        harness.link.state.withLock { $0.window = 3 }
        harness.start()
        harness.appendLines(0..<200_000, to: "app.log")
        harness.pass(.seconds(5))
        #expect(harness.link.state.withLock { $0.sent.count } == 3)
        let read = harness.counters.bytesRead
        harness.pass(.seconds(5))
        #expect(harness.counters.bytesRead == read)
        harness.isAcknowledging = true
        harness.settle()
        #expect(try harness.lines() == numbered(0..<200_000))
    }

    @Test func `a journal that takes nothing holds the blocks back until it does`() throws {
        let harness = try harness()
        harness.start()
        harness.turn()
        harness.journal.state.withLock { $0.isBroken = true }
        harness.appendLines(0..<100, to: "app.log")
        harness.pass(.seconds(5))
        #expect(try harness.lines().isEmpty)
        #expect((harness.counters.faults[.journalFailed] ?? 0) > 0)
        harness.journal.state.withLock { $0.isBroken = false }
        harness.pass(.seconds(2))
        #expect(try harness.lines() == numbered(0..<100))
    }

    @Test func `a journal that failed once is written anew and nothing is lost or doubled`() throws {
        let harness = try harness()
        harness.start()
        harness.turn()
        harness.journal.state.withLock { $0.failsNextSync = true }
        harness.appendLines(0..<100, to: "app.log")
        harness.settle()
        #expect(try harness.lines() == numbered(0..<100))
        #expect(harness.counters.faults[.journalFailed] == 1)
        #expect(harness.journal.state.withLock { $0.compactions } == 1)
        harness.restart()
        harness.appendLines(100..<200, to: "app.log")
        harness.settle()
        #expect(try harness.lines() == numbered(0..<200))
        #expect(harness.link.state.withLock { $0.repeated } == 0)
    }

    @Test func `a journal that lost its end never gives a sequence twice`() throws {
        let harness = try harness()
        harness.start()
        harness.appendLines(0..<10, to: "app.log")
        harness.settle()
        let mark = harness.link.durable
        harness.crash()
        harness.start(records: [])
        harness.appendLines(10..<20, to: "app.log")
        harness.settle()
        #expect(harness.link.state.withLock { $0.repeated } == 0)
        #expect(harness.link.durable > mark)
    }

    @Test func `the journal is compacted and says the same afterwards`() throws {
        var options = LogTailerOptions()
        options.compactBytes = 1_000
        let harness = try TailHarness(options: options)
        harness.sources = [LogSource(glob: harness.path("*.log"))]
        harness.start()
        for round in 0..<50 {
            harness.appendLines(round * 10..<round * 10 + 10, to: "\(round % 5).log")
            harness.pass(.milliseconds(300))
        }
        #expect(harness.journal.state.withLock { $0.compactions } > 0)
        harness.restart()
        harness.settle()
        #expect(try harness.lines().sorted() == numbered(0..<500).sorted())
    }

    @Test func `the first start may begin at the end; later files and later starts do not`() throws {
        let harness = try harness("*.log", start: .end)
        harness.append("old\n", to: "a.log")
        harness.start()
        harness.settle()
        harness.append("new\n", to: "a.log")
        harness.append("found later\n", to: "b.log")
        harness.settle()
        harness.crash()
        harness.append("while down\n", to: "c.log")
        harness.start()
        harness.settle()
        #expect(try harness.lines().sorted() == ["found later", "new", "while down"])
    }

    @Test func `a source that goes and comes back keeps its place`() throws {
        let harness = try harness()
        harness.start()
        harness.append("line 0\n", to: "app.log")
        harness.settle()
        harness.loop?.sourcesChanged([], now: harness.now)
        harness.settle()
        harness.append("line 1\n", to: "app.log")
        harness.settle()
        #expect(try harness.lines() == ["line 0"])
        harness.loop?.sourcesChanged(harness.sources, now: harness.now)
        harness.settle()
        #expect(try harness.lines() == ["line 0", "line 1"])
    }

    @Test func `a container removed with unread lines is drained through the open file`() throws {
        let harness = try harness()
        harness.link.state.withLock { $0.window = 0 }
        harness.start()
        harness.appendLines(0..<100, to: "app.log")
        harness.pass(.seconds(1))
        harness.loop?.sourcesChanged([], now: harness.now)
        harness.remove("app.log")
        harness.pass(.seconds(1))
        harness.link.state.withLock { $0.window = 64 }
        harness.settle()
        #expect(try harness.lines() == numbered(0..<100))
    }

    /// Events the kernel keeps for one queue.
    private static let queuedEvents: Int = {
        let text = try? String(contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
        return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? .max
    }()

    @Test(.enabled(if: queuedEvents <= 100_000, "the kernel keeps more events than a test should make"))
    func `lost events lead to a comparison of everything`() throws {
        let harness = try harness("*.log")
        harness.start()
        harness.append("line 0\n", to: "a.log")
        harness.append("line 1\n", to: "b.log")
        harness.settle()
        // Two names in turn: equal events that follow each other are merged.
        for round in 0..<Self.queuedEvents + 1_000 {
            harness.append("x\n", to: round % 2 == 0 ? "noise-a" : "noise-b")
        }
        harness.move("a.log", "old.1")
        harness.append("line 2\n", to: "old.1")
        harness.append("line 3\n", to: "a.log")
        harness.append("line 4\n", to: "b.log")
        harness.settle()
        #expect(harness.counters.faults[.eventOverflow] == 1)
        #expect(try harness.lines().sorted() == numbered(0..<5))
    }

    @Test func `without events the tailer polls`() throws {
        var options = LogTailerOptions()
        options.usesPolling = true
        let harness = try TailHarness(options: options)
        harness.sources = [LogSource(glob: harness.path("*.log"))]
        harness.start()
        harness.append("line 0\n", to: "a.log")
        harness.pass(.seconds(3))
        harness.append("line 1\n", to: "a.log")
        harness.pass(.seconds(3))
        harness.move("a.log", "a.1")
        harness.append("line 2\n", to: "a.log")
        harness.append("line 3\n", to: "a.1")
        harness.pass(.seconds(3))
        #expect(harness.counters.isPolling)
        #expect(try harness.lines().sorted() == numbered(0..<4))
    }

    @Test func `too many directories to watch turn the tailer to polling`() throws {
        var options = LogTailerOptions()
        options.maxWatchedDirectories = 2
        let harness = try TailHarness(options: options)
        harness.sources = [LogSource(glob: harness.path("*/x.log"))]
        for name in ["1", "2", "3", "4"] { try harness.makeDirectory(name) }
        harness.start()
        harness.turn()
        for name in ["1", "2", "3", "4"] { harness.append("in \(name)\n", to: "\(name)/x.log") }
        harness.pass(.seconds(3))
        #expect(harness.counters.isPolling)
        #expect(try harness.lines().sorted() == ["in 1", "in 2", "in 3", "in 4"])
    }

    @Test(.enabled(if: getuid() != 0, "root may read everything"))
    func `a file without permission is read once it is granted`() throws {
        let harness = try harness()
        harness.append("line 0\n", to: "app.log")
        chmod(harness.path("app.log"), 0)
        harness.start()
        harness.settle()
        #expect(harness.counters.faults[.permissionDenied] == 1)
        chmod(harness.path("app.log"), 0o644)
        harness.settle()
        #expect(try harness.lines() == ["line 0"])
    }

    @Test func `open files stay within their limit`() throws {
        var options = LogTailerOptions()
        options.maxOpenFiles = 16
        let harness = try TailHarness(options: options)
        harness.sources = [LogSource(glob: harness.path("*.log"))]
        harness.start()
        for round in 0..<3 {
            for number in 0..<100 { harness.append("\(number) \(round)\n", to: "\(number).log") }
            harness.settle()
            #expect(harness.counters.openFiles <= 17)
        }
        for number in 0..<100 { harness.move("\(number).log", "\(number).old") }
        for number in 0..<100 { harness.append("\(number) 3\n", to: "\(number).old") }
        harness.settle()
        #expect(try harness.lines().count == 400)
        #expect(Set(try harness.lines()).count == 400)
    }
}
