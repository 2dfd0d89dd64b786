package import MusterModel

/// Which fields of an entry are kept beside those that have a place of their own.
package struct JournalAllowList: Equatable, Sendable {
    package var names: Set<String>

    package init(_ names: Set<String>) { self.names = names }

    /// What people search by: how it came, whose it is, and what the container engines add. Not the command line, in
    /// which passwords stand.
    package static let common = JournalAllowList([
        "_TRANSPORT", "_HOSTNAME", "_COMM", "_UID", "_MACHINE_ID", "MESSAGE_ID", "ERRNO", "SYSLOG_FACILITY",
        "CODE_FILE", "CODE_LINE", "CODE_FUNC", "COREDUMP_UNIT", "COREDUMP_EXE", "CONTAINER_NAME", "CONTAINER_ID",
        "CONTAINER_ID_FULL", "CONTAINER_TAG", "IMAGE_NAME",
    ])
}

/// What is taken from an entry of the journal.
package struct JournalEntry: Equatable, Sendable {
    /// A piece of a line that was too long for its container engine, which writes it in several entries.
    package struct Piece: Equatable, Sendable {
        /// The same for all pieces of a line. Older engines do not say: then what follows in the same container and of
        /// the same priority belongs together.
        package var lineID: String?
        /// From 1.
        package var ordinal: Int?
        package var isLast: Bool

        package init(lineID: String? = nil, ordinal: Int? = nil, isLast: Bool) {
            self.lineID = lineID
            self.ordinal = ordinal
            self.isLast = isLast
        }
    }

    package var position: JournalPosition
    /// When its sender gave it to journald where that is known, else when journald received it.
    package var timestamp: Instant
    /// 0 (gravest) to 7, as in syslog.
    package var priority: UInt8?
    /// The unit it is about: of the system, or of a user where that has one.
    package var unit: String?
    package var identifier: String?
    package var pid: Int?
    /// Empty when there is none. Any bytes.
    package var message: [UInt8]
    package var bootID: String
    package var containerID: String?
    /// Nil for a whole message.
    package var piece: Piece?
    /// The rest that is allowed, in the order of the journal.
    package var fields: [JournalFields.Field]
    package var cutFields: Int
    /// Fields that could not be read. Those that are not allowed do not count.
    package var leftOutFields: Int

    package init(_ entry: JournalFields, allowing list: JournalAllowList = .common) {
        position = entry.position
        timestamp = Self.number(entry, "_SOURCE_REALTIME_TIMESTAMP").map(JournalTime.instant) ?? entry.received
        priority = Self.number(entry, "PRIORITY").flatMap { $0 < 8 ? UInt8($0) : nil }
        unit = Self.unit(entry)
        identifier = entry.text("SYSLOG_IDENTIFIER") ?? entry.text("_COMM")
        // journald knows the first; the second is what the sender claims, and all there is for a relayed message.
        pid = (Self.number(entry, "_PID") ?? Self.number(entry, "SYSLOG_PID")).flatMap { Int(exactly: $0) }
        message = entry.first("MESSAGE") ?? []
        bootID = entry.bootID
        containerID = entry.text("CONTAINER_ID_FULL") ?? entry.text("CONTAINER_ID")
        piece = Self.piece(entry)
        cutFields = entry.cutFields
        leftOutFields = entry.leftOutFields
        fields = entry.fields.filter { list.names.contains($0.name) }
    }

    private static func number(_ entry: JournalFields, _ name: String) -> UInt64? {
        guard let text = entry.text(name), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(text)
    }

    /// What a manager says, the system's (process 1) or a user's, is about the unit it names.
    private static func unit(_ entry: JournalFields) -> String? {
        if let own = entry.text("_SYSTEMD_USER_UNIT") {
            return own == "init.scope" ? entry.text("USER_UNIT") ?? own : own
        }
        let own = entry.text("_SYSTEMD_UNIT")
        return entry.text("_PID") == "1" ? entry.text("UNIT") ?? own : own
    }

    private static func piece(_ entry: JournalFields) -> Piece? {
        let isPartial = entry.text("CONTAINER_PARTIAL_MESSAGE") == "true"
        let id = entry.text("CONTAINER_PARTIAL_ID")
        guard isPartial || id != nil else { return nil }
        let isLast = entry.text("CONTAINER_PARTIAL_LAST").map { $0 == "true" } ?? !isPartial
        let ordinal = number(entry, "CONTAINER_PARTIAL_ORDINAL").flatMap { Int(exactly: $0) }
        return Piece(lineID: id, ordinal: ordinal, isLast: isLast)
    }
}
