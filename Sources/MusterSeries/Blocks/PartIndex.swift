/// A block of a part: whose it is and where.
package struct PartEntry: Equatable, Sendable {
    package var group: GroupID
    package var block: BlockRef

    package init(group: GroupID, block: BlockRef) {
        self.group = group
        self.block = block
    }
}

/// What is in a part: its blocks in the order of the file, which is that of groups and, within a group, of `from`.
///
///     format u8 | entries | for each: group - group before | from (zigzag, to the from before) | to - from | length
///                                     | rows
///
/// Numbers are varints. Offsets are not written: a block begins where the one before ends.
package enum PartIndex {
    static let version: UInt8 = 1
    /// An entry takes at most this.
    package static let maxEntryBytes = 32
    private static let minEntryBytes = 5

    /// Throws `.unwritable` when the entries are out of order or leave gaps.
    package static func encode(_ entries: [PartEntry]) throws(FormatError) -> [UInt8] {
        var bytes: [UInt8] = [version]
        bytes.reserveCapacity(16 + entries.count * 12)
        Varint.append(UInt64(entries.count), to: &bytes)
        var last: PartEntry?
        for entry in entries {
            guard precedes(last, entry) else { throw .unwritable("blocks are out of order or leave gaps") }
            Varint.append(UInt64(entry.group.number - (last?.group.number ?? 0)), to: &bytes)
            Varint.append(Varint.zigzag(entry.block.from &- (last?.block.from ?? 0)), to: &bytes)
            Varint.append(UInt64(bitPattern: entry.block.to &- entry.block.from), to: &bytes)
            Varint.append(UInt64(entry.block.length), to: &bytes)
            Varint.append(UInt64(entry.block.rows), to: &bytes)
            last = entry
        }
        return bytes
    }

    /// True when `next` may stand behind `last` in a part.
    package static func precedes(_ last: PartEntry?, _ next: PartEntry) -> Bool {
        guard next.block.length > 0, next.block.rows > 0, next.block.to >= next.block.from else { return false }
        guard let last else { return true }
        return (last.group, last.block.from) <= (next.group, next.block.from)
            && UInt64(last.block.offset) + UInt64(last.block.length) == UInt64(next.block.offset)
    }

    /// The entries of part `part`, whose blocks fill the file from `start` up to `end`. Throws `.newerFormat` or
    /// `.damaged`.
    package static func decode(
        _ bytes: ArraySlice<UInt8>, part: UInt32, start: UInt32, end: UInt32
    ) throws(FormatError) -> [PartEntry] {
        var reader = ByteReader(bytes)
        guard let found = reader.byte(), found > 0 else { throw .damaged("the directory is empty") }
        guard found <= version else {
            throw .newerFormat(what: "a part's directory", version: UInt64(found), known: UInt64(version))
        }
        guard let count = reader.count(upTo: reader.left / minEntryBytes) else {
            throw .damaged("the directory ends early")
        }
        var entries: [PartEntry] = []
        entries.reserveCapacity(count)
        var group: UInt64 = 0
        var from: Int64 = 0
        var offset = UInt64(start)
        for _ in 0..<count {
            guard let step = reader.word32(), let change = reader.zigzag(), let span = reader.varint(),
                let length = reader.word32(), let rows = reader.count(upTo: BlockCodec.maxRows)
            else { throw .damaged("the directory ends early or has impossible numbers") }
            group += UInt64(step)
            from &+= change
            let block = BlockRef(
                part: part, offset: UInt32(truncatingIfNeeded: offset), length: length, rows: UInt32(rows), from: from,
                to: from &+ Int64(bitPattern: span))
            guard let number = UInt32(exactly: group), offset + UInt64(length) <= UInt64(end) else {
                throw .damaged("a block lies outside of the file")
            }
            let entry = PartEntry(group: GroupID(number: number), block: block)
            guard precedes(entries.last, entry) else { throw .damaged("the blocks are out of order") }
            entries.append(entry)
            offset += UInt64(length)
        }
        guard offset == UInt64(end), reader.isAtEnd else { throw .damaged("the directory does not fit the blocks") }
        return entries
    }
}
