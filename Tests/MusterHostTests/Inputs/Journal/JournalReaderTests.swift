import MusterHost
import MusterModel
import MusterTestKit
import Testing

/// Reading real journal files through the system's library.
@Suite(
    .timeLimit(.minutes(3)),
    .enabled(if: JournalFiles.obstacle == nil, "skipped: \(JournalFiles.obstacle ?? "")")
)
struct JournalReaderTests {
    private typealias Entry = JournalFiles.Entry

    @Test func `an entry is read with all its fields, its times and its boot`() async throws {
        let files = try JournalFiles()
        let binary: [UInt8] = [0, 0x0a, 0xff, 0x3d, 0, 0x41]
        try await files.append(
            [
                Entry(
                    3,
                    bytes: [
                        ("MESSAGE", binary), ("A", Array("one".utf8)), ("A", Array("two=2".utf8)), ("EMPTY", []),
                        ("PRIORITY", Array("3".utf8)),
                    ])
            ], to: "a")
        var reader = try JournalReader(files.place)
        let entry = try #require(try reader.read())
        #expect(entry.first("MESSAGE") == binary)
        #expect(entry.fields.filter { $0.name == "A" }.map(\.value) == [Array("one".utf8), Array("two=2".utf8)])
        #expect(entry.first("EMPTY") == [] && entry.text("PRIORITY") == "3" && entry.first("B") == nil)
        #expect(entry.text("_BOOT_ID") == JournalFiles.bootID && entry.bootID == JournalFiles.bootID)
        #expect(entry.received == Instant(seconds: Int64(JournalFiles.firstSecond) + 3))
        #expect(
            entry.monotonicMicroseconds == 103_000_000 && entry.position.cursor.contains("b=\(JournalFiles.bootID)"))
        #expect(entry.cutFields == 0 && entry.leftOutFields == 0 && reader.position == entry.position)
        #expect(try reader.read() == nil && reader.position == entry.position)
    }

    /// What stands in it is this host's; there may be nothing.
    @Test(arguments: [JournalPlace.system, .everything])
    func `the journal of this host opens`(place: JournalPlace) throws {
        var reader = try JournalReader(place)
        let first = try reader.read()
        #expect(try reader.start(at: .tail) == .exact)
        #expect((first == nil) == (reader.position == nil))
    }

    @Test func `fields and entries have limits`() async throws {
        let files = try JournalFiles()
        let limit = JournalLimits.fieldBytes
        // One that the journal compresses, and one that it cannot.
        var random = SeededRandom(seed: 1)
        let noise = (0..<(limit + 1)).map { _ in UInt8.random(in: 0...255, using: &random) }
        let many = (0..<(JournalLimits.fields + 20)).map { ("F\($0)", Array("v".utf8)) }
        let large = (0..<20).map { number in ("L\(number)", [UInt8](repeating: UInt8(number), count: 60_000)) }
        try await files.append(
            [
                Entry(0, bytes: [("MESSAGE", [UInt8](repeating: 0x78, count: 200_000)), ("A", Array("a".utf8))]),
                Entry(1, bytes: [("MESSAGE", noise), ("A", [UInt8](repeating: 0x79, count: limit))]),
                Entry(2, bytes: many), Entry(3, bytes: large), Entry(4, message: "last"),
            ], to: "a")
        var reader = try JournalReader(files.place)
        let compressed = try #require(try reader.read())
        #expect(compressed.first("MESSAGE") == [UInt8](repeating: 0x78, count: limit))
        #expect(compressed.cutFields == 1 && compressed.text("A") == "a")
        let plain = try #require(try reader.read())
        #expect(plain.first("MESSAGE") == Array(noise.prefix(limit)) && plain.first("A")?.count == limit)
        #expect(plain.cutFields == 1 && plain.leftOutFields == 0)
        let crowded = try #require(try reader.read())
        #expect(crowded.fields.count == JournalLimits.fields && crowded.leftOutFields >= 20)
        let heavy = try #require(try reader.read())
        #expect(heavy.fields.reduce(0) { $0 + $1.value.count } <= JournalLimits.entryBytes)
        #expect(heavy.leftOutFields == 3 && heavy.cutFields == 0)
        #expect(try reader.messages() == ["last"])
    }

    @Test func `reading goes on behind the position that was kept`() async throws {
        let files = try JournalFiles()
        try await files.append((0..<3).map { Entry($0, message: "m\($0)") }, to: "a")
        try await files.append((3..<6).map { Entry($0, message: "m\($0)") }, to: "b")
        var positions: [JournalPosition] = []
        do {
            var reader = try JournalReader(files.place)
            #expect(reader.position == nil)
            while let entry = try reader.read() { positions.append(entry.position) }
            #expect(positions.count == 6 && Set(positions.map(\.cursor)).count == 6)
            #expect(try reader.start(at: .head) == .exact && reader.position == nil)
            #expect(try reader.messages() == (0..<6).map { "m\($0)" })
            #expect(try reader.start(at: .tail) == .exact && reader.position == positions.last)
            #expect(try reader.messages() == [])
        }
        for (index, position) in positions.enumerated() {
            var reader = try JournalReader(files.place)
            #expect(try reader.start(at: .after(position)) == .exact && reader.position == position)
            #expect(try reader.messages() == (index + 1..<6).map { "m\($0)" })
        }
    }

    @Test func `an entry that is gone is a gap, and reading goes on behind it`() async throws {
        let files = try JournalFiles()
        try await files.append((0..<3).map { Entry($0, message: "m\($0)") }, to: "a")
        try await files.append((3..<6).map { Entry($0, message: "m\($0)") }, to: "b")
        var kept: JournalPosition?
        do {
            var reader = try JournalReader(files.place)
            _ = try reader.read()
            kept = try reader.read()?.position
        }
        try files.remove("a")
        var reader = try JournalReader(files.place)
        let position = try #require(kept)
        #expect(try reader.start(at: .after(position)) == .possibleGap)
        #expect(reader.position == position)
        #expect(try reader.messages() == ["m3", "m4", "m5"])
        // The same with nothing left at all.
        try files.remove("b")
        var empty = try JournalReader(files.place)
        #expect(try empty.start(at: .after(position)) == .possibleGap)
        #expect(try empty.read() == nil)
        #expect(try empty.start(at: .tail) == .exact && empty.position == nil)
    }

    @Test(arguments: ["", "nonsense", "s=0;i=0", "s=\u{1f};i=zz;b=;m=;t=;x=", String(repeating: "s=1;", count: 5_000)])
    func `a cursor that is none is one that is not found`(cursor: String) async throws {
        let files = try JournalFiles()
        try await files.append((0..<4).map { Entry($0, message: "m\($0)") }, to: "a")
        var reader = try JournalReader(files.place)
        for (second, expected) in [(2, ["m2", "m3"]), (0, ["m0", "m1", "m2", "m3"]), (9, [])] as [(UInt64, [String])] {
            let position = JournalPosition(
                cursor: cursor, realtimeMicroseconds: (JournalFiles.firstSecond + second) * 1_000_000)
            #expect(try reader.start(at: .after(position)) == .possibleGap)
            #expect(try reader.messages() == expected)
        }
    }

    @Test func `entries are selected by unit, identifier and priority`() async throws {
        let files = try JournalFiles()
        func entry(
            _ second: UInt64, _ unit: String, _ identifier: String, _ priority: Int, _ more: [(String, String)] = []
        )
            -> JournalFiles.Entry
        {
            Entry(
                second,
                [
                    ("MESSAGE", "m\(second)"), ("_SYSTEMD_UNIT", unit), ("SYSLOG_IDENTIFIER", identifier),
                    ("PRIORITY", "\(priority)"),
                ] + more)
        }
        try await files.append(
            [
                entry(0, "web.service", "nginx", 6), entry(1, "web.service", "nginx", 3),
                entry(2, "db.service", "postgres", 3), entry(3, "db.service", "nginx", 4),
                entry(4, "init.scope", "systemd", 6, [("_PID", "1"), ("UNIT", "web.service")]),
                entry(5, "evil.service", "evil", 6, [("_PID", "7"), ("UNIT", "web.service")]),
                entry(6, "backup.timer", "systemd", 6),
            ], to: "a")
        let table: [(JournalMatches, [String])] = [
            (JournalMatches(), (0..<7).map { "m\($0)" }), (JournalMatches(units: ["web.service"]), ["m0", "m1", "m4"]),
            (JournalMatches(units: ["web"]), ["m0", "m1", "m4"]), (JournalMatches(units: ["backup.timer"]), ["m6"]),
            (JournalMatches(units: ["web", "db"]), ["m0", "m1", "m2", "m3", "m4"]),
            (JournalMatches(identifiers: ["nginx"]), ["m0", "m1", "m3"]),
            (JournalMatches(priorities: [3]), ["m1", "m2"]), (JournalMatches(priorities: [3, 4]), ["m1", "m2", "m3"]),
            (JournalMatches(units: ["web", "db"], identifiers: ["nginx"], priorities: [3, 4]), ["m1", "m3"]),
            (JournalMatches(units: ["nothing"]), []), (JournalMatches(identifiers: ["a\0b", "", "=x"]), []),
        ]
        for (matches, expected) in table {
            var reader = try JournalReader(files.place, matching: matches)
            #expect(try reader.messages() == expected, "\(matches)")
        }
        // A position goes with them.
        var reader = try JournalReader(files.place, matching: JournalMatches(units: ["web"]))
        let first = try #require(try reader.read()?.position)
        var next = try JournalReader(files.place, matching: JournalMatches(units: ["web"]))
        #expect(try next.start(at: .after(first)) == .exact)
        #expect(try next.messages() == ["m1", "m4"])
    }
}

// MARK: - Beside others

extension JournalReaderTests {
    private static let journalctl = Peers.path(of: "journalctl")

    /// The same entries, in the same order and with the same cursors, as systemd's own reader.
    @Test func `several files are one journal, as journalctl reads it`() async throws {
        let files = try JournalFiles()
        // Written by turns, so that each file has entries between those of the others.
        for (number, file) in ["a", "b", "c"].enumerated() {
            let seconds = stride(from: UInt64(number), to: 60, by: 3)
            try await files.append(seconds.map { JournalFiles.Entry($0, message: "m\($0)") }, to: file)
        }
        let words = ["--directory", files.path, "--output", "export", "--no-pager", "--quiet"]
        let theirs = try await Finished.run(.init(Self.journalctl, words))
        #expect(theirs.exitCode == 0, "\(theirs)")
        let lines = theirs.output.split(separator: "\n")
        var reader = try JournalReader(files.place)
        var entries: [JournalFields] = []
        while let entry = try reader.read() { entries.append(entry) }
        #expect(entries.count == 60 && entries.map { $0.text("MESSAGE") } == (0..<60).map { "m\($0)" })
        #expect(
            entries.map { "__CURSOR=\($0.position.cursor)" }
                == lines.filter { $0.hasPrefix("__CURSOR=") }.map(String.init))
        let times = lines.filter { $0.hasPrefix("__REALTIME_TIMESTAMP=") }.map(String.init)
        #expect(entries.map { "__REALTIME_TIMESTAMP=\($0.position.realtimeMicroseconds)" } == times)
    }

    @Test func `the pieces of a container's line are in the journal as they were cut`() async throws {
        let files = try JournalFiles()
        func piece(_ second: UInt64, _ text: String, _ ordinal: Int, isLast: Bool) -> JournalFiles.Entry {
            var fields = [
                ("MESSAGE", text), ("PRIORITY", "6"), ("CONTAINER_ID_FULL", "abcd"), ("CONTAINER_NAME", "web"),
                ("CONTAINER_PARTIAL_ID", "line-1"), ("CONTAINER_PARTIAL_ORDINAL", "\(ordinal)"),
                ("CONTAINER_PARTIAL_LAST", "\(isLast)"),
            ]
            if !isLast { fields.append(("CONTAINER_PARTIAL_MESSAGE", "true")) }
            return JournalFiles.Entry(second, fields)
        }
        let texts = [String(repeating: "a", count: 16_384), String(repeating: "b", count: 16_384), "the end"]
        try await files.append(
            [
                piece(0, texts[0], 1, isLast: false), JournalFiles.Entry(1, message: "of another"),
                piece(2, texts[1], 2, isLast: false), piece(3, texts[2], 3, isLast: true),
            ], to: "a")
        var reader = try JournalReader(files.place)
        var entries: [JournalEntry] = []
        while let fields = try reader.read() { entries.append(JournalEntry(fields)) }
        #expect(entries.map { $0.piece?.ordinal } == [1, nil, 2, 3])
        #expect(entries.map { $0.piece?.isLast } == [false, nil, false, true])
        let line = entries.filter { $0.piece?.lineID == "line-1" && $0.containerID == "abcd" }.flatMap(\.message)
        #expect(line == Array(texts.joined().utf8))
        #expect(entries[0].fields.contains(.init("CONTAINER_NAME", Array("web".utf8))))
    }

    @Test func `two readers of one journal do not know each other`() async throws {
        let files = try JournalFiles()
        try await files.append((0..<4).map { JournalFiles.Entry($0, message: "m\($0)") }, to: "a")
        var first = try JournalReader(files.place)
        var second = try JournalReader(files.place)
        #expect(try first.read()?.text("MESSAGE") == "m0")
        #expect(try second.messages() == ["m0", "m1", "m2", "m3"])
        #expect(try first.messages() == ["m1", "m2", "m3"])
    }
}

// MARK: - While it changes

extension JournalReaderTests {
    @Test func `what is appended and what is rotated is seen`() async throws {
        let files = try JournalFiles()
        try await files.append([Entry(0, message: "m0")], to: "a")
        var reader = try JournalReader(files.place)
        #expect(try reader.messages() == ["m0"])
        // Nobody watched until the first wait; then nothing happens until something does.
        _ = try reader.wait(.seconds(60))
        #expect(try reader.messages() == [])
        while try reader.wait(.zero) != .none {}
        let began = ContinuousClock.now
        #expect(try reader.wait(.milliseconds(120)) == .none)
        #expect(ContinuousClock.now - began >= .milliseconds(100))

        try await files.append([Entry(1, message: "m1")], to: "a")
        #expect(try changes(&reader).allSatisfy { $0 == .appended })
        #expect(try reader.messages() == ["m1"])
        try await files.append([Entry(2, message: "m2")], to: "b")
        #expect(try changes(&reader).contains(.filesChanged(.exact)))
        #expect(try reader.messages() == ["m2"])
        #expect(try reader.wait(.zero) == .none)
        #expect(try reader.wait(.seconds(-5)) == .none)
    }

    @Test func `a file that goes with the entry we stand on is a possible gap`() async throws {
        let files = try JournalFiles()
        try await files.append([Entry(0, message: "m0"), Entry(1, message: "m1")], to: "a")
        try await files.append([Entry(2, message: "m2")], to: "b")
        var reader = try JournalReader(files.place)
        _ = try reader.wait(.zero)
        #expect(try reader.read()?.text("MESSAGE") == "m0")
        try files.remove("a")
        #expect(try changes(&reader).contains(.filesChanged(.possibleGap)))
        // The entry that reading goes on with is still there when files change once more.
        try await files.append([Entry(3, message: "m3")], to: "c")
        _ = try changes(&reader)
        #expect(try reader.messages() == ["m2", "m3"])
        // One that goes with entries that were all read costs nothing.
        try files.remove("b")
        #expect(try changes(&reader).contains(.filesChanged(.exact)))
        #expect(try reader.messages() == [])
    }

    @Test func `a directory that is empty at first is read when files come`() async throws {
        let files = try JournalFiles()
        var reader = try JournalReader(files.place)
        #expect(try reader.start(at: .tail) == .exact)
        #expect(try reader.read() == nil)
        _ = try reader.wait(.zero)
        try await files.append([Entry(0, message: "m0")], to: "a")
        #expect(try changes(&reader).contains(.filesChanged(.exact)))
        #expect(try reader.messages() == ["m0"])
    }

    /// What changed, from the first change to the last that is there; one at least within ten seconds.
    private func changes(_ reader: inout JournalReader) throws -> [JournalReader.Change] {
        var seen: [JournalReader.Change] = []
        var change = try reader.wait(.seconds(10))
        while change != .none {
            seen.append(change)
            change = try reader.wait(.zero)
        }
        return seen
    }
}
