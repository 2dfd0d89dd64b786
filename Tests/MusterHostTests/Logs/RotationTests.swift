import Foundation
import MusterHost
import MusterLogs
import MusterModel
import Synchronization
import Testing

/// Rotation of each kind: nothing lost, nothing twice, order kept within a file.
@Suite struct RotationTests {
    private func harness(_ glob: String = "app.log", kind: LogFileKind = .plain) throws -> TailHarness {
        let harness = try TailHarness()
        harness.sources = [LogSource(glob: harness.path(glob), kind: kind, labels: ["service": "app"])]
        return harness
    }

    @Test func `a file that is there is read whole and labelled`() throws {
        let harness = try harness()
        harness.appendLines(0..<1_000, to: "app.log")
        harness.start()
        harness.settle()
        #expect(try harness.lines() == numbered(0..<1_000))
        let labels = try #require(try harness.link.entries().first?.labels)
        #expect(labels == ["service": "app", "path": harness.path("app.log")])
    }

    @Test func `rename and create, the writer reopens at once`() throws {
        let harness = try harness()
        harness.start()
        for round in 0..<5 {
            harness.appendLines(round * 100..<round * 100 + 50, to: "app.log")
            if round % 2 == 0 { harness.turn(3) }
            harness.appendLines(round * 100 + 50..<round * 100 + 100, to: "app.log")
            harness.move("app.log", "app.log.\(round)")
        }
        harness.settle()
        #expect(try harness.lines().count == 500)
        #expect(Set(try harness.lines()) == Set(numbered(0..<500)))
        for round in 0..<5 {
            let own = try harness.lines().filter { numbered(round * 100..<round * 100 + 100).contains($0) }
            #expect(own == numbered(round * 100..<round * 100 + 100))
        }
    }

    @Test func `rename and create, the writer keeps the old file for a minute`() throws {
        let harness = try harness()
        harness.start()
        let old = open(harness.path("app.log"), O_WRONLY | O_CREAT | O_APPEND, 0o644)
        defer { close(old) }
        harness.write(Array("old 0\n".utf8), to: old)
        harness.settle()
        harness.move("app.log", "app.log.1")
        for second in 1...60 {
            harness.write(Array("old \(second)\n".utf8), to: old)
            harness.append("new \(second)\n", to: "app.log")
            harness.pass(.seconds(1))
        }
        harness.settle()
        #expect(try harness.lines().filter { $0.hasPrefix("old") } == (0...60).map { "old \($0)" })
        #expect(try harness.lines().filter { $0.hasPrefix("new") } == (1...60).map { "new \($0)" })
    }

    @Test func `the old file is followed into a directory that nobody watches`() throws {
        let harness = try harness()
        try harness.makeDirectory("archive")
        harness.start()
        let old = open(harness.path("app.log"), O_WRONLY | O_CREAT | O_APPEND, 0o644)
        defer { close(old) }
        harness.write(Array("old 0\n".utf8), to: old)
        harness.settle()
        harness.move("app.log", "archive/app.log")
        harness.write(Array("old 1\n".utf8), to: old)
        harness.pass(.seconds(3))
        harness.write(Array("old 2\n".utf8), to: old)
        harness.pass(.seconds(3))
        #expect(try harness.lines() == ["old 0", "old 1", "old 2"])
    }

    @Test(arguments: [2, 10]) func `several rotations before the next turn`(rotations: Int) throws {
        let harness = try harness("app.log*")
        harness.start()
        harness.appendLines(0..<10, to: "app.log")
        harness.settle()
        for round in 1...rotations {
            harness.move("app.log", "app.log.\(round)")
            harness.appendLines(round * 10..<round * 10 + 10, to: "app.log")
        }
        harness.settle()
        #expect(try harness.lines().sorted() == numbered(0..<(rotations + 1) * 10).sorted())
    }

    @Test func `a rotated name that matches the pattern is not read again`() throws {
        let harness = try harness("app.log*")
        harness.start()
        harness.appendLines(0..<100, to: "app.log")
        harness.settle()
        harness.move("app.log", "app.log.1")
        harness.appendLines(100..<200, to: "app.log")
        harness.settle()
        harness.move("app.log.1", "app.log.2")
        harness.move("app.log", "app.log.1")
        harness.settle()
        harness.restart()
        harness.settle()
        #expect(try harness.lines() == numbered(0..<200))
    }

    @Test func `rotated, compressed and deleted before it was read: the rest comes through the open file`() throws {
        let harness = try harness("app.log*")
        harness.link.state.withLock { $0.window = 1 }
        harness.isAcknowledging = false
        harness.start()
        harness.appendLines(0..<60_000, to: "app.log")
        harness.turn(3)
        harness.move("app.log", "app.log.1")
        harness.append([0x1f, 0x8b, 0x08, 0x00], to: "app.log.1.gz")
        harness.remove("app.log.1")
        harness.turn(3)
        harness.link.state.withLock { $0.window = 64 }
        harness.isAcknowledging = true
        harness.settle()
        #expect(try harness.lines() == numbered(0..<60_000))
        harness.pass(.seconds(8))
        #expect(harness.counters.openFiles == 0)
        #expect(harness.counters.files == 0)
        #expect(harness.counters.gaps == 0)
    }

    @Test func `truncated to less than what was read`() throws {
        let harness = try harness()
        harness.start()
        harness.appendLines(0..<100, to: "app.log")
        harness.settle()
        harness.cut("app.log")
        harness.append("new 0\n", to: "app.log")
        harness.settle()
        #expect(try harness.lines() == numbered(0..<100) + ["new 0"])
        #expect(harness.counters.truncations == 1)
    }

    @Test func `truncated and grown past the offset before anyone looked`() throws {
        let harness = try harness()
        harness.start()
        harness.appendLines(0..<100, to: "app.log")
        harness.settle()
        harness.cut("app.log")
        harness.appendLines(1_000..<2_000, to: "app.log")
        harness.settle()
        #expect(try harness.lines() == numbered(0..<100) + numbered(1_000..<2_000))
        #expect(harness.counters.truncations == 1)
    }

    @Test func `truncated with the same first kilobyte`() throws {
        let harness = try harness()
        harness.start()
        let header = String(repeating: "# the same header\n", count: 100)
        harness.append(header + "line 0\n", to: "app.log")
        harness.settle()
        harness.cut("app.log")
        harness.append(header + "line 1\nline 2\n", to: "app.log")
        harness.settle()
        #expect(try harness.lines().filter { !$0.hasPrefix("#") } == numbered(0..<3))
    }

    @Test func `truncated while the agent was down`() throws {
        let harness = try harness()
        harness.start()
        harness.appendLines(0..<100, to: "app.log")
        harness.settle()
        harness.crash()
        harness.cut("app.log")
        harness.appendLines(1_000..<2_000, to: "app.log")
        harness.start()
        harness.settle()
        #expect(try harness.lines() == numbered(0..<100) + numbered(1_000..<2_000))
    }

    @Test func `truncated to nothing, and the first write comes much later`() throws {
        let harness = try harness()
        harness.start()
        harness.appendLines(0..<10, to: "app.log")
        harness.settle()
        harness.cut("app.log")
        harness.pass(.seconds(30))
        harness.append("line 10\n", to: "app.log")
        harness.settle()
        #expect(try harness.lines() == numbered(0..<11))
    }

    @Test func `a writer that keeps its position leaves a hole, which is skipped`() throws {
        let harness = try harness()
        harness.start()
        let writer = open(harness.path("app.log"), O_WRONLY | O_CREAT, 0o644)
        defer { close(writer) }
        harness.write(Array(numbered(0..<200_000).joined(separator: "\n").utf8) + [0x0a], to: writer)
        harness.settle()
        harness.cut("app.log")
        harness.write(Array("after the hole\nand more\n".utf8), to: writer)
        harness.settle()
        #expect(try harness.lines() == numbered(0..<200_000) + ["after the hole", "and more"])
        #expect(harness.counters.skippedNULs > 1_000_000)
        harness.isAcknowledging = false
        harness.restart()
        harness.settle()
        #expect(try harness.lines().count == 200_002)
    }

    @Test(arguments: [true, false]) func `an inode that is given again to the next file`(isUp: Bool) throws {
        var options = LogTailerOptions()
        options.deletedGrace = .zero
        let harness = try TailHarness(options: options)
        harness.sources = [LogSource(glob: harness.path("*.log"))]
        harness.start()
        for round in 0..<10 {
            harness.append("file \(round), the first line\n", to: "\(round).log")
            harness.settle()
            harness.pass(.seconds(2))
            if !isUp { harness.crash() }
            harness.remove("\(round).log")
            if isUp { harness.pass(.seconds(2)) } else { harness.append("file \(round) bis\n", to: "b\(round).log") }
            if !isUp { harness.start() }
        }
        harness.settle()
        let expected = (0..<10).flatMap { round in
            isUp ? ["file \(round), the first line"] : ["file \(round), the first line", "file \(round) bis"]
        }
        let lines = try harness.lines()
        #expect(lines.sorted() == expected.sorted())
    }

    @Test func `deleted and made again under the same name`() throws {
        let harness = try harness()
        harness.start()
        harness.appendLines(0..<10, to: "app.log")
        harness.turn()
        harness.remove("app.log")
        harness.appendLines(10..<20, to: "app.log")
        harness.remove("app.log")
        harness.appendLines(20..<30, to: "app.log")
        harness.settle()
        // The middle one never met a turn: it is gone before anybody could open it.
        #expect(Set(try harness.lines()).isSuperset(of: numbered(0..<10) + numbered(20..<30)))
        #expect(try harness.lines().count == Set(try harness.lines()).count)
    }

    @Test func `two files change their names with each other, and back`() throws {
        let harness = try harness("*.log")
        harness.start()
        harness.append("a0\n", to: "a.log")
        harness.append("b0\n", to: "b.log")
        harness.settle()
        for round in 1...4 {
            harness.move("a.log", "tmp")
            harness.move("b.log", "a.log")
            harness.move("tmp", "b.log")
            if round % 2 == 0 { harness.settle() }
            harness.append(round % 2 == 0 ? "a\(round)\n" : "b\(round)\n", to: "a.log")
            harness.append(round % 2 == 0 ? "b\(round)\n" : "a\(round)\n", to: "b.log")
        }
        harness.settle()
        #expect(try harness.lines().filter { $0.hasPrefix("a") } == ["a0", "a1", "a2", "a3", "a4"])
        #expect(try harness.lines().filter { $0.hasPrefix("b") } == ["b0", "b1", "b2", "b3", "b4"])
    }

    @Test func `a file renamed over another one`() throws {
        let harness = try harness("*.log")
        harness.start()
        harness.append("a0\n", to: "a.log")
        harness.append("b0\n", to: "b.log")
        harness.turn()
        harness.append("a1\n", to: "a.log")
        harness.append("b1\n", to: "b.log")
        harness.move("b.log", "a.log")
        harness.append("b2\n", to: "a.log")
        harness.settle()
        #expect(try harness.lines().sorted() == ["a0", "a1", "b0", "b1", "b2"])
    }

    @Test func `a directory is renamed, and another one takes its name`() throws {
        let harness = try harness("*/app.log")
        try harness.makeDirectory("one")
        harness.start()
        harness.append("line 0\n", to: "one/app.log")
        harness.settle()
        harness.move("one", "two")
        harness.append("line 1\n", to: "two/app.log")
        try harness.makeDirectory("one")
        harness.append("line 2\n", to: "one/app.log")
        harness.settle()
        harness.append("line 3\n", to: "two/app.log")
        harness.append("line 4\n", to: "one/app.log")
        harness.settle()
        #expect(try harness.lines().sorted() == numbered(0..<5))
    }

    @Test func `a hard link and a symbolic link to one file are read once`() throws {
        let harness = try harness("*.log")
        try harness.makeDirectory("data")
        harness.append("line 0\n", to: "data/real")
        #expect(link(harness.path("data/real"), harness.path("hard.log")) == 0)
        #expect(symlink(harness.path("data/real"), harness.path("soft.log")) == 0)
        harness.start()
        harness.settle()
        harness.append("line 1\n", to: "data/real")
        harness.settle()
        #expect(try harness.lines() == numbered(0..<2))
    }

    @Test func `the target of a symbolic link is exchanged`() throws {
        let harness = try harness("current.log")
        try harness.makeDirectory("data")
        harness.append("line 0\n", to: "data/0")
        #expect(symlink(harness.path("data/0"), harness.path("current.log")) == 0)
        harness.start()
        harness.settle()
        harness.append("line 1\n", to: "data/1")
        #expect(symlink(harness.path("data/1"), harness.path("next")) == 0)
        harness.move("next", "current.log")
        harness.append("line 2\n", to: "data/0")
        harness.settle()
        harness.append("line 3\n", to: "data/1")
        harness.settle()
        #expect(try harness.lines().sorted() == numbered(0..<4))
    }
}
