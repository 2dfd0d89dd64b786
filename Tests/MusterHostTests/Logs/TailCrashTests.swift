import Foundation
import MusterHost
import MusterLogs
import MusterModel
import Synchronization
import Testing

/// xorshift64*: the same seed gives the same run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
}

/// Crashes at random points with random parts of the journal, the memory and the link lost: every line arrives once.
@Suite struct TailCrashTests {
    /// A writer of numbered lines to a few files, which also rotates them.
    private struct Writer {
        var next = 0
        var rotations = 0
        var unfinished: [String: Int] = [:]
        var written: [String: [String]] = [:]

        mutating func step(_ harness: TailHarness, isDocker: Bool, _ generator: inout SeededGenerator) {
            let name = "\(Int.random(in: 0..<3, using: &generator)).log"
            if unfinished[name] == nil, Int.random(in: 0..<12, using: &generator) == 0,
                FileManager.default.fileExists(atPath: harness.path(name))
            {
                rotations += 1
                harness.move(name, "\(name).\(rotations)")
            }
            var text = ""
            for _ in 0..<Int.random(in: 1...200, using: &generator) {
                let line = "line \(next) " + String(repeating: "x", count: Int.random(in: 0..<60, using: &generator))
                written[name, default: []].append(line)
                text += isDocker ? Self.records(line, &generator) : line + "\n"
                next += 1
            }
            if !isDocker, Int.random(in: 0..<3, using: &generator) == 0 {
                // In two writes with a turn between them, so that a half line is seen.
                let half = text.utf8.count - Int.random(in: 1...5, using: &generator)
                harness.append(Array(text.utf8.prefix(half)), to: name)
                harness.turn()
                harness.append(Array(text.utf8.dropFirst(half)), to: name)
            } else {
                harness.append(text, to: name)
            }
        }

        private static func records(_ line: String, _ generator: inout SeededGenerator) -> String {
            func record(_ text: String) -> String {
                #"{"log":"\#(text)","stream":"stdout","time":"2026-03-01T09:30:00.5Z"}"# + "\n"
            }
            guard Bool.random(using: &generator) else { return record(line + #"\n"#) }
            let cut = line.index(line.startIndex, offsetBy: 3)
            return record(String(line[..<cut])) + record(line[cut...] + #"\n"#)
        }
    }

    private func run(seed: UInt64, isDocker: Bool) throws {
        var generator = SeededGenerator(seed: seed)
        var options = LogTailerOptions()
        options.compactBytes = Int.random(in: 500...20_000, using: &generator)
        options.maxOpenFiles = Int.random(in: 1...8, using: &generator)
        options.slabBytes = Int.random(in: 70_000...200_000, using: &generator)
        let harness = try TailHarness(options: options)
        harness.sources = [LogSource(glob: harness.path("*.log*"), kind: isDocker ? .dockerJSON : .plain)]
        harness.isAcknowledging = false
        var writer = Writer()
        var gaps = 0
        harness.start()
        for _ in 0..<Int.random(in: 20...60, using: &generator) {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<4: writer.step(harness, isDocker: isDocker, &generator)
            case 4..<7: harness.turn(Int.random(in: 1...6, using: &generator))
            case 7:
                let durable = harness.link.receive(Int.random(in: 0...4, using: &generator))
                if Bool.random(using: &generator) { harness.loop?.acknowledged(through: durable) }
            case 8: harness.loop?.acknowledged(through: harness.link.durable)
            default:
                gaps += harness.counters.gaps
                harness.crash(keeping: Int.random(in: 0...3, using: &generator))
                if Bool.random(using: &generator) { writer.step(harness, isDocker: isDocker, &generator) }
                harness.start()
            }
        }
        harness.restart()
        harness.isAcknowledging = true
        harness.settle()
        harness.pass(.seconds(2))
        let entries = try harness.link.entries()
        let lines = entries.map { String(decoding: $0.line, as: UTF8.self) }
        let expected = writer.written.values.flatMap { $0 }
        let lost = Set(expected).subtracting(lines)
        #expect(lost.isEmpty, "seed \(seed): lost \(lost.sorted().prefix(3))")
        #expect(lines.count == expected.count, "seed \(seed): \(lines.count - expected.count) too many")
        #expect(!harness.link.state.withLock { $0.isOutOfOrder }, "seed \(seed)")
        #expect(harness.counters.pendingBlocks == 0, "seed \(seed)")
        #expect(gaps + harness.counters.gaps == 0, "seed \(seed)")
        #expect(harness.counters.faults.isEmpty, "seed \(seed): \(harness.counters.faults)")
    }

    @Test(arguments: 1...UInt64(80)) func `plain files lose nothing and double nothing`(seed: UInt64) throws {
        try run(seed: seed, isDocker: false)
    }

    @Test(arguments: 1...UInt64(50)) func `docker's files lose nothing and double nothing`(seed: UInt64) throws {
        try run(seed: 1_000 + seed, isDocker: true)
    }
}
