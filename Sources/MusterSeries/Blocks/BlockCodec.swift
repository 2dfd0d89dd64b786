package import MusterModel

/// What a block says about itself in front of its body.
package struct BlockHead: Equatable, Sendable {
    package var group: GroupID
    package var rows: Int
    /// Milliseconds of the first and the last row.
    package var from: Int64
    package var to: Int64
}

/// A block whose columns can be decoded one by one.
package struct InflatedBlock: Sendable {
    package let head: BlockHead
    let body: ArraySlice<UInt8>

    package var byteCount: Int { body.count }
}

/// Sealed rows of one group as bytes and back.
///
///     magic u8 | version u8 | group | rows | from | to - from | packed body
///     body: times, masks, one head for each slot in use (length << 4 | kind), the columns
///
/// Numbers are varints. There is no checksum: whoever puts a block on a disk adds one and checks it before these bytes
/// are looked at. Bytes that are wrong all the same end in an error or in other values, never in a trap or in more
/// memory than `maxRows` rows take.
package enum BlockCodec {
    package static let maxRows = 1_024
    static let magic: UInt8 = 0xB7
    static let version: UInt8 = 1
    /// A column with all its escapes takes less than this for each value, the head included.
    private static let maxBodyBytes = maxRows * (16 + 64 * 20)

    /// Throws `.unwritable` only. `level` is the compressor's; higher ones save a few percent for twice the time.
    package static func encode(
        _ rows: BlockRows, group: GroupID, compressor: some Compressor, level: Int = 1
    ) throws(FormatError) -> [UInt8] {
        guard let from = rows.times.first, let to = rows.times.last else { throw .unwritable("there is no row") }
        guard rows.rowCount <= maxRows else {
            throw .unwritable("\(rows.rowCount) rows; a block holds at most \(maxRows)")
        }
        guard rows.isValid else { throw .unwritable("times, masks and values do not fit together") }
        var bytes: [UInt8] = [magic, version]
        Varint.append(UInt64(group.number), to: &bytes)
        Varint.append(UInt64(rows.rowCount), to: &bytes)
        Varint.append(Varint.zigzag(from), to: &bytes)
        Varint.append(UInt64(bitPattern: to &- from), to: &bytes)
        PackedBody.append(body(of: rows), to: &bytes, compressor: compressor, level: level)
        return bytes
    }

    private static func body(of rows: BlockRows) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(64 + rows.values.count)
        RowColumns.appendTimes(rows.times, to: &body)
        RowColumns.appendMasks(rows.masks, to: &body)
        let layout = RowLayout(masks: rows.masks)
        var column: [UInt64] = []
        column.reserveCapacity(rows.rowCount)
        var whole = WholeColumn()
        var columns: [UInt8] = []
        columns.reserveCapacity(rows.values.count)
        for slot in SlotBits(rows.slotsInUse) {
            layout.gather(slot, from: rows.values, into: &column)
            let start = columns.count
            let kind = BlockColumn.encode(column, whole: &whole, to: &columns)
            Varint.append(UInt64(columns.count - start) << BlockColumn.headBits | UInt64(kind), to: &body)
        }
        return body + columns
    }

    /// The head alone, without inflating anything.
    package static func head(_ bytes: ArraySlice<UInt8>) throws(FormatError) -> BlockHead {
        var reader = ByteReader(bytes)
        return try head(&reader)
    }

    private static func head(_ reader: inout ByteReader) throws(FormatError) -> BlockHead {
        guard reader.byte() == magic, let found = reader.byte() else { throw .damaged("it does not begin like one") }
        guard found <= version else {
            throw .newerFormat(what: "a block", version: UInt64(found), known: UInt64(version))
        }
        guard found > 0, let group = reader.word32(), let rows = reader.count(upTo: maxRows), rows > 0,
            let from = reader.zigzag(), let span = reader.varint()
        else { throw .damaged("the head ends early or has impossible numbers") }
        let to = from &+ Int64(bitPattern: span)
        guard to >= from, rows > 1 || span == 0 else { throw .damaged("it ends before it begins") }
        return BlockHead(group: GroupID(number: group), rows: rows, from: from, to: to)
    }

    /// The values of the given slots; rows that have none of them are left out. Throws `.newerFormat` or `.damaged`.
    package static func decode(
        _ bytes: ArraySlice<UInt8>, slots: UInt64 = .max, compressor: some Compressor
    ) throws(FormatError) -> BlockRows {
        try decode(try inflated(bytes, compressor: compressor), slots: slots)
    }

    /// The first half of decoding, which is the same for all slots. Throws `.newerFormat` or `.damaged`.
    package static func inflated(
        _ bytes: ArraySlice<UInt8>, compressor: some Compressor
    ) throws(FormatError) -> InflatedBlock {
        var reader = ByteReader(bytes)
        let head = try head(&reader)
        return InflatedBlock(
            head: head, body: try PackedBody.read(&reader, maxBytes: maxBodyBytes, compressor: compressor))
    }

    /// The second half: the values of the given slots. Throws `.damaged`.
    package static func decode(_ block: InflatedBlock, slots: UInt64) throws(FormatError) -> BlockRows {
        var reader = ByteReader(block.body)
        return try decodeBody(&reader, block.head, slots)
    }

    private static func decodeBody(
        _ reader: inout ByteReader, _ head: BlockHead, _ slots: UInt64
    ) throws(FormatError) -> BlockRows {
        guard let times = RowColumns.readTimes(&reader, head: head) else { throw .damaged("the times are wrong") }
        guard let masks = RowColumns.readMasks(&reader, rows: head.rows) else { throw .damaged("the masks are wrong") }
        let inUse = masks.reduce(0, |)
        var rows = BlockRows()
        if inUse & ~slots == 0 {
            rows.times = times
            rows.masks = masks
        } else {
            for row in times.indices where masks[row] & slots != 0 {
                rows.times.append(times[row])
                rows.masks.append(masks[row] & slots)
            }
        }
        try decodeColumns(reader, inUse: inUse, into: &rows)
        return rows
    }

    private static func decodeColumns(
        _ start: ByteReader, inUse: UInt64, into rows: inout BlockRows
    ) throws(FormatError) {
        var reader = start
        var heads: [(kind: UInt8, length: Int)] = []
        heads.reserveCapacity(inUse.nonzeroBitCount)
        for _ in 0..<inUse.nonzeroBitCount {
            guard let head = reader.varint(), head >> BlockColumn.headBits <= UInt64(reader.left) else {
                throw .damaged("a column has no head or lies outside")
            }
            heads.append((UInt8(truncatingIfNeeded: head & 15), Int(head >> BlockColumn.headBits)))
        }
        let layout = RowLayout(masks: rows.masks)
        let wanted = rows.slotsInUse
        var column: [UInt64] = []
        rows.values = [UInt64](repeating: 0, count: layout.count)
        let bytes = reader.rest
        var position = 0
        for (slot, head) in zip(SlotBits(inUse), heads) {
            guard head.length <= bytes.count - position else { throw .damaged("a column lies outside") }
            let range = position..<(position + head.length)
            position = range.upperBound
            guard wanted & slot != 0 else { continue }
            let count = layout.rows(of: slot)
            if column.count != count { column = [UInt64](repeating: 0, count: count) }
            guard BlockColumn.decode(head.kind, bytes.span, in: range, into: &column) else {
                throw .damaged("the column of slot \(slot.trailingZeroBitCount) is wrong")
            }
            layout.scatter(slot, column, into: &rows.values)
        }
        guard position == bytes.count else { throw .damaged("bytes follow the last column") }
    }
}

/// The bits of a mask one by one, the lowest first.
struct SlotBits: Sequence, IteratorProtocol {
    private var left: UInt64

    init(_ mask: UInt64) { left = mask }

    mutating func next() -> UInt64? {
        guard left != 0 else { return nil }
        let bit = left & (0 &- left)
        left &= left &- 1
        return bit
    }
}
