/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), eight bytes at a step over eight tables.
package enum CRC32C {
    /// Continues a checksum over `bytes[range]`. Start with `seed`; 0 gives the standard CRC-32C.
    package static func checksum(_ bytes: [UInt8], in range: Range<Int>, seed: UInt32 = 0) -> UInt32 {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range lies outside the bytes")
        return unsafe bytes.withUnsafeBytes { raw in
            unsafe tables.withUnsafeBufferPointer { tables in
                unsafe update(~seed, UnsafeRawBufferPointer(rebasing: raw[range]), tables)
            }
        }
    }

    package static func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        checksum(bytes, in: 0..<bytes.count, seed: seed)
    }

    private static func update(
        _ start: UInt32, _ bytes: UnsafeRawBufferPointer, _ table: UnsafeBufferPointer<UInt32>
    ) -> UInt32 {
        var crc = start
        var index = 0
        let wide = bytes.count & ~7
        while index < wide {
            let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let low = UInt32(truncatingIfNeeded: word) ^ crc
            let high = UInt32(truncatingIfNeeded: word >> 32)
            let a = unsafe table[1792 + Int(low & 0xFF)] ^ table[1536 + Int(low >> 8 & 0xFF)]
            let b = unsafe table[1280 + Int(low >> 16 & 0xFF)] ^ table[1024 + Int(low >> 24)]
            let c = unsafe table[768 + Int(high & 0xFF)] ^ table[512 + Int(high >> 8 & 0xFF)]
            let d = unsafe table[256 + Int(high >> 16 & 0xFF)] ^ table[Int(high >> 24)]
            crc = a ^ b ^ c ^ d
            index += 8
        }
        while index < bytes.count {
            crc = unsafe crc >> 8 ^ table[Int((crc ^ UInt32(bytes[index])) & 0xFF)]
            index += 1
        }
        return ~crc
    }

    /// Table k at 256 * k: what a byte does to the checksum k + 1 bytes later.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
            tables[byte] = crc
        }
        for index in 256..<(8 * 256) {
            let previous = tables[index - 256]
            tables[index] = previous >> 8 ^ tables[Int(previous & 0xFF)]
        }
        return tables
    }()
}
