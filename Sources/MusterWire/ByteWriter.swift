/// Writes what `ByteReader` reads.
package struct ByteWriter {
    package private(set) var bytes: [UInt8]

    package init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    package mutating func reserve(_ count: Int) { bytes.reserveCapacity(bytes.count + count) }

    package mutating func byte(_ value: UInt8) { bytes.append(value) }

    /// Little endian.
    package mutating func fixed<Number: FixedWidthInteger & UnsignedInteger>(_ value: Number) {
        for index in 0..<(Number.bitWidth / 8) { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }

    package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Zigzag.
    package mutating func signedVarint(_ value: Int64) {
        varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    package mutating func raw(_ more: some Collection<UInt8>) { bytes.append(contentsOf: more) }

    /// A varint length and the text. What is longer than `maxBytes` is cut at a character.
    package mutating func string(_ text: String, maxBytes: Int) {
        let cut = text.cut(toBytes: maxBytes)
        varint(UInt64(cut.utf8.count))
        raw(cut.utf8)
    }

    /// Writes over four bytes that are already there.
    mutating func patch(_ value: UInt32, at start: Int) {
        for index in 0..<4 where bytes.indices.contains(start + index) {
            bytes[start + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index)))
        }
    }

    mutating func removeAll(from start: Int) { bytes.removeSubrange(min(start, bytes.count)...) }
}

extension String {
    /// The longest beginning of whole characters that fits `limit` bytes of UTF-8.
    func cut(toBytes limit: Int) -> Substring {
        guard utf8.count > limit else { return self[...] }
        var size = 0
        var end = startIndex
        while end < endIndex {
            size += self[end].utf8.count
            guard size <= limit else { break }
            end = index(after: end)
        }
        return self[..<end]
    }
}
