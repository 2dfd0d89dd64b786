/// The secret of all hash tables of a store, drawn by the wiring. Who does not know it cannot choose labels that
/// collide.
package struct HashSeed: Sendable {
    package let first: UInt64
    package let second: UInt64

    package init(_ first: UInt64, _ second: UInt64) {
        self.first = first
        self.second = second
    }
}

/// 128 bits that stand for a string of bytes. Two different strings have the same with a chance of 2^-128.
package struct Fingerprint: Hashable, BitwiseCopyable, Sendable {
    package let low: UInt64
    package let high: UInt64

    package init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

/// SipHash-1-3 (Aumasson and Bernstein, 2012; the 128-bit form of the reference code): a keyed hash whose outputs
/// cannot be foreseen without the key. A hot path.
package struct KeyedHash {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    @inline(__always)
    private init(_ seed: HashSeed) {
        v0 = seed.first ^ 0x736f_6d65_7073_6575
        v1 = seed.second ^ 0x646f_7261_6e64_6f6d
        v2 = seed.first ^ 0x6c79_6765_6e65_7261
        v3 = seed.second ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    private mutating func round() {
        v0 = v0 &+ v1
        v1 = (v1 << 13 | v1 >> 51) ^ v0
        v0 = v0 << 32 | v0 >> 32
        v2 = v2 &+ v3
        v3 = (v3 << 16 | v3 >> 48) ^ v2
        v0 = v0 &+ v3
        v3 = (v3 << 21 | v3 >> 43) ^ v0
        v2 = v2 &+ v1
        v1 = (v1 << 17 | v1 >> 47) ^ v2
        v2 = v2 << 32 | v2 >> 32
    }

    @inline(__always)
    private mutating func compress(_ word: UInt64) {
        v3 ^= word
        round()
        v0 ^= word
    }

    @inline(__always)
    private mutating func finish(_ mark: UInt64) -> UInt64 {
        v2 ^= mark
        for _ in 0..<3 { round() }
        return v0 ^ v1 ^ v2 ^ v3
    }

    /// The last word of the message holds its length, as the paper says.
    @inline(__always)
    private mutating func absorb(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { raw in
            let whole = raw.count & ~7
            var position = 0
            while position < whole {
                unsafe compress(UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
                position += 8
            }
            var last = UInt64(truncatingIfNeeded: raw.count) << 56
            var shift: UInt64 = 0
            while position < raw.count {
                unsafe last |= UInt64(raw[position]) << shift
                shift += 8
                position += 1
            }
            compress(last)
        }
    }

    package static func hash(_ bytes: Span<UInt8>, seed: HashSeed) -> UInt64 {
        var state = KeyedHash(seed)
        state.absorb(bytes)
        return state.finish(0xff)
    }

    package static func fingerprint(_ bytes: Span<UInt8>, seed: HashSeed) -> Fingerprint {
        var state = KeyedHash(seed)
        state.v1 ^= 0xee
        state.absorb(bytes)
        let low = state.finish(0xee)
        state.v1 ^= 0xdd
        for _ in 0..<3 { state.round() }
        return Fingerprint(low: low, high: state.v0 ^ state.v1 ^ state.v2 ^ state.v3)
    }

    /// Of the eight little-endian bytes of the number.
    @inline(__always)
    package static func hash(_ number: UInt64, seed: HashSeed) -> UInt64 {
        var state = KeyedHash(seed)
        state.compress(number)
        state.compress(8 << 56)
        return state.finish(0xff)
    }

    /// Of a list of numbers, two to a word.
    package static func hash(_ numbers: Span<UInt32>, seed: HashSeed) -> UInt64 {
        var state = KeyedHash(seed)
        var index = 0
        while index + 1 < numbers.count {
            state.compress(UInt64(numbers[index]) | UInt64(numbers[index + 1]) << 32)
            index += 2
        }
        let last = index < numbers.count ? UInt64(numbers[index]) : 0
        state.compress(last | UInt64(truncatingIfNeeded: numbers.count) << 56)
        return state.finish(0xff)
    }
}

/// Whether two strings of bytes are the same.
@inline(__always)
func isEqual(_ a: Span<UInt8>, _ b: Span<UInt8>) -> Bool {
    guard a.count == b.count else { return false }
    return unsafe a.withUnsafeBytes { left in
        unsafe b.withUnsafeBytes { right in
            var position = 0
            while position + 8 <= left.count {
                guard
                    unsafe left.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                        == right.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                else { return false }
                position += 8
            }
            while position < left.count {
                guard unsafe left[position] == right[position] else { return false }
                position += 1
            }
            return true
        }
    }
}
