package import MusterModel
package import MusterSeries

/// A part file that is open for reading. Its bytes are free when the last reader has let go of it, also after the store
/// dropped it.
///
///     preamble | blocks, each with its checksum in front | directory | footer
///     footer: magic u64 | offset of the directory u64 | its bytes u32 | its crc32c u32 | blocks u32 | crc32c u32
///
/// The preamble is that of every file of this module. All checksums start from its salt; that of a block also from the
/// block's offset, so that neither a block of another file nor one of another place is taken for it. `BlockRef.offset`
/// is that of the checksum, `BlockRef.length` includes it.
package final class Part: Sendable {
    /// Offsets have 32 bits.
    package static let maxBytes = 1 << 30
    static let start = UInt32(FilePreamble.bytes)
    static let checksumBytes = 4

    /// What the manifest says.
    package let entry: StoreManifest.Part
    private let footer: PartFooter
    private let seed: UInt32
    private let file: OpenFile
    private let io: any FileIO

    package var number: UInt32 { entry.number }
    package var path: String { file.path }
    package var blockCount: Int { Int(footer.blocks) }

    /// Opens a part and checks everything but its blocks. Throws `.damaged` when it is not what the manifest says.
    init(_ entry: StoreManifest.Part, in files: StoreFiles) throws(StoreError) {
        self.entry = entry
        io = files.io
        file = try io.open(files.path(StoreFile.part(entry.number).name), .read)
        guard let preamble = try SegmentLog.preamble(of: file, io), preamble.kind == .part,
            preamble.number == UInt64(entry.number)
        else { throw Self.damaged(file.path, "it does not begin like this part") }
        seed = preamble.seed
        let size = try io.size(file)
        guard UInt64(size) == entry.bytes else {
            throw Self.damaged(file.path, "it has \(size) bytes, not \(entry.bytes)")
        }
        guard size >= FilePreamble.bytes + PartFooter.bytes,
            let footer = PartFooter(
                try Self.read(file, io, at: size - PartFooter.bytes, count: PartFooter.bytes), seed: seed),
            footer.directoryOffset >= Self.start,
            footer.directoryOffset + UInt64(footer.directoryBytes) + UInt64(PartFooter.bytes) == UInt64(size)
        else { throw Self.damaged(file.path, "its end is not that of a part") }
        self.footer = footer
        _ = try index()
    }

    /// The directory, read again at each call: readers keep the references, not this. Throws `.damaged`.
    package func index() throws(StoreError) -> [PartEntry] {
        let offset = Int(footer.directoryOffset)
        let bytes = try Self.read(file, io, at: offset, count: Int(footer.directoryBytes))
        guard CRC32C.checksum(bytes, seed: seed) == footer.directoryChecksum else {
            throw Self.damaged(file.path, "the checksum of its directory is wrong")
        }
        let entries: [PartEntry]
        do throws(FormatError) {
            entries = try PartIndex.decode(bytes[...], part: number, start: Self.start, end: UInt32(offset))
        } catch {
            throw StoreError(error, operation: "read", path: file.path)
        }
        guard entries.count == blockCount else {
            throw Self.damaged(file.path, "its directory has \(entries.count) blocks, not \(blockCount)")
        }
        return entries
    }

    /// The bytes of a block for `BlockCodec`, checked against its checksum and against what the caller expects. Throws
    /// `.damaged` or what the disk says, naming part, group and offset; other blocks stay readable.
    package func block(_ block: BlockRef, of group: GroupID) throws(StoreError) -> ArraySlice<UInt8> {
        let what = "read the block of group \(group.number) at offset \(block.offset) in"
        guard block.part == number, block.offset >= Self.start, block.length > UInt32(Self.checksumBytes),
            UInt64(block.offset) + UInt64(block.length) <= footer.directoryOffset
        else {
            throw StoreError(.damaged, operation: what, path: file.path, detail: "it lies outside of the blocks")
        }
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try Self.read(file, io, at: Int(block.offset), count: Int(block.length))
        } catch {
            throw StoreError(error.cause, operation: what, path: file.path, detail: error.detail)
        }
        let expected = bytes.littleEndian(UInt32.self, at: 0)
        let body = Self.checksumBytes..<bytes.count
        guard CRC32C.checksum(bytes, in: body, seed: seed ^ block.offset) == expected else {
            throw StoreError(.damaged, operation: what, path: file.path, detail: "the checksum is wrong")
        }
        do throws(FormatError) {
            let head = try BlockCodec.head(bytes[body])
            guard head.group == group, head.rows == Int(block.rows), head.from == block.from, head.to == block.to else {
                throw .damaged("it is not the block that was looked for")
            }
        } catch {
            throw StoreError(error, operation: what, path: file.path)
        }
        return bytes[body]
    }

    /// The rows of a block; see `block` and `BlockCodec.decode`.
    package func rows(
        _ block: BlockRef, of group: GroupID, slots: UInt64 = .max, compressor: some Compressor
    ) throws(StoreError) -> BlockRows {
        try rows(of: try inflated(block, of: group, compressor: compressor), block, of: group, slots: slots)
    }

    /// A block of which more than once something is decoded; see `block` and `BlockCodec.inflated`.
    package func inflated(
        _ block: BlockRef, of group: GroupID, compressor: some Compressor
    ) throws(StoreError) -> InflatedBlock {
        let bytes = try self.block(block, of: group)
        return try decoding(block, of: group) { () throws(FormatError) in
            try BlockCodec.inflated(bytes, compressor: compressor)
        }
    }

    /// The rows of a block that `inflated` gave.
    package func rows(
        of inflated: InflatedBlock, _ block: BlockRef, of group: GroupID, slots: UInt64
    ) throws(StoreError) -> BlockRows {
        try decoding(block, of: group) { () throws(FormatError) in try BlockCodec.decode(inflated, slots: slots) }
    }

    private func decoding<Value>(
        _ block: BlockRef, of group: GroupID, _ body: () throws(FormatError) -> Value
    ) throws(StoreError) -> Value {
        do throws(FormatError) {
            return try body()
        } catch {
            throw StoreError(
                error, operation: "decode the block of group \(group.number) at offset \(block.offset) in",
                path: file.path)
        }
    }

    private static func read(
        _ file: OpenFile, _ io: any FileIO, at offset: Int, count: Int
    ) throws(StoreError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try io.read(file, at: offset, count: count, into: &bytes)
        guard got == count else { throw damaged(file.path, "it ends at \(offset + got)") }
        return bytes
    }

    private static func damaged(_ path: String, _ detail: String) -> StoreError {
        StoreError(.damaged, operation: "read", path: path, detail: detail)
    }
}

/// The end of a part file.
struct PartFooter: Equatable, Sendable {
    static let bytes = 32
    private static let magic: UInt64 = 0x3154_5241_5054_534D  // "MSTPART1"

    var directoryOffset: UInt64
    var directoryBytes: UInt32
    var directoryChecksum: UInt32
    var blocks: UInt32

    func encoded(seed: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: directoryOffset)
        bytes.append(littleEndian: directoryBytes)
        bytes.append(littleEndian: directoryChecksum)
        bytes.append(littleEndian: blocks)
        bytes.append(littleEndian: CRC32C.checksum(bytes, seed: seed))
        return bytes
    }

    init(directoryOffset: UInt64, directoryBytes: UInt32, directoryChecksum: UInt32, blocks: UInt32) {
        self.directoryOffset = directoryOffset
        self.directoryBytes = directoryBytes
        self.directoryChecksum = directoryChecksum
        self.blocks = blocks
    }

    /// Nil when the bytes, of which there are `bytes`, are damaged. Lengths below the limit of a part are certain.
    init?(_ bytes: [UInt8], seed: UInt32) {
        guard bytes.count == Self.bytes, bytes.littleEndian(UInt64.self, at: 0) == Self.magic,
            CRC32C.checksum(bytes, in: 0..<28, seed: seed) == bytes.littleEndian(UInt32.self, at: 28)
        else { return nil }
        directoryOffset = bytes.littleEndian(UInt64.self, at: 8)
        directoryBytes = bytes.littleEndian(UInt32.self, at: 16)
        directoryChecksum = bytes.littleEndian(UInt32.self, at: 20)
        blocks = bytes.littleEndian(UInt32.self, at: 24)
        guard directoryOffset < UInt64(Part.maxBytes), directoryBytes < Part.maxBytes else { return nil }
    }
}

extension StoreError {
    init(_ error: FormatError, operation: String, path: String) {
        let cause: Cause =
            switch error {
            case .newerFormat: .newerFormat
            case .damaged: .damaged
            case .unwritable: .tooLarge
            }
        self.init(cause, operation: operation, path: path, detail: "\(error)")
    }
}
