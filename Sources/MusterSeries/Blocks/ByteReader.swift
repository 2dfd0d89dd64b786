/// Reads the formats of this folder from bytes that may be anything. Every call checks the end; none of them traps.
struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private(set) var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = 0
    }

    var left: Int { bytes.count - position }
    var isAtEnd: Bool { position == bytes.count }
    /// What has not been read.
    var rest: ArraySlice<UInt8> { bytes.dropFirst(position) }

    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        position += 1
        return bytes[bytes.startIndex + position - 1]
    }

    @inline(__always)
    mutating func varint() -> UInt64? {
        var next = position
        let value = Varint.read(bytes.span, at: &next)
        position = next
        return value
    }

    mutating func zigzag() -> Int64? { varint().map(Varint.unzigzag) }

    /// A number that is at most `limit`.
    @inline(__always)
    mutating func count(upTo limit: Int) -> Int? {
        guard let value = varint(), value <= UInt64(clamping: limit) else { return nil }
        return Int(value)
    }

    mutating func word32() -> UInt32? { (varint()).flatMap(UInt32.init(exactly:)) }

    /// Eight bytes, little-endian.
    mutating func fixed64() -> UInt64? {
        guard left >= 8 else { return nil }
        var word: UInt64 = 0
        for index in 0..<8 { word |= UInt64(bytes[bytes.startIndex + position + index]) << UInt64(8 * index) }
        position += 8
        return word
    }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= left else { return nil }
        let start = bytes.startIndex + position
        position += count
        return bytes[start..<(start + count)]
    }
}

extension [UInt8] {
    mutating func appendFixed(_ word: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}
