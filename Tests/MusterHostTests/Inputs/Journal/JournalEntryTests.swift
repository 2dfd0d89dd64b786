import MusterHost
import MusterModel
import Testing

private func fields(_ list: [(String, String)]) -> JournalFields {
    JournalFields(
        position: JournalPosition(cursor: "s=1;i=2", realtimeMicroseconds: 1_772_712_000_250_000),
        monotonicMicroseconds: 5, bootID: JournalFiles.bootID,
        fields: list.map { JournalFields.Field($0.0, Array($0.1.utf8)) })
}

private func entry(_ list: (String, String)..., allowing names: Set<String>? = nil) -> JournalEntry {
    names.map { JournalEntry(fields(list), allowing: JournalAllowList($0)) } ?? JournalEntry(fields(list))
}

/// From the fields of an entry to what is taken of it.
@Suite struct JournalEntryTests {
    @Test func `what is known has its place, the rest is what is allowed`() {
        let read = entry(
            ("_TRANSPORT", "stdout"), ("PRIORITY", "3"), ("MESSAGE", "it broke"), ("_PID", "42"), ("_COMM", "web"),
            ("SYSLOG_IDENTIFIER", "web-app"), ("_SYSTEMD_UNIT", "web.service"), ("_CMDLINE", "web --password=x"),
            ("_SOURCE_REALTIME_TIMESTAMP", "1772711999000001"), ("CODE_FILE", "a.c"), ("CODE_FILE", "b.c"))
        #expect(read.timestamp == Instant(nanoseconds: 1_772_711_999_000_001_000))
        #expect(read.priority == 3 && read.unit == "web.service" && read.identifier == "web-app" && read.pid == 42)
        #expect(read.message == Array("it broke".utf8) && read.bootID == JournalFiles.bootID)
        #expect(read.position.cursor == "s=1;i=2" && read.piece == nil && read.containerID == nil)
        #expect(read.fields.map(\.name) == ["_TRANSPORT", "_COMM", "CODE_FILE", "CODE_FILE"])
        #expect(read.fields.last?.value == Array("b.c".utf8))
    }

    @Test func `the list says what is kept, and nothing else`() {
        #expect(entry(("A", "1"), ("B", "2"), ("A", "3"), allowing: ["A"]).fields.map(\.value) == [[0x31], [0x33]])
        #expect(entry(("A", "1"), ("MESSAGE", "x"), allowing: []).fields.isEmpty)
        #expect(!JournalAllowList.common.names.contains("_CMDLINE"))
    }

    @Test func `an empty entry is one`() {
        let read = entry()
        #expect(read.message.isEmpty && read.priority == nil && read.unit == nil && read.identifier == nil)
        #expect(read.pid == nil && read.timestamp == Instant(nanoseconds: 1_772_712_000_250_000_000))
    }

    @Test(
        arguments: [
            ([("_SYSTEMD_UNIT", "web.service")], "web.service"), ([], nil),
            ([("_SYSTEMD_UNIT", "init.scope"), ("_PID", "1"), ("UNIT", "web.service")], "web.service"),
            ([("_SYSTEMD_UNIT", "init.scope"), ("_PID", "1")], "init.scope"),
            // Only the manager is believed about others.
            ([("_SYSTEMD_UNIT", "evil.service"), ("_PID", "7"), ("UNIT", "web.service")], "evil.service"),
            ([("UNIT", "web.service")], nil), ([("_PID", "1"), ("UNIT", "web.service")], "web.service"),
            ([("_SYSTEMD_UNIT", "user@1.service"), ("_SYSTEMD_USER_UNIT", "app.service")], "app.service"),
            (
                [
                    ("_SYSTEMD_UNIT", "user@1.service"), ("_SYSTEMD_USER_UNIT", "init.scope"),
                    ("USER_UNIT", "app.service"),
                ], "app.service"
            ),
            ([("_SYSTEMD_USER_UNIT", "init.scope")], "init.scope"),
        ] as [([(String, String)], String?)])
    func `the unit is the one it is about`(list: [(String, String)], unit: String?) {
        #expect(JournalEntry(fields(list)).unit == unit)
    }

    @Test(
        arguments: [
            ("0", 0), ("7", 7), ("8", nil), ("", nil), ("-1", nil), ("+1", nil), ("6 ", nil), ("x", nil),
            ("99999999999999999999", nil),
        ] as [(String, UInt8?)])
    func `a priority that is none is left out`(text: String, priority: UInt8?) {
        #expect(entry(("PRIORITY", text)).priority == priority)
    }

    @Test func `identifier and process have a second best`() {
        #expect(entry(("_COMM", "web")).identifier == "web" && entry(("SYSLOG_PID", "7")).pid == 7)
        #expect(
            entry(("SYSLOG_PID", "7"), ("_PID", "8")).pid == 8 && entry(("_PID", "x"), ("SYSLOG_PID", "7")).pid == 7)
        #expect(entry(("_PID", "18446744073709551615")).pid == nil)
    }

    @Test func `times that do not fit are the last there is`() {
        #expect(entry(("_SOURCE_REALTIME_TIMESTAMP", "18446744073709551615")).timestamp == .distantFuture)
        #expect(entry(("_SOURCE_REALTIME_TIMESTAMP", "soon")).timestamp == fields([]).received)
    }

    @Test(
        arguments: [
            ([], nil), ([("CONTAINER_PARTIAL_MESSAGE", "false")], nil),
            ([("CONTAINER_PARTIAL_MESSAGE", "true")], JournalEntry.Piece(isLast: false)),
            (
                [
                    ("CONTAINER_PARTIAL_MESSAGE", "true"), ("CONTAINER_PARTIAL_ID", "ab"),
                    ("CONTAINER_PARTIAL_ORDINAL", "1"), ("CONTAINER_PARTIAL_LAST", "false"),
                ], JournalEntry.Piece(lineID: "ab", ordinal: 1, isLast: false)
            ),
            (
                [
                    ("CONTAINER_PARTIAL_ID", "ab"), ("CONTAINER_PARTIAL_ORDINAL", "3"),
                    ("CONTAINER_PARTIAL_LAST", "true"),
                ], JournalEntry.Piece(lineID: "ab", ordinal: 3, isLast: true)
            ),
            (
                [("CONTAINER_PARTIAL_ID", "ab"), ("CONTAINER_PARTIAL_ORDINAL", "x")],
                JournalEntry.Piece(lineID: "ab", isLast: true)
            ),
        ] as [([(String, String)], JournalEntry.Piece?)])
    func `pieces of a container's line can be put together`(list: [(String, String)], piece: JournalEntry.Piece?) {
        #expect(JournalEntry(fields(list)).piece == piece)
    }

    @Test func `the container is known by its full name`() {
        #expect(entry(("CONTAINER_ID", "ab")).containerID == "ab")
        #expect(entry(("CONTAINER_ID", "ab"), ("CONTAINER_ID_FULL", "abcd")).containerID == "abcd")
    }

    @Test func `bytes that are no text stay in the message and are repaired elsewhere`() {
        var read = fields([])
        read.fields = [.init("MESSAGE", [0xff, 0]), .init("SYSLOG_IDENTIFIER", [0x61, 0xff]), .init("MESSAGE", [1])]
        (read.cutFields, read.leftOutFields) = (1, 2)
        let taken = JournalEntry(read, allowing: JournalAllowList(["MESSAGE"]))
        #expect(taken.message == [0xff, 0] && taken.identifier == "a\u{fffd}")
        // The second of a name is not lost if one wants it.
        #expect(taken.fields.map(\.value) == [[0xff, 0], [1]] && taken.cutFields == 1 && taken.leftOutFields == 2)
    }
}

/// An entry as it stands in the journal.
@Suite struct JournalFieldsTests {
    @Test func `a name has a first value, whatever follows`() {
        let read = fields([("A", "1"), ("B", ""), ("A", "2")])
        #expect(read.text("A") == "1" && read.text("B") == "" && read.text("C") == nil)
        #expect(read.first("A") == [0x31] && read.first("a") == nil)
    }

    @Test(
        arguments: [
            (0, 0), (1, 1_000), (1_772_712_000_250_000, 1_772_712_000_250_000_000),
            (9_223_372_036_854_775, 9_223_372_036_854_775_000),
            (9_223_372_036_854_776, Int64.max), (UInt64.max, Int64.max),
        ] as [(UInt64, Int64)])
    func `times beyond the range are its end`(microseconds: UInt64, nanoseconds: Int64) {
        let position = JournalPosition(cursor: "c", realtimeMicroseconds: microseconds)
        let read = JournalFields(position: position, monotonicMicroseconds: 0, bootID: "", fields: [])
        #expect(read.received == Instant(nanoseconds: nanoseconds))
        #expect(JournalEntry(read).timestamp == read.received && read.cutFields == 0 && read.leftOutFields == 0)
    }
}
