package import MusterModel
package import MusterSeries
import Synchronization

/// The files of a metric store: parts, catalogue, and the manifest that says which of them count.
///
///     MANIFEST-<generation>   the two newest are kept
///     <number>.part  <number>.catalogue
///     *.tmp                   being written; a crash leaves them, the next start removes them
///     *.damaged               set aside because it could not be read; goes first when room is needed
///
/// One rule decides what may be removed: *a file goes when neither of the two kept manifests names it.* So when the
/// newest manifest turns out to be damaged, everything that the one before names is still there, and as long as the
/// caller keeps its log from `replayFloor` on, nothing is lost.
///
/// A commit is durable when it returned. When it throws, the store is as it was, and the same commit may be tried
/// again; after a crash either of the two states is found. One writer; commits queue on a lock, readers use `Part`s and
/// need none.
package final class PartDirectory: Sendable {
    package struct Settings: Sendable {
        /// Everything in the directory, temporary files and the reserve included.
        package var maxBytes: Int

        package init(maxBytes: Int) { self.maxBytes = maxBytes }
    }

    /// A manifest that is on the disk.
    struct Kept: Sendable {
        var generation: UInt64
        var manifest: StoreManifest

        var files: Set<String> {
            var names: Set = [StoreFile.manifest(generation).name]
            for part in manifest.parts { names.insert(StoreFile.part(part.number).name) }
            if let file = manifest.catalogue { names.insert(StoreFile.catalogue(file.number).name) }
            return names
        }
    }

    struct Writer: Sendable {
        /// Newest first, one or two.
        var kept: [Kept]
        /// Of commits that threw after their name may have become visible: what they name stays until one succeeds.
        var doubtful: [Kept] = []
        /// The highest generation that any file had.
        var generation: UInt64
        var catalogue: CatalogueFile
    }

    struct Published: Sendable {
        var manifest: StoreManifest
        var parts: [Part]
        var replayFloor: StoreManifest.LogPlace
        var nextFile: UInt32
        var dropped: [Dropped] = []
    }

    /// A part that the store let go and somebody may still read.
    struct Dropped: Sendable {
        weak var part: Part?
    }

    let files: StoreFiles
    let writer: Mutex<Writer>
    let published: Mutex<Published>

    init(_ files: StoreFiles, _ writer: Writer, _ published: Published) {
        self.files = files
        self.writer = Mutex(writer)
        self.published = Mutex(published)
    }

    package var manifest: StoreManifest { published.withLock { $0.manifest } }
    /// In the order of the manifest.
    package var parts: [Part] { published.withLock { $0.parts } }
    /// The log must be kept from here on: a start may have to go back to the older of the two manifests.
    package var replayFloor: StoreManifest.LogPlace { published.withLock { $0.replayFloor } }
    /// Bytes of everything that has a name in the directory.
    package var bytesOnDisk: Int { files.bytes }
    /// Bytes of parts that are dropped and still being read; the disk gets them back when the readers let go.
    package var bytesHeldByReaders: Int {
        published.withLock { published in
            published.dropped.removeAll { $0.part == nil }
            return published.dropped.reduce(0) { $0 + Int(clamping: $1.part?.entry.bytes ?? 0) }
        }
    }

    /// May be lowered below what is taken: then nothing is written until `dropOldest` made room.
    package var maxBytes: Int {
        get { files.maxBytes }
        set { files.maxBytes = newValue }
    }

    /// True when a write of so many bytes would be refused.
    package func wouldExceed(_ bytes: Int) -> Bool {
        let (sum, overflow) = files.bytes.addingReportingOverflow(bytes)
        return overflow || sum > files.maxBytes
    }

    /// Begins a part. Throws `.budget`, before anything is written, when `expectedBytes` do not fit; the writer checks
    /// again what it really writes.
    package func beginPart(level: UInt8 = 0, expectedBytes: Int) throws(StoreError) -> PartWriter {
        let number = try nextFile()
        try files.check(expectedBytes, for: StoreFile.part(number).name)
        return try PartWriter(number: number, level: level, in: files)
    }

    /// Removes a finished part that no commit took.
    package func discard(_ part: Part) {
        files.end(StoreFile.part(part.number).name)
        writer.withLock { removeUnnamed(&$0) }
    }

    /// File numbers are used once.
    func nextFile() throws(StoreError) -> UInt32 {
        try published.withLock { published throws(StoreError) in
            guard published.nextFile < .max else {
                throw StoreError(
                    .damaged, operation: "write into", path: files.directory, detail: "the file numbers are used up")
            }
            published.nextFile += 1
            return published.nextFile - 1
        }
    }

    /// Appends a piece of the catalogue, as `CatalogueChunk` encodes it. It is durable and counts with the next
    /// checkpoint. When it throws, the piece was not appended.
    package func appendCatalogue(_ chunk: [UInt8]) throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            if writer.catalogue.isSuspect || writer.catalogue.stored == nil {
                try writer.catalogue.replace(number: try nextFile(), in: files)
            }
            try writer.catalogue.append(chunk, in: files)
        }
    }

    /// Begins the catalogue anew: what follows goes into another file, which takes the place of the old one at the next
    /// checkpoint. For leaving out what was dropped: the caller appends everything that counts.
    package func restartCatalogue() throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            try writer.catalogue.restart(number: try nextFile(), in: files)
        }
    }

    /// Gives out the catalogue piece by piece and returns what was damaged; a damaged piece costs that piece.
    package func readCatalogue(
        compressor: some Compressor, _ body: (CatalogueChunk) throws(StoreError) -> Void
    ) throws(StoreError) -> RecordDamage {
        guard let stored = manifest.catalogue else { return RecordDamage() }
        let file = try files.io.open(files.path(StoreFile.catalogue(stored.number).name), .read)
        guard let seed = try FrameFile.seed(file, .catalogue, number: UInt64(stored.number), files.io) else {
            return RecordDamage(regions: 1, bytes: Int(clamping: stored.bytes))
        }
        var undecodable = RecordDamage()
        var damage = try FrameFile.scan(file, seed: seed, to: Int(clamping: stored.bytes), files.io) {
            payload throws(StoreError) in
            let chunk: CatalogueChunk
            do throws(FormatError) {
                chunk = try CatalogueChunk(decoding: payload[...], compressor: compressor)
            } catch {
                if case .newerFormat = error { throw StoreError(error, operation: "read", path: file.path) }
                undecodable += RecordDamage(regions: 1, bytes: payload.count)
                return
            }
            try body(chunk)
        }
        damage += undecodable
        return damage
    }
}
