import MusterSeries

/// The catalogue that grows: one file of records, appended at each checkpoint.
///
///     none -> active -> active ...
///     active -> suspect: a sync failed, or a failed write could not be cut off. It takes nothing more: its records,
///               which have checksums, are copied into a new file first.
///
/// Bytes below the length that a manifest names are never written again.
struct CatalogueFile: Sendable {
    private var file: OpenFile?
    private var number: UInt32 = 0
    private var seed: UInt32 = 0
    /// Behind the last record.
    private var end = 0
    private var durableEnd = 0
    private(set) var isSuspect = false

    init() {}

    /// A catalogue that a manifest names; what lies behind `end` was appended by a checkpoint that did not happen and
    /// is cut off. Nil when the file is damaged from its first bytes on.
    init?(opening number: UInt32, end: Int, in files: StoreFiles) throws(StoreError) {
        let name = StoreFile.catalogue(number).name
        let file = try files.io.open(files.path(name), .readWrite)
        guard let seed = try FrameFile.seed(file, .catalogue, number: UInt64(number), files.io) else { return nil }
        let size = try files.io.size(file)
        if size > end {
            try files.io.truncate(file, to: end)
            files.set(name, bytes: end)
        }
        self.file = file
        self.number = number
        self.seed = seed
        self.end = min(size, end)
        durableEnd = self.end
    }

    /// What a manifest says of it; nil before there is one.
    var stored: StoreManifest.File? {
        file == nil ? nil : StoreManifest.File(number: number, bytes: UInt64(end))
    }

    private var name: String { StoreFile.catalogue(number).name }

    mutating func append(_ chunk: [UInt8], in files: StoreFiles) throws(StoreError) {
        guard let file else {
            throw StoreError(.closed, operation: "append to", path: files.directory, detail: "there is no catalogue")
        }
        let frame = try FrameFile.frame(chunk, seed: seed, path: file.path)
        try files.grow(name, by: frame.count)
        do throws(StoreError) {
            try files.io.write(file, at: end, frame)
        } catch {
            do throws(StoreError) {
                try files.io.truncate(file, to: end)
                files.set(name, bytes: end)
            } catch {
                isSuspect = true
            }
            throw error
        }
        end += frame.count
    }

    /// Makes all records durable.
    mutating func sync(in files: StoreFiles) throws(StoreError) {
        guard let file, durableEnd < end else { return }
        do throws(StoreError) {
            try files.io.syncData(file)
            durableEnd = end
        } catch {
            isSuspect = true
            throw error
        }
    }

    /// An empty catalogue of another number takes the place of this one.
    mutating func restart(number: UInt32, in files: StoreFiles) throws(StoreError) {
        let staged = try StagedFile(.catalogue(number), .catalogue, number: UInt64(number), in: files)
        try become(staged, number, in: files)
    }

    /// The same records in a file of another number.
    mutating func replace(number: UInt32, in files: StoreFiles) throws(StoreError) {
        let staged = try StagedFile(.catalogue(number), .catalogue, number: UInt64(number), in: files)
        if let file {
            let copy = { (payload: [UInt8]) throws(StoreError) in
                try staged.append(try FrameFile.frame(payload, seed: staged.seed, path: file.path))
            }
            // What is damaged among the durable records was so before; of what was just appended nothing may be lost.
            _ = try FrameFile.scan(file, seed: seed, to: durableEnd, files.io, copy)
            let damage = try FrameFile.scan(file, seed: seed, from: durableEnd, to: end, files.io, copy)
            guard damage.bytes == 0 else {
                throw StoreError(
                    .damaged, operation: "copy", path: file.path,
                    detail: "\(damage.bytes) bytes cannot be read back after a failed write")
            }
        }
        try become(staged, number, in: files)
    }

    private mutating func become(_ staged: StagedFile, _ number: UInt32, in files: StoreFiles) throws(StoreError) {
        let size = try staged.finish()
        let opened: OpenFile
        do throws(StoreError) {
            opened = try files.io.open(files.path(staged.name), .readWrite)
        } catch {
            files.end(staged.name)
            try? files.unlink(staged.name)
            throw error
        }
        // From here on the name is kept for being that of the active catalogue.
        files.end(staged.name)
        self = CatalogueFile()
        self.file = opened
        self.number = number
        seed = staged.seed
        end = size
        durableEnd = size
    }
}
