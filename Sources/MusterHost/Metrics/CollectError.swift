import Glibc

/// Why a collector has no values in this tick.
package enum CollectError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A system call on a file failed with `code` (errno).
    case system(call: String, path: String, code: Int32)
    /// A file is not in the form the kernel documents.
    case malformed(path: String, expected: String)
    /// A file is longer than a collector reads.
    case tooLarge(path: String, maxBytes: Int)
    /// There is more in a place than a collector measures; the first ones are measured.
    case tooMany(path: String, max: Int)

    /// One of several things failed; the others are measured.
    case partial(String)

    /// True when what was read has ceased to exist: a process, a cgroup or a device that went away.
    package var isGone: Bool {
        guard case .system(_, _, let code) = self else { return false }
        return [ENOENT, ENODEV, ESRCH, ENOTDIR].contains(code)
    }

    /// True when the collector's other series are good.
    package var isPartial: Bool {
        switch self {
        case .partial, .tooMany: true
        case .system, .malformed, .tooLarge: false
        }
    }

    package var description: String {
        switch self {
        case .system(let call, let path, let code): "\(call) of \(path) failed: \(ErrorText.of(code))"
        case .partial(let reason): reason
        case .malformed(let path, let expected): "\(path) is not as expected: \(expected); the kernel may be too old"
        case .tooMany(let path, let max): "\(path) holds more than the \(max) that are measured; the rest is left out"
        case .tooLarge(let path, let maxBytes): "\(path) is longer than the \(maxBytes) bytes a collector reads"
        }
    }
}

private enum ErrorText {
    static func of(_ code: Int32) -> String {
        var text = [CChar](repeating: 0, count: 128)
        guard unsafe strerror_r(code, &text, text.count) == 0 else { return "error \(code)" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
