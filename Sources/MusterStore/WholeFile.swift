/// Small files that are replaced as a whole and durably.
package enum WholeFile {
    /// At most `maxBytes` of the file.
    package static func read(_ path: String, io: some FileIO, maxBytes: Int = 1 << 20) throws(StoreError) -> [UInt8] {
        let file = try io.open(path, .read)
        let size = min(try io.size(file), maxBytes)
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try io.read(file, at: 0, count: size, into: &bytes)
        return Array(bytes.prefix(count))
    }

    /// Durable when it returns; a crash leaves the old content or the new. Mode 0600.
    package static func write(_ text: String, to path: String, io: some FileIO) throws(StoreError) {
        let temporary = path + ".new"
        try? io.unlink(temporary)
        let file = try io.open(temporary, .create)
        try io.write(file, at: 0, Array(text.utf8))
        try io.syncData(file)
        try io.rename(temporary, to: path)
        try io.syncDirectory(parent(of: path, io))
    }

    private static func parent<IO: FileIO>(of path: String, _ io: IO) -> String { IO.parent(of: path) }
}
