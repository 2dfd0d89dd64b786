import Glibc

package enum JournalError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The library's name and the loader's words.
    case libraryMissing(String, String)
    case functionMissing(String)
    /// What was to be opened, and errno.
    case cannotOpen(String, Int32)
    /// The call that failed, and errno.
    case failed(String, Int32)
    case tooManyMatches(Int)

    package var description: String {
        switch self {
        case .libraryMissing(let name, let words):
            "the journal cannot be read without \(name) (\(words)): install the package libsystemd0, "
                + "or read files instead of the journal"
        case .functionMissing(let name):
            "the journal cannot be read: the libsystemd of this host has no \(name); version 229 or newer is needed"
        case .cannotOpen(let place, let code):
            "the journal \(place) cannot be opened: \(Self.words(code)); reading it takes root or the group "
                + "systemd-journal"
        case .failed(let call, let code): "the journal cannot be read: \(call) says \(Self.words(code))"
        case .tooManyMatches(let count):
            "\(count) units, identifiers and priorities are too many to select by: "
                + "at most \(JournalLimits.matches) are taken"
        }
    }

    private static func words(_ code: Int32) -> String {
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    }
}
