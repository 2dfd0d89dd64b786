import Glibc

/// The functions of libsystemd that read journals, found at run time: a host without systemd needs no such library. See
/// `man 3 sd-journal`. All of them return a negative errno when they fail.
@safe struct JournalLibrary: Sendable {
    typealias Journal = OpaquePointer

    typealias Open = @convention(c) @Sendable (UnsafeMutablePointer<Journal?>, Int32) -> Int32
    typealias OpenDirectory =
        @convention(c) @Sendable (UnsafeMutablePointer<Journal?>, UnsafePointer<CChar>, Int32) -> Int32
    typealias Close = @convention(c) @Sendable (Journal) -> Void
    typealias Move = @convention(c) @Sendable (Journal) -> Int32
    typealias Number = @convention(c) @Sendable (Journal, UInt64) -> Int32
    typealias Bytes = @convention(c) @Sendable (Journal, UnsafeRawPointer, Int) -> Int32
    typealias Text = @convention(c) @Sendable (Journal, UnsafePointer<CChar>) -> Int32
    typealias GetText =
        @convention(c) @Sendable (Journal, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32
    typealias GetNumber = @convention(c) @Sendable (Journal, UnsafeMutablePointer<UInt64>) -> Int32
    typealias GetMonotonic =
        @convention(c) @Sendable (Journal, UnsafeMutablePointer<UInt64>, UnsafeMutableRawPointer) -> Int32
    typealias GetData =
        @convention(c) @Sendable (
            Journal, UnsafeMutablePointer<UnsafeRawPointer?>, UnsafeMutablePointer<Int>
        ) -> Int32

    let open: Open
    let openDirectory: OpenDirectory
    let close: Close
    let next: Move
    let previous: Move
    let seekHead: Move
    let seekTail: Move
    let seekRealtime: Number
    let seekCursor: Text
    let testCursor: Text
    let cursor: GetText
    let realtime: GetNumber
    let monotonic: GetMonotonic
    let restartData: Close
    let enumerateData: GetData
    let setDataThreshold: @convention(c) @Sendable (Journal, Int) -> Int32
    let addMatch: Bytes
    let addDisjunction: Move
    let addConjunction: Move
    let wait: Number

    /// The name with the version of the interface, which has been 0 since there is one.
    static let name = "libsystemd.so.0"

    /// Loads it; the process keeps it.
    init(_ name: String) throws(JournalError) {
        guard let library = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
            throw .libraryMissing(name, Self.lastError)
        }
        unsafe open = unsafeBitCast(try Self.symbol("sd_journal_open", library), to: Open.self)
        unsafe openDirectory = unsafeBitCast(
            try Self.symbol("sd_journal_open_directory", library), to: OpenDirectory.self)
        unsafe close = unsafeBitCast(try Self.symbol("sd_journal_close", library), to: Close.self)
        unsafe next = unsafeBitCast(try Self.symbol("sd_journal_next", library), to: Move.self)
        unsafe previous = unsafeBitCast(try Self.symbol("sd_journal_previous", library), to: Move.self)
        unsafe seekHead = unsafeBitCast(try Self.symbol("sd_journal_seek_head", library), to: Move.self)
        unsafe seekTail = unsafeBitCast(try Self.symbol("sd_journal_seek_tail", library), to: Move.self)
        unsafe seekRealtime = unsafeBitCast(
            try Self.symbol("sd_journal_seek_realtime_usec", library), to: Number.self)
        unsafe seekCursor = unsafeBitCast(try Self.symbol("sd_journal_seek_cursor", library), to: Text.self)
        unsafe testCursor = unsafeBitCast(try Self.symbol("sd_journal_test_cursor", library), to: Text.self)
        unsafe cursor = unsafeBitCast(try Self.symbol("sd_journal_get_cursor", library), to: GetText.self)
        unsafe realtime = unsafeBitCast(
            try Self.symbol("sd_journal_get_realtime_usec", library), to: GetNumber.self)
        unsafe monotonic = unsafeBitCast(
            try Self.symbol("sd_journal_get_monotonic_usec", library), to: GetMonotonic.self)
        unsafe restartData = unsafeBitCast(try Self.symbol("sd_journal_restart_data", library), to: Close.self)
        // The first passes over fields in compressions this library cannot read; it came with systemd 246.
        if let available = unsafe dlsym(library, "sd_journal_enumerate_available_data") {
            unsafe enumerateData = unsafeBitCast(available, to: GetData.self)
        } else {
            unsafe enumerateData = unsafeBitCast(
                try Self.symbol("sd_journal_enumerate_data", library), to: GetData.self)
        }
        unsafe setDataThreshold = unsafeBitCast(
            try Self.symbol("sd_journal_set_data_threshold", library),
            to: (@convention(c) @Sendable (Journal, Int) -> Int32).self)
        unsafe addMatch = unsafeBitCast(try Self.symbol("sd_journal_add_match", library), to: Bytes.self)
        unsafe addDisjunction = unsafeBitCast(try Self.symbol("sd_journal_add_disjunction", library), to: Move.self)
        unsafe addConjunction = unsafeBitCast(try Self.symbol("sd_journal_add_conjunction", library), to: Move.self)
        unsafe wait = unsafeBitCast(try Self.symbol("sd_journal_wait", library), to: Number.self)
    }

    private static func symbol(
        _ name: String, _ library: UnsafeMutableRawPointer
    ) throws(JournalError) -> UnsafeMutableRawPointer {
        guard let symbol = unsafe dlsym(library, name) else { throw .functionMissing(name) }
        return unsafe symbol
    }

    private static var lastError: String {
        unsafe dlerror().map { unsafe String(cString: $0) } ?? "no reason given"
    }
}
