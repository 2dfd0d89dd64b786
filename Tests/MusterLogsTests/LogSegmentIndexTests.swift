import MusterLogs
import MusterModel
import Testing

@Suite struct LogSegmentIndexTests {
    private func id(_ sequence: UInt64, host: String = "a", boot: UInt64 = 1) throws -> FrameID {
        FrameID(
            host: try #require(HostID(host)), boot: BootID(high: boot, low: 7), class: .logs, sequence: sequence)
    }

    private func index(_ blocks: [(labels: Labels, lines: [TestLine])]) throws -> LogSegmentIndex {
        var index = LogSegmentIndex()
        for (number, made) in blocks.enumerated() {
            let bytes = encode(made.lines, labels: made.labels)
            let header = try LogBlockHeader.decode(bytes[...]).header
            index.frameStored(
                header, as: try id(UInt64(number + 1)), at: UInt64(100 + number * 1_000), size: bytes.count)
        }
        return index
    }

    private func line(_ text: String, _ time: Int64, stream: LogStreams = []) -> TestLine {
        TestLine(text: text, timestamp: time, flags: stream == .stderr ? .stderr : [], stream: stream)
    }

    private func offsets(
        _ index: LogSegmentIndex, _ matchers: [LabelMatcher] = [], _ range: ClosedRange<Int64> = .min ... .max
    ) -> [UInt64] {
        index.select(
            matchers, from: Instant(nanoseconds: range.lowerBound), through: Instant(nanoseconds: range.upperBound)
        ).map(\.offset)
    }

    @Test func `blocks are chosen by labels and time`() throws {
        let index = try index([
            (["service": "web"], [line("a", 20), line("b", 30)]), (["service": "db"], [line("a", 5), line("b", 25)]),
            (["service": "web"], [line("a", 1), line("b", 9)]),
        ])
        #expect(offsets(index) == [100, 1_100, 2_100])
        #expect(offsets(index, [LabelMatcher("service", equals: "web")], 9...20) == [100, 2_100])
        #expect(offsets(index, [LabelMatcher("service", equals: "web")], 10...19) == [])
        #expect(offsets(index, [LabelMatcher("service", equals: "none")]) == [])
        #expect(offsets(index, [], 31...40) == [])
        #expect(index.span == Instant(nanoseconds: 1)...Instant(nanoseconds: 30))
        #expect(index.lineCount == 6)
        #expect(Set(index.labelSets) == [["service": "web"], ["service": "db"]])
    }

    @Test func `streams are labels`() throws {
        let index = try index([([:], [line("a", 1, stream: .stderr)]), ([:], [line("b", 1, stream: .stdout)])])
        #expect(offsets(index, [LabelMatcher("stream", equals: "stderr")]) == [100])
        #expect(index.blocks.map { index.variants(of: $0) } == [[["stream": "stderr"]], [["stream": "stdout"]]])
    }

    @Test func `frames that are no blocks count in the marks`() throws {
        var index = LogSegmentIndex()
        index.frameStored(nil, as: try id(9), at: 1, size: 3)
        index.frameStored(nil, as: try id(4), at: 2, size: 3)
        index.frameStored(nil, as: try id(2, host: "b", boot: 3), at: 3, size: 3)
        #expect(index.blocks.isEmpty)
        #expect(index.span == nil)
        #expect(
            index.marks.map { "\($0.key.host.text) \($0.key.boot.high) \($0.value)" }.sorted() == ["a 1 9", "b 3 2"])
    }

    @Test func `the table and the filters come back apart`() throws {
        var maker = LineMaker(seed: 5)
        let made = (0..<40).map { number in
            (["n": "\(number % 3)"] as Labels, (0..<30).map { _ in line(maker.text(), Int64(maker.number(1...900))) })
        }
        let index = try index(made)
        let table = try LogSegmentIndex(table: index.encodedTable())
        #expect(table.blocks == index.blocks)
        #expect(table.marks == index.marks)
        #expect(table.labelSets == index.labelSets)
        let pieces = LogSegmentIndex.filterPieces(table.blocks, bytes: 1_000)
        let sections = index.filterSections(bytes: 1_000)
        #expect(pieces.map(\.count) == sections.map(\.count))
        #expect(pieces.count > 3)
        for needle in ["connection", " closed ", "nowhere", " web7 ", "retry"] {
            let words = NeedleWord.words(in: Array(needle.utf8))
            for block in table.blocks {
                let place = pieces.firstIndex { $0.upperBound >= block.filterRange.upperBound } ?? 0
                let may = LogSegmentIndex.mayHold(
                    words, block, filters: sections[place][...], from: pieces[place].lowerBound)
                #expect(may == index.mayHold(words, block))
            }
        }
    }

    @Test func `an empty index comes back`() throws {
        let table = try LogSegmentIndex(table: LogSegmentIndex().encodedTable())
        #expect(table.blocks.isEmpty)
        #expect(LogSegmentIndex.filterPieces([], bytes: 10).isEmpty)
    }

    @Test func `damaged tables are refused or harmless`() throws {
        let original = try index([
            (["service": "web"], [line("one two three", 20)]), (["service": "db"], [line("four", 5)]),
        ]).encodedTable()
        for count in original.indices {
            #expect(throws: LogTableError.self) { try LogSegmentIndex(table: Array(original[..<count])) }
        }
        #expect(throws: LogTableError(what: "end")) { try LogSegmentIndex(table: original + [0]) }
        #expect(throws: LogTableError(what: "version")) { try LogSegmentIndex(table: [9] + original.dropFirst()) }
        var maker = LineMaker(seed: 6)
        for _ in 0..<5_000 {
            var bytes = original
            bytes[maker.number(0...bytes.count - 1)] = UInt8(maker.number(0...255))
            guard let read = try? LogSegmentIndex(table: bytes) else { continue }
            #expect(read.blocks.allSatisfy { $0.first <= $0.last && $0.size <= Limits.frameBytes })
            #expect(read.blocks.allSatisfy { !read.variants(of: $0).isEmpty })
        }
    }
}
