import MusterModel

/// Up to `maxSamples` samples of one series, oldest first, compressed to about one byte for an unchanged value on a
/// regular grid and three for a counter. A hot path.
///
/// Each sample is one control byte and what it announces. Low four bits, the value: 0 as before; 1 whole-number
/// difference (zigzag varint); 2 differing bytes of the XOR with the value before, behind one byte with the number of
/// leading and trailing zero bytes. Bit 4: the timestamp's distance is the one before; else the change of that distance
/// as a zigzag varint stands first. Arithmetic on timestamps wraps, so every Int64 survives.
struct SampleChunk: Sendable {
    static let maxSamples = 120
    private static let sameDistance: UInt8 = 0x10

    private(set) var bytes: [UInt8] = []
    private(set) var count = 0
    private(set) var firstMilliseconds: Int64 = 0
    private(set) var lastMilliseconds: Int64 = 0
    private(set) var lastBits: UInt64 = 0
    private var lastDistance: Int64 = 0

    var isFull: Bool { count >= Self.maxSamples }

    /// Samples come in ascending order; the caller has checked it.
    mutating func append(milliseconds: Int64, bits: UInt64) {
        if count == 0 { firstMilliseconds = milliseconds }
        let distance = milliseconds &- lastMilliseconds
        let change = distance &- lastDistance
        let difference = lastBits == bits ? nil : Self.wholeDifference(lastBits, bits)
        let kind: UInt8 = lastBits == bits ? 0 : difference != nil ? 1 : 2
        bytes.append(change == 0 ? kind | Self.sameDistance : kind)
        if change != 0 { Varint.append(Varint.zigzag(change), to: &bytes) }
        if let difference {
            Varint.append(Varint.zigzag(difference), to: &bytes)
        } else if kind == 2 {
            appendXOR(lastBits ^ bits)
        }
        count += 1
        // The first distance is the timestamp itself and says nothing about the next one.
        lastDistance = count == 1 ? 0 : distance
        lastMilliseconds = milliseconds
        lastBits = bits
    }

    /// The same chunk without spare capacity.
    func sealed() -> SampleChunk {
        var exact: [UInt8] = []
        exact.reserveCapacity(bytes.count)
        exact.append(contentsOf: bytes)
        var copy = self
        copy.bytes = exact
        return copy
    }

    /// Appends the samples from `from` to `to`, both included.
    func read(from: Int64, to: Int64, into samples: inout [Sample]) {
        let bytes = self.bytes.span
        var position = 0
        var milliseconds: Int64 = 0
        var distance: Int64 = 0
        var bits: UInt64 = 0
        for index in 0..<count {
            let control = bytes[position]
            position += 1
            // The bytes are our own: what `append` wrote always reads back.
            if control & Self.sameDistance == 0 {
                distance &+= Varint.unzigzag(Varint.read(bytes, at: &position) ?? 0)
            }
            milliseconds &+= distance
            if index == 0 { distance = 0 }
            switch control & 0x0f {
            case 0: break
            case 1:
                let difference = Varint.unzigzag(Varint.read(bytes, at: &position) ?? 0)
                bits = Double((ExactInteger.value(ofBits: bits) ?? 0) &+ difference).bitPattern
            default:
                let zeros = bytes[position]
                let trailing = Int(zeros & 0x0f)
                let length = 8 - Int(zeros >> 4) - trailing
                var changed: UInt64 = 0
                for offset in 0..<length {
                    changed |= UInt64(bytes[position + 1 + offset]) << UInt64(8 * (trailing + offset))
                }
                bits ^= changed
                position += 1 + length
            }
            if milliseconds > to { return }
            if milliseconds >= from {
                samples.append(Sample(milliseconds: milliseconds, value: Double(bitPattern: bits)))
            }
        }
    }

    /// Nil when one is no whole number, or when the XOR is shorter.
    @inline(__always)
    private static func wholeDifference(_ before: UInt64, _ now: UInt64) -> Int64? {
        guard let a = ExactInteger.value(ofBits: before), let b = ExactInteger.value(ofBits: now) else { return nil }
        return b - a
    }

    /// `changed` is not 0.
    @inline(__always)
    private mutating func appendXOR(_ changed: UInt64) {
        let leading = changed.leadingZeroBitCount / 8
        let trailing = changed.trailingZeroBitCount / 8
        bytes.append(UInt8(leading << 4 | trailing))
        for index in trailing..<(8 - leading) { bytes.append(UInt8(truncatingIfNeeded: changed >> UInt64(8 * index))) }
    }
}
