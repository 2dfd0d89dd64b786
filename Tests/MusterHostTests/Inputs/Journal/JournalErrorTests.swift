import MusterHost
import MusterTestKit
import Testing

/// What there is to say where no journal can be read. Needs no journal.
@Suite struct JournalErrorTests {
    private func error(_ open: () throws(JournalError) -> Void) -> JournalError? {
        do throws(JournalError) {
            try open()
            return nil
        } catch {
            return error
        }
    }

    @Test func `a host without the library is told so`() {
        let missing = error { () throws(JournalError) in
            _ = try JournalReader(.system, libraryName: "libmuster-none.so.0")
        }
        guard case .libraryMissing(let name, let words) = missing else {
            Issue.record("\(String(describing: missing))")
            return
        }
        #expect(name == "libmuster-none.so.0" && words.contains("cannot open shared object file"))
        #expect(missing?.description.contains("install the package libsystemd0") == true)
    }

    @Test func `a library without the functions is told so`() {
        // It is there on every host, and reads no journals.
        let missing = error { () throws(JournalError) in _ = try JournalReader(.system, libraryName: "libm.so.6") }
        #expect(missing == .functionMissing("sd_journal_open"))
        #expect(missing?.description.contains("no sd_journal_open; version 229") == true)
    }

    @Test(.enabled(if: JournalFiles.obstacle == nil, "skipped: \(JournalFiles.obstacle ?? "")"))
    func `a directory that cannot be opened is named`() throws {
        let scratch = try Scratch("journal-none")
        let absent = error { () throws(JournalError) in _ = try JournalReader(.directory(scratch("absent"))) }
        #expect(absent == .cannotOpen("in \(scratch("absent"))", 2))
        #expect(absent?.description.contains("absent cannot be opened: No such file or directory") == true)
        let file = try scratch.write("no directory", to: "file")
        #expect(
            error { () throws(JournalError) in _ = try JournalReader(.directory(file)) }
                == .cannotOpen("in \(file)", 20))
        // A directory with files that are no journals is an empty journal.
        try scratch.write("no journal at all", to: "bad.journal")
        var reader = try JournalReader(.directory(scratch.path))
        #expect(try reader.read() == nil)
    }

    @Test func `more matches than are taken are refused before anything is opened`() {
        func matches(_ count: Int) -> JournalMatches { JournalMatches(units: (0..<count).map { "u\($0)" }) }
        let refused = error { () throws(JournalError) in
            _ = try JournalReader(.system, matching: matches(JournalLimits.matches + 1), libraryName: "none")
        }
        #expect(refused == .tooManyMatches(JournalLimits.matches + 1))
        #expect(refused?.description.contains("at most \(JournalLimits.matches)") == true)
        let taken = error { () throws(JournalError) in
            _ = try JournalReader(.system, matching: matches(JournalLimits.matches), libraryName: "libm.so.6")
        }
        #expect(taken == .functionMissing("sd_journal_open"))
    }
}
