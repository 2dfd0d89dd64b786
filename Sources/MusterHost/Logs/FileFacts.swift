import Glibc
import MusterLogs

/// What the file system says of a file.
struct FileFacts: Equatable {
    var identity: FileIdentity
    var size: UInt64
    var links: Int
    var isRegular: Bool
    var isDirectory: Bool
    var isSymbolicLink: Bool

    struct Failure: Error, Equatable {
        var code: Int32
    }

    /// The facts of a path; of the link itself when `followsLinks` is false.
    static func at(_ path: String, followsLinks: Bool = true) throws(Failure) -> FileFacts {
        try read(AT_FDCWD, path, followsLinks ? 0 : AT_SYMLINK_NOFOLLOW)
    }

    static func of(_ descriptor: Int32) throws(Failure) -> FileFacts { try read(descriptor, "", 0x1000) }

    private typealias Statx =
        @convention(c) @Sendable (
            Int32, UnsafePointer<CChar>, Int32, UInt32, UnsafeMutableRawPointer
        ) -> Int32

    /// The C library's headers show `statx` only to programs that ask for GNU extensions, hence by name. It alone tells
    /// the time of birth.
    private static let statx: Statx? = {
        guard let symbol = unsafe dlsym(nil, "statx") else { return nil }
        return unsafe unsafeBitCast(symbol, to: Statx.self)
    }()

    private static func read(_ directory: Int32, _ path: String, _ flags: Int32) throws(Failure) -> FileFacts {
        guard let statx = unsafe statx else { return try readClassic(directory, path, flags) }
        // struct statx: 256 bytes of a fixed layout (man 2 statx).
        var words = [UInt64](repeating: 0, count: 32)
        let code = unsafe words.withUnsafeMutableBytes { buffer -> Int32 in
            guard let base = buffer.baseAddress else { return EINVAL }
            return unsafe statx(directory, path, flags, 0x0fff, base) == 0 ? 0 : errno
        }
        if code == ENOSYS { return try readClassic(directory, path, flags) }
        guard code == 0 else { throw Failure(code: code) }
        let mode = UInt32(truncatingIfNeeded: words[3] >> 32) & 0xffff
        let hasBirth = words[0] & 0x800 != 0
        let birth = Int64(bitPattern: words[10]) &* 1_000_000_000 &+ Int64(UInt32(truncatingIfNeeded: words[11]))
        let identity = FileIdentity(device: words[17], inode: words[4], birth: hasBirth ? birth : 0)
        return FileFacts(
            identity: identity, size: words[5], links: Int(UInt32(truncatingIfNeeded: words[2])), mode: mode)
    }

    private static func readClassic(_ directory: Int32, _ path: String, _ flags: Int32) throws(Failure) -> FileFacts {
        var status = stat()
        let result = unsafe path.isEmpty ? fstat(directory, &status) : fstatat(directory, path, &status, flags)
        guard result == 0 else { throw Failure(code: errno) }
        let identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino), birth: 0)
        return FileFacts(
            identity: identity, size: UInt64(max(0, status.st_size)), links: Int(status.st_nlink),
            mode: UInt32(status.st_mode))
    }

    private init(identity: FileIdentity, size: UInt64, links: Int, mode: UInt32) {
        self.identity = identity
        self.size = size
        self.links = links
        isRegular = mode & 0xf000 == 0x8000
        isDirectory = mode & 0xf000 == 0x4000
        isSymbolicLink = mode & 0xf000 == 0xa000
    }
}

/// The names in a directory.
enum DirectoryListing {
    struct Entry {
        var name: String
        var inode: UInt64
        /// Nil when the file system does not say, or the entry is a link: ask for the facts.
        var isDirectory: Bool?
    }

    /// Nil when the directory cannot be read.
    static func entries(_ path: String) -> [Entry]? {
        guard let stream = unsafe opendir(path) else { return nil }
        defer { unsafe _ = closedir(stream) }
        var entries: [Entry] = []
        while let next = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &next.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            let kind = unsafe Int(next.pointee.d_type)
            let isDirectory: Bool? = kind == 4 ? true : kind == 8 ? false : nil
            entries.append(Entry(name: name, inode: unsafe UInt64(next.pointee.d_ino), isDirectory: isDirectory))
        }
        return entries
    }
}

extension String {
    /// The part before the last slash; "/" for a file in the root.
    var parentDirectory: String {
        guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == startIndex ? "/" : String(self[..<slash])
    }

    func appendingPath(_ name: String) -> String { self == "/" ? "/" + name : self + "/" + name }
}
