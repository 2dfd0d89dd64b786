/// A file that comes to be as a whole or not at all:
///
///     writing (under a temporary name) --finish--> durable, under its own name | --any error, or let go--> removed
///
/// Bytes go to the disk in pieces of `bufferBytes`. Used by one thread.
final class StagedFile {
    static let bufferBytes = 256 << 10

    let name: String
    let files: StoreFiles
    /// Where the checksums in this file start.
    let seed: UInt32
    private let temporary: String
    private let file: OpenFile
    private var buffer: [UInt8] = []
    private var written = 0
    private var isOver = false
    /// True from the rename on: after a loss of power the name may be there even when `finish` threw.
    private(set) var mayBeNamed = false

    /// Bytes appended so far, the preamble included.
    var size: Int { written + buffer.count }

    init(_ stored: StoreFile, _ kind: FilePreamble.Kind, number: UInt64, in files: StoreFiles) throws(StoreError) {
        self.files = files
        name = stored.name
        temporary = name + StoreFile.temporarySuffix
        let preamble = FilePreamble(kind: kind, number: number, salt: files.io.randomWord())
        seed = preamble.seed
        file = try files.io.open(files.path(temporary), .create)
        files.set(temporary, bytes: 0)
        files.begin(temporary)
        buffer = preamble.encoded
    }

    deinit { discard() }

    /// After an error the file is gone.
    func append(_ bytes: [UInt8]) throws(StoreError) {
        buffer += bytes
        if buffer.count >= Self.bufferBytes { try orDiscard { () throws(StoreError) in try flush() } }
    }

    /// Writes, syncs, renames and syncs the directory; returns the file's bytes. The name stays in flight until a
    /// manifest has it.
    func finish() throws(StoreError) -> Int {
        try orDiscard { () throws(StoreError) in
            try flush()
            try files.io.syncData(file)
            mayBeNamed = true
            try files.rename(temporary, to: name)
            try files.io.syncDirectory(files.directory)
        }
        isOver = true
        return written
    }

    /// Removes what was written. Where the disk refuses, the name is counted until the next commit tries again.
    func discard() {
        guard !isOver else { return }
        isOver = true
        for leftover in [temporary, name] where files.bytes(of: leftover) != nil {
            files.end(leftover)
            try? files.unlink(leftover)
        }
    }

    private func flush() throws(StoreError) {
        guard !isOver else {
            throw StoreError(.closed, operation: "write", path: files.path(name), detail: "it was discarded")
        }
        try files.grow(temporary, by: buffer.count)
        try files.io.write(file, at: written, buffer)
        written += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    private func orDiscard(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        do throws(StoreError) {
            try body()
        } catch {
            discard()
            throw error
        }
    }
}
