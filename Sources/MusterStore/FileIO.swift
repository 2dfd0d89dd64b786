/// How a file is opened. Symbolic links are never followed, files are made with mode 0600.
package enum OpenMode: Sendable {
    /// Must exist.
    case read
    /// Must exist.
    case readWrite
    /// Must not exist.
    case create
    case createOrOpen
}

/// Everything Muster does with files, synchronously. Paths are built from configuration and from names this module
/// makes; a name from the network never becomes part of one.
package protocol FileIO: Sendable {
    func open(_ path: String, _ mode: OpenMode) throws(StoreError) -> OpenFile

    /// Called once by `OpenFile` when its last owner is gone; gives up the file's lock as well.
    func close(_ number: Int)

    /// Reads up to `count` bytes into the front of `buffer` (which must hold that many) and returns how many there
    /// were; fewer than `count` only at the end of the file.
    func read(_ file: OpenFile, at offset: Int, count: Int, into buffer: inout [UInt8]) throws(StoreError) -> Int

    /// Writes all bytes or throws; after an error some of them may have been written.
    func write(_ file: OpenFile, at offset: Int, _ bytes: [UInt8]) throws(StoreError)

    func size(_ file: OpenFile) throws(StoreError) -> Int
    func truncate(_ file: OpenFile, to size: Int) throws(StoreError)

    /// fdatasync: when it returns, content and length of the file are durable. Its name may not be: see
    /// `syncDirectory`.
    func syncData(_ file: OpenFile) throws(StoreError)

    /// An exclusive lock that dies with the process; throws `.locked` at once when somebody else has it.
    func lock(_ file: OpenFile) throws(StoreError)

    /// Makes names created, renamed and removed in a directory durable.
    func syncDirectory(_ path: String) throws(StoreError)

    /// Mode 0700; an existing directory is no error.
    func makeDirectory(_ path: String) throws(StoreError)

    /// Names in a directory, sorted, without `.` and `..`.
    func list(_ path: String) throws(StoreError) -> [String]
    func rename(_ path: String, to newPath: String) throws(StoreError)
    func unlink(_ path: String) throws(StoreError)

    /// A random number for salts; from a seed in the simulation.
    func randomWord() -> UInt64
}

/// An open file; closed when the last reference is gone.
package final class OpenFile: Sendable {
    package let number: Int
    package let path: String
    private let io: any FileIO

    package init(number: Int, path: String, io: any FileIO) {
        self.number = number
        self.path = path
        self.io = io
    }

    deinit { io.close(number) }
}

extension FileIO {
    /// Makes a directory and its missing parents, durably. An existing one is synced as well: the process that made it
    /// may have died, or its sync failed, before the name was durable.
    package func makeDirectories(_ path: String) throws(StoreError) {
        let parent = Self.parent(of: path)
        do throws(StoreError) {
            _ = try list(path)
        } catch  where error.cause == .notFound {
            if parent != path { try makeDirectories(parent) }
            try makeDirectory(path)
            return try syncDirectory(parent)
        }
        do throws(StoreError) {
            if parent != path { try syncDirectory(parent) }
        } catch  where error.cause == .denied {
            // A parent that may not be opened was not made by this user.
        }
    }

    /// `/a/b` for `/a/b/c`, `.` for `c`.
    package static func parent(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
