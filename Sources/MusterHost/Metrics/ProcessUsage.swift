import Glibc
import MusterModel

/// What this process itself uses and is called.
package enum ProcessUsage {
    /// User and system time since the start, in seconds.
    package static var cpuSeconds: Double {
        // POSIX: `CLOCKS_PER_SEC` is a million.
        max(0, Double(clock()) / 1e6)
    }

    /// Resident memory in bytes: the second number of /proc/self/statm.
    package static var residentBytes: Double {
        let descriptor = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { _ = close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 128)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        let fields = buffer.prefix(max(0, count)).split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Double(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// `uname -n`, or `localhost` when that breaks the spelling of names.
    package static var hostName: String {
        var facts = utsname()
        guard unsafe uname(&facts) == 0 else { return "localhost" }
        let text = unsafe withUnsafeBytes(of: facts.nodename) { name in
            unsafe String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        }
        return NameSpelling.isValid(text) ? text : "localhost"
    }
}
