import MusterSeries

/// Writes a part block by block, in the order of groups and, within a group, of time. Memory is one write buffer and
/// the directory. The part is durable when `finish` returned, and counts once a commit of `PartDirectory` names it;
/// let go before, nothing of it is left. Used by one thread.
package final class PartWriter {
    package let number: UInt32
    private let level: UInt8
    private let staged: StagedFile
    private var entries: [PartEntry] = []
    private var from = Int64.max
    private var to = Int64.min
    private var directoryRoom = PartFooter.bytes + PartIndex.maxEntryBytes

    init(number: UInt32, level: UInt8, in files: StoreFiles) throws(StoreError) {
        self.number = number
        self.level = level
        staged = try StagedFile(.part(number), .part, number: UInt64(number), in: files)
    }

    /// Bytes that the part takes when it is finished now, or a few less.
    package var bytes: Int { staged.size + directoryRoom }
    package var blockCount: Int { entries.count }

    /// Appends a block as `BlockCodec` made it. Throws `.budget` before the store's limit is broken, `.tooLarge` beyond
    /// `Part.maxBytes`, and what the disk says; after an error the part is gone.
    package func append(_ block: [UInt8]) throws(StoreError) {
        let head: BlockHead
        do throws(FormatError) {
            head = try BlockCodec.head(block[...])
        } catch {
            throw refused(error)
        }
        let length = block.count + Part.checksumBytes
        guard bytes + length + PartIndex.maxEntryBytes <= Part.maxBytes else {
            throw refused(.unwritable("a part of more than \(Part.maxBytes) bytes"))
        }
        let reference = BlockRef(
            part: number, offset: UInt32(staged.size), length: UInt32(length), rows: UInt32(head.rows),
            from: head.from, to: head.to)
        let entry = PartEntry(group: head.group, block: reference)
        guard PartIndex.precedes(entries.last, entry) else {
            throw refused(.unwritable("a block of group \(head.group.number) out of order"))
        }
        let checksum = CRC32C.checksum(block, seed: staged.seed ^ reference.offset)
        var framed: [UInt8] = []
        framed.reserveCapacity(length)
        framed.append(littleEndian: checksum)
        framed += block
        try staged.append(framed)
        entries.append(entry)
        directoryRoom += PartIndex.maxEntryBytes
        from = min(from, head.from)
        to = max(to, head.to)
    }

    /// Directory, footer, sync, name. Nil, and nothing left, when there is no block.
    package func finish() throws(StoreError) -> Part? {
        guard !entries.isEmpty else {
            discard()
            return nil
        }
        let directory: [UInt8]
        do throws(FormatError) {
            directory = try PartIndex.encode(entries)
        } catch {
            throw refused(error)
        }
        let footer = PartFooter(
            directoryOffset: UInt64(staged.size), directoryBytes: UInt32(directory.count),
            directoryChecksum: CRC32C.checksum(directory, seed: staged.seed), blocks: UInt32(entries.count))
        try staged.append(directory)
        try staged.append(footer.encoded(seed: staged.seed))
        let size = try staged.finish()
        let entry = StoreManifest.Part(number: number, bytes: UInt64(size), from: from, to: to, level: level)
        do throws(StoreError) {
            return try Part(entry, in: staged.files)
        } catch {
            staged.files.end(staged.name)
            try? staged.files.unlink(staged.name)
            throw error
        }
    }

    package func discard() { staged.discard() }

    private func refused(_ error: FormatError) -> StoreError {
        discard()
        return StoreError(error, operation: "write", path: staged.files.path(staged.name))
    }
}
