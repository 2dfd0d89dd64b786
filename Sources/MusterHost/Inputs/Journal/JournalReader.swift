// The journal of systemd, read through its own library. journald's file format is private to it; the library is found
// at run time, so that an agent runs where there is none.
//
// A reader is used by one thread at a time. It holds the files of the journal mapped; nothing of an entry is kept
// between two calls but its cursor.

import Glibc

/// Which journal is read.
package enum JournalPlace: Hashable, Sendable, CustomStringConvertible {
    /// Of the system and its services, on this host.
    case system
    /// Also those of its users.
    case everything
    /// The files in a directory.
    case directory(String)

    package var description: String {
        switch self {
        case .system: "of the system"
        case .everything: "of the system and its users"
        case .directory(let path): "in \(path)"
        }
    }
}

/// Reads a journal, entry by entry, from a position that outlives the process.
@safe package struct JournalReader: ~Copyable {
    package enum Start: Equatable, Sendable {
        case head
        /// Behind the last entry there is.
        case tail
        /// Behind the entry of a position.
        case after(JournalPosition)
    }

    /// Where reading goes on after a position.
    package enum Resumption: Equatable, Sendable {
        /// Right behind it.
        case exact
        /// Its entry is gone: entries after it may be gone too, and nobody can say how many. Reading goes on with the
        /// first one that is not older, which may have been read before.
        case possibleGap
    }

    package enum Change: Equatable, Sendable {
        case none
        /// There may be more to read.
        case appended
        /// Files came or went, as they do when a journal is rotated or shortened. There may be more to read.
        case filesChanged(Resumption)
    }

    private let library: JournalLibrary
    private let journal: JournalLibrary.Journal
    private var last: JournalPosition?
    /// `next` stands on an entry that was not given yet.
    private var isOnUnread = false

    /// `libraryName` is for tests. Throws `.libraryMissing` on hosts without systemd.
    package init(
        _ place: JournalPlace, matching matches: JournalMatches = JournalMatches(),
        libraryName: String = "libsystemd.so.0"
    ) throws(JournalError) {
        unsafe (library, journal) = try Self.opened(place, matches, libraryName)
    }

    private static func opened(
        _ place: JournalPlace, _ matches: JournalMatches, _ libraryName: String
    ) throws(JournalError) -> (JournalLibrary, JournalLibrary.Journal) {
        guard matches.count <= JournalLimits.matches else { throw .tooManyMatches(matches.count) }
        let library = try JournalLibrary(libraryName)
        let journal = unsafe try open(place, library)
        do throws(JournalError) {
            // The threshold counts the name and `=`, and one byte more shows that a value is longer.
            let threshold = JournalLimits.nameBytes + 1 + JournalLimits.fieldBytes + 1
            try check(unsafe library.setDataThreshold(journal, threshold), "sd_journal_set_data_threshold")
            for step in matches.steps { unsafe try apply(step, library, journal) }
            try check(unsafe library.seekHead(journal), "sd_journal_seek_head")
            return unsafe (library, journal)
        } catch {
            unsafe library.close(journal)
            throw error
        }
    }

    private static func open(
        _ place: JournalPlace, _ library: JournalLibrary
    ) throws(JournalError) -> JournalLibrary.Journal {
        var opened: JournalLibrary.Journal?
        let code =
            switch place {
            case .system: unsafe library.open(&opened, localOnly | systemOnly)
            case .everything: unsafe library.open(&opened, localOnly)
            case .directory(let path): unsafe library.openDirectory(&opened, path, 0)
            }
        guard code >= 0, let opened = unsafe opened else { throw .cannotOpen("\(place)", -code) }
        return unsafe opened
    }

    deinit { unsafe library.close(journal) }

    /// SD_JOURNAL_LOCAL_ONLY and SD_JOURNAL_SYSTEM.
    private static let localOnly: Int32 = 1
    private static let systemOnly: Int32 = 4

    /// Of the entry that was read last, or started behind; nil at the head.
    package var position: JournalPosition? { last }

    // MARK: Moving

    /// Where the next entry is read. A new reader stands at the head.
    package mutating func start(at start: Start) throws(JournalError) -> Resumption {
        isOnUnread = false
        switch start {
        case .head:
            last = nil
            try Self.check(unsafe library.seekHead(journal), "sd_journal_seek_head")
            return .exact
        case .tail:
            try seekTail()
            return .exact
        case .after(let position): return try resume(after: position)
        }
    }

    private mutating func seekTail() throws(JournalError) {
        last = nil
        try Self.check(unsafe library.seekTail(journal), "sd_journal_seek_tail")
        // The tail itself is no place one could go on from; the last entry is.
        if try Self.check(unsafe library.previous(journal), "sd_journal_previous") > 0 {
            last = try currentPosition()
        } else {
            try Self.check(unsafe library.seekHead(journal), "sd_journal_seek_head")
        }
    }

    private mutating func resume(after position: JournalPosition) throws(JournalError) -> Resumption {
        last = position
        isOnUnread = false
        // A cursor that is no cursor at all is one that is not found.
        if unsafe library.seekCursor(journal, position.cursor) >= 0,
            try Self.check(unsafe library.next(journal), "sd_journal_next") > 0,
            unsafe library.testCursor(journal, position.cursor) > 0
        {
            return .exact
        }
        try Self.check(
            unsafe library.seekRealtime(journal, position.realtimeMicroseconds), "sd_journal_seek_realtime_usec")
        isOnUnread = try Self.check(unsafe library.next(journal), "sd_journal_next") > 0
        return .possibleGap
    }

    // MARK: Reading

    /// The next entry; nil when there is none for now.
    package mutating func read() throws(JournalError) -> JournalFields? {
        if !isOnUnread {
            guard try Self.check(unsafe library.next(journal), "sd_journal_next") > 0 else { return nil }
        }
        isOnUnread = false
        let position = try currentPosition()
        var monotonic: UInt64 = 0
        var boot: [UInt8] = Array(repeating: 0, count: 16)
        let code = unsafe boot.withUnsafeMutableBytes { room -> Int32 in
            guard let base = room.baseAddress else { return -EINVAL }
            return unsafe library.monotonic(journal, &monotonic, base)
        }
        try Self.check(code, "sd_journal_get_monotonic_usec")
        var entry = JournalFields(
            position: position, monotonicMicroseconds: monotonic, bootID: Self.hex(boot), fields: [])
        readFields(into: &entry)
        last = position
        return entry
    }

    private func readFields(into entry: inout JournalFields) {
        var bytes = 0
        unsafe library.restartData(journal)
        // A damaged list might have no end.
        for _ in 0..<(JournalLimits.fields * 4) {
            var start: UnsafeRawPointer?
            var count = 0
            let code = unsafe library.enumerateData(journal, &start, &count)
            guard code != 0 else { return }
            guard code > 0, let start = unsafe start else {
                // A field in a damaged part of the file; what follows it is not to be had either.
                entry.leftOutFields += 1
                return
            }
            let data = unsafe UnsafeRawBufferPointer(start: start, count: count)
            guard let (field, isCut) = unsafe Self.field(data), entry.fields.count < JournalLimits.fields,
                bytes + field.value.count <= JournalLimits.entryBytes
            else {
                entry.leftOutFields += 1
                continue
            }
            bytes += field.value.count
            entry.fields.append(field)
            if isCut { entry.cutFields += 1 }
        }
    }

    /// `NAME=value`, where the value may be any bytes.
    private static func field(_ data: UnsafeRawBufferPointer) -> (JournalFields.Field, isCut: Bool)? {
        let head = unsafe data.prefix(JournalLimits.nameBytes + 1)
        guard let equals = unsafe head.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { return nil }
        let name = unsafe String(decoding: data[..<equals], as: UTF8.self)
        let value = unsafe data[(equals + 1)...]
        let kept = unsafe Array(value.prefix(JournalLimits.fieldBytes))
        return unsafe (JournalFields.Field(name, kept), isCut: value.count > JournalLimits.fieldBytes)
    }

    private func currentPosition() throws(JournalError) -> JournalPosition {
        var realtime: UInt64 = 0
        try Self.check(unsafe library.realtime(journal, &realtime), "sd_journal_get_realtime_usec")
        var text: UnsafeMutablePointer<CChar>?
        try Self.check(unsafe library.cursor(journal, &text), "sd_journal_get_cursor")
        defer { unsafe free(text) }
        guard let text = unsafe text else { throw .failed("sd_journal_get_cursor", ENOMEM) }
        return unsafe JournalPosition(cursor: String(cString: text), realtimeMicroseconds: realtime)
    }

    // MARK: Waiting

    /// Returns when the journal changed, at the latest after `bound`, of which `JournalLimits.wait` is the most. The
    /// first call returns at once: nobody was watching before.
    package mutating func wait(_ bound: Duration) throws(JournalError) -> Change {
        let time = min(max(bound, .zero), JournalLimits.wait)
        let (seconds, attoseconds) = time.components
        let microseconds = UInt64(seconds) * 1_000_000 + UInt64(attoseconds / 1_000_000_000_000)
        let code = unsafe library.wait(journal, microseconds)
        guard code != -EINTR else { return .none }
        switch try Self.check(code, "sd_journal_wait") {
        case 0: return .none
        case 1: return .appended
        default:
            // SD_JOURNAL_INVALIDATE. Is the entry we stand on still there?
            guard let last else { return .filesChanged(.exact) }
            return .filesChanged(try resume(after: last))
        }
    }

    // MARK: Calls

    private static func apply(
        _ step: JournalMatches.Step, _ library: JournalLibrary, _ journal: JournalLibrary.Journal
    ) throws(JournalError) {
        switch step {
        case .match(let text):
            let bytes = Array(text.utf8)
            let code = unsafe bytes.withUnsafeBytes { bytes -> Int32 in
                guard let base = bytes.baseAddress else { return -EINVAL }
                return unsafe library.addMatch(journal, base, bytes.count)
            }
            try check(code, "sd_journal_add_match")
        case .disjunction: try check(unsafe library.addDisjunction(journal), "sd_journal_add_disjunction")
        case .conjunction: try check(unsafe library.addConjunction(journal), "sd_journal_add_conjunction")
        }
    }

    @discardableResult
    private static func check(_ code: Int32, _ call: String) throws(JournalError) -> Int32 {
        guard code >= 0 else { throw .failed(call, -code) }
        return code
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
