/// Searching raw bytes, eight at a time.
enum ByteScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Index of the first `byte` at or after `start`, or nil.
    @inline(__always)
    static func first(_ byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        let wanted = ones &* UInt64(byte)
        var index = start
        let end = bytes.count
        while index &+ 8 <= end {
            let word = unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ wanted
            let hits = (word &- ones) & ~word & highs
            if hits != 0 { return index &+ hits.trailingZeroBitCount >> 3 }
            index &+= 8
        }
        while index < end {
            if unsafe base.load(fromByteOffset: index, as: UInt8.self) == byte { return index }
            index &+= 1
        }
        return nil
    }

    /// Index of the first of two bytes at or after `start`, or nil.
    @inline(__always)
    static func first(_ a: UInt8, or b: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        let wantedA = ones &* UInt64(a)
        let wantedB = ones &* UInt64(b)
        var index = start
        let end = bytes.count
        while index &+ 8 <= end {
            let word = unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let wordA = word ^ wantedA
            let wordB = word ^ wantedB
            let hits = (((wordA &- ones) & ~wordA) | ((wordB &- ones) & ~wordB)) & highs
            if hits != 0 { return index &+ hits.trailingZeroBitCount >> 3 }
            index &+= 8
        }
        while index < end {
            let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
            if byte == a || byte == b { return index }
            index &+= 1
        }
        return nil
    }

    /// Index of the first byte at or after `start` that is not NUL; the count when there is none.
    static func skipNULs(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        while index &+ 8 <= bytes.count, unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) == 0 {
            index &+= 8
        }
        while index < bytes.count, unsafe bytes[index] == 0 { index &+= 1 }
        return index
    }

    /// True when `needle` occurs in `bytes`. An empty needle occurs everywhere.
    static func contains(_ needle: [UInt8], in bytes: UnsafeRawBufferPointer) -> Bool {
        guard let head = needle.first else { return true }
        var start = 0
        while let hit = unsafe first(head, in: bytes, from: start), hit + needle.count <= bytes.count {
            var matched = 1
            while matched < needle.count, unsafe bytes[hit + matched] == needle[matched] { matched += 1 }
            if matched == needle.count { return true }
            start = hit + 1
        }
        return false
    }
}
