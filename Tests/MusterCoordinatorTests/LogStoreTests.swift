import Foundation
import Logging
import MusterCoordinator
import MusterLogs
import MusterModel
import MusterPattern
import MusterStore
import MusterTestKit
import MusterTransport
import Testing

/// Stored blocks, their index files, and what is found of them.
struct LogStoreTests {
    private let scratch: Scratch
    private let start = Instant(seconds: 1_800_000_000)

    init() throws { scratch = try Scratch("logstore") }

    /// A store with segments of some blocks each, as a coordinator opens it.
    private final class Opened {
        let store: LogStore
        let log: SegmentLog
        var sequence: UInt64
        var blocksRead: Int

        init(_ scratch: Scratch, maxBytes: Int = 64 << 20, segmentBytes: Int = 16 << 10) throws {
            (log, _) = try SegmentLog.open(
                directory: scratch("logs"), io: SystemFileIO(),
                settings: .init(segmentBytes: segmentBytes, maxBytes: maxBytes, isDaily: true))
            store = LogStore(
                log: log, directory: scratch("log-index"), maxBytes: maxBytes, io: SystemFileIO(),
                compressor: ZlibCompressor())
            var highest: UInt64 = 0
            blocksRead = try store.restore { id in
                guard id.sequence > highest else { return false }
                highest = id.sequence
                return true
            }
            sequence = highest
        }

        func put(_ lines: [String], _ labels: Labels = [:], at: Instant, received: Instant? = nil) throws {
            sequence += 1
            let id = FrameID(host: Thing.host("a"), boot: BootID(high: 1, low: 1), class: .logs, sequence: sequence)
            let block = Thing.logBlock(
                lines.map { Array($0.utf8) }, labels: labels.merging(["host": "a"]), at: at)
            let record = SegmentRecord(id: id, codec: 1, received: received ?? at, payload: block)
            let appended = try log.append([record])
            try log.sync()
            for removed in appended.removed { store.segmentRemoved(removed.segment) }
            store.blockStored(block, as: id, at: appended.positions[0])
        }

        func texts(_ question: LogQuestion) async throws -> [String] {
            try await store.search(question).entries.map { String(decoding: $0.line, as: UTF8.self) }
        }
    }

    /// Lines that do not become small.
    private func noise(_ count: Int) -> [String] {
        (0..<count).map { _ in String((0..<40).map { _ in "0123456789abcdefghijklmnop".randomElement() ?? "x" }) }
    }

    private func fill(_ opened: Opened, blocks: Int) throws {
        for number in 0..<blocks {
            try opened.put(
                noise(60) + ["block \(number) id\(10_000 + number)"], ["service": number % 2 == 0 ? "web" : "db"],
                at: start + .seconds(number))
        }
    }

    private var indexFiles: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: scratch("log-index"))) ?? []).sorted()
    }

    @Test func indexFilesAnswerLikeTheMemoryThatTheyTookOver() async throws {
        let opened = try Opened(scratch)
        try fill(opened, blocks: 40)
        let questions = [
            LogQuestion(filters: [.contains(Array("block".utf8))], direction: .forward),
            LogQuestion(filters: [.contains(Array("id10017".utf8))]),
            LogQuestion(filters: [.matches(try RE2Compiler().compileSearch("id100[12]3$"))], direction: .forward),
            LogQuestion(
                matchers: [LabelMatcher("service", equals: "db")], filters: [.contains(Array("block".utf8))], limit: 3),
            LogQuestion(
                filters: [.contains(Array("block".utf8))], from: start + .seconds(10), through: start + .seconds(12),
                direction: .forward),
        ]
        var before: [[String]] = []
        for question in questions { before.append(try await opened.texts(question)) }
        #expect(before.map(\.count) == [40, 1, 2, 3, 2])
        #expect(indexFiles.isEmpty)
        try opened.store.writeIndexes()
        #expect(indexFiles.count == opened.log.segmentCount - 1)
        #expect(indexFiles.count > 3)
        for (question, expected) in zip(questions, before) { #expect(try await opened.texts(question) == expected) }
        #expect(opened.store.counts.blocks == 40)
        #expect(opened.store.counts.lines == 40 * 61)
    }

    @Test func aStartReadsTheIndexFilesAndOnlyTheLastSegment() async throws {
        let first = try Opened(scratch)
        try fill(first, blocks: 40)
        try first.store.writeIndexes()
        let again = try Opened(scratch)
        #expect(again.blocksRead < 10)
        #expect(again.blocksRead > 0)
        #expect(again.sequence == 40)
        #expect(again.store.counts.blocks == 40)
        try again.put(["one more"], at: start + .seconds(100))
        let found = try await again.texts(LogQuestion(filters: [.contains(Array("o".utf8))], limit: 2))
        #expect(found == ["one more", "block 39 id10039"])
    }

    @Test func aMissingOrDamagedIndexFileIsMadeAgain() async throws {
        let first = try Opened(scratch)
        try fill(first, blocks: 40)
        try first.store.writeIndexes()
        let files = indexFiles
        try FileManager.default.removeItem(atPath: scratch("log-index") + "/" + files[0])
        var bytes = try Data(contentsOf: URL(fileURLWithPath: scratch("log-index") + "/" + files[1]))
        bytes[200] ^= 0xff
        try bytes.write(to: URL(fileURLWithPath: scratch("log-index") + "/" + files[1]))
        let again = try Opened(scratch)
        #expect(again.store.counts.blocks == 40)
        try again.store.writeIndexes()
        #expect(indexFiles == files)
        #expect(try await again.texts(LogQuestion(filters: [.contains(Array("block".utf8))])).count == 40)
    }

    @Test func anIndexFileThatIsDamagedWhileInUseHidesNothing() async throws {
        let opened = try Opened(scratch)
        try fill(opened, blocks: 40)
        try opened.store.writeIndexes()
        let question = LogQuestion(filters: [.contains(Array("block".utf8)), .contains(Array(" id1000".utf8))])
        for file in indexFiles {
            let path = scratch("log-index") + "/" + file
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            // The table stands in front, the filters behind.
            for place in [bytes.count / 4, bytes.count - 10] { bytes[place] ^= 0xff }
            try bytes.write(to: URL(fileURLWithPath: path))
        }
        #expect(try await opened.texts(question).count == 10)
        let found = try await opened.store.search(question)
        #expect(found.unreadableBlocks == 0)
    }

    @Test func blocksWithoutTheWordsAreNotRead() async throws {
        let opened = try Opened(scratch)
        try fill(opened, blocks: 40)
        for _ in 0..<2 {
            let needle = Array("id10021".utf8)
            let found = try await opened.store.search(
                LogQuestion(
                    filters: [.contains(needle)],
                    words: NeedleWord.words(in: needle, startsAtBoundary: true, endsAtBoundary: true)))
            #expect(found.entries.count == 1)
            #expect(found.progress.candidates == 40)
            // Some 1 of 100 passes by chance.
            #expect(found.progress.blocks < 6, "\(found.progress)")
            #expect(found.progress.skipped == 40 - found.progress.blocks)
            try opened.store.writeIndexes()
        }
    }

    @Test func theNewestLinesNeedFewBlocks() async throws {
        let opened = try Opened(scratch)
        try fill(opened, blocks: 60)
        try opened.store.writeIndexes()
        let found = try await opened.store.search(LogQuestion(limit: 5))
        #expect(found.entries.count == 5)
        #expect(found.progress.blocks < 40)
        #expect(found.entries.map(\.timestamp) == found.entries.map(\.timestamp).sorted(by: >))
    }

    @Test func segmentsHoldOneDay() throws {
        let opened = try Opened(scratch)
        for hour in 0..<Int64(72) { try opened.put(["line"], at: start + .hours(hour)) }
        // 1,800,000,000 is 08:00, so three midnights lie between.
        #expect(opened.log.segmentCount == 4)
        try opened.put(["late"], at: start, received: start)
        #expect(opened.log.segmentCount == 4)
    }

    @Test func theBudgetCountsIndexFiles() async throws {
        let opened = try Opened(scratch, maxBytes: 120 << 10, segmentBytes: 8 << 10)
        let logger = LogRecord().logger("test")
        for number in 0..<120 {
            try opened.put(noise(60), at: start + .seconds(number))
            if number % 10 == 9 {
                opened.store.tidy(now: start + .seconds(number), logger: logger)
                #expect(opened.log.bytesOnDisk + opened.store.counts.indexBytes <= 120 << 10)
            }
        }
        let known = Set(opened.log.segments.map { $0 })
        #expect(Set(indexFiles.compactMap { UInt64($0.prefix(16), radix: 16) }).isSubset(of: known))
        #expect(opened.store.counts.segments == known.count)
        #expect(try await opened.texts(LogQuestion(limit: 60)).count == 60)
    }

    @Test func indexFilesWithoutTheirSegmentGoAtTheStart() throws {
        let first = try Opened(scratch)
        try fill(first, blocks: 20)
        try first.store.writeIndexes()
        let name = "00000000000000ff.idx"
        for stray in [name, name + ".new"] {
            #expect(FileManager.default.createFile(atPath: scratch("log-index") + "/" + stray, contents: Data([1])))
        }
        _ = try Opened(scratch)
        #expect(!indexFiles.contains { $0.hasPrefix("00000000000000ff") })
        #expect(indexFiles.count == first.log.segmentCount - 1)
    }

    @Test func aSearchEndsWithItsTask() async throws {
        let opened = try Opened(scratch)
        try fill(opened, blocks: 40)
        let store = opened.store
        let search = Task {
            try await store.search(LogQuestion(limit: 50_000)) { _ in while !Task.isCancelled { await Task.yield() } }
        }
        search.cancel()
        await #expect(throws: CancellationError.self) { _ = try await search.value }
    }
}
