/// What one series is expected to do next, and the code of a value that did something else. A hot path.
///
/// A value is a number of units. The next is expected to be the last, or the last and its last step once more,
/// whichever came closer of late; what is coded is the difference, in a code made for differences of the usual size.
/// Both ends learn from the same coded values, so nothing of this travels.
///
///     in a unit    Golomb code of the difference (zigzag, never 0); 0 announces a finer unit, 4 bits, and then
///                  the difference in it (may be 0), or for `ValueUnit.raw` the 64 bits of the value
///     raw          bit 0: the leading zeros of the difference to the bits before, 6 bits, and what follows its first 1
///                  bit 1: the unit, 4 bits, and the number in it (zigzag)
struct ValueModel: Sendable {
    /// The order of the code for the first number in a unit.
    private static let firstOrder = 16

    private var number: Int64 = 0
    private var step: Int64 = 0
    private(set) var unit: UInt8 = 0
    /// Running bit lengths, in quarters: of steps, and of the changes from step to step.
    private var stepLength: UInt8 = 16
    private var bendLength: UInt8 = 16

    /// Whether the series moves by its last step when nothing is said.
    @inline(__always)
    var isSloped: Bool { expected != number && unit != ValueUnit.raw }

    /// The bits expected next; `last` are those of the last value.
    @inline(__always)
    func expectedBits(last: UInt64) -> UInt64 {
        unit == ValueUnit.raw ? last : ValueUnit.bits(expected, unit)
    }

    /// A sloped series did as expected.
    @inline(__always)
    mutating func moved() { number = expected }

    @inline(__always)
    private var expected: Int64 {
        guard bendLength < stepLength, ValueUnit.isInRange(number &+ step) else { return number }
        return number &+ step
    }

    @inline(__always)
    private var order: Int { Int(min(stepLength, bendLength, 192) >> 2) }

    /// Codes a value that was not expected.
    mutating func append(_ bits: UInt64, expected expectedBits: UInt64, to stream: inout BitWriter) {
        guard unit != ValueUnit.raw else { return appendRaw(bits, before: expectedBits, to: &stream) }
        if let now = ValueUnit.number(bits, unit) {
            stream.appendGolomb(Varint.zigzag(now - expected), order: order)
            moved(to: now)
            return
        }
        let finer = ValueUnit.finer(than: unit, bits)
        stream.appendGolomb(0, order: order)
        stream.append(UInt64(finer), 4)
        refine(to: finer)
        guard let now = finer == ValueUnit.raw ? nil : ValueUnit.number(bits, finer) else {
            stream.append(bits, 64)
            return
        }
        stream.appendGolomb(Varint.zigzag(now - expected), order: order)
        moved(to: now)
    }

    private mutating func appendRaw(_ bits: UInt64, before: UInt64, to stream: inout BitWriter) {
        let coarsest = ValueUnit.coarsest(bits)
        guard coarsest != ValueUnit.raw, let now = ValueUnit.number(bits, coarsest) else {
            stream.append(0, 1)
            let change = bits ^ before
            let zeros = min(change.leadingZeroBitCount, 63)
            stream.append(UInt64(zeros), 6)
            stream.append(change & (1 << UInt64(63 - zeros) &- 1), 63 - zeros)
            return
        }
        stream.append(1, 1)
        stream.append(UInt64(coarsest), 4)
        stream.appendGolomb(Varint.zigzag(now), order: Self.firstOrder)
        begin(coarsest, now)
    }

    /// Reads what `append` wrote; nil when the bits are no value.
    mutating func read(expected expectedBits: UInt64, from stream: inout BitReader) -> UInt64? {
        guard unit != ValueUnit.raw else { return readRaw(before: expectedBits, from: &stream) }
        guard var coded = stream.takeGolomb(order: order) else { return nil }
        if coded == 0 {
            let finer = UInt8(truncatingIfNeeded: stream.take(4))
            guard finer == ValueUnit.raw || finer > unit && finer < ValueUnit.count else { return nil }
            refine(to: finer)
            guard finer != ValueUnit.raw else { return stream.take(64) }
            guard let refined = stream.takeGolomb(order: order) else { return nil }
            coded = refined
        }
        let now = expected &+ Varint.unzigzag(coded)
        guard ValueUnit.isInRange(now) else { return nil }
        moved(to: now)
        return ValueUnit.bits(now, unit)
    }

    private mutating func readRaw(before: UInt64, from stream: inout BitReader) -> UInt64? {
        guard stream.take(1) == 1 else {
            let rest = 63 - Int(stream.take(6))
            return before ^ (1 << UInt64(rest) | stream.take(rest))
        }
        let coarsest = UInt8(truncatingIfNeeded: stream.take(4))
        guard coarsest < ValueUnit.count, let coded = stream.takeGolomb(order: Self.firstOrder) else { return nil }
        let now = Varint.unzigzag(coded)
        guard ValueUnit.isInRange(now) else { return nil }
        begin(coarsest, now)
        return ValueUnit.bits(now, coarsest)
    }

    @inline(__always)
    private mutating func moved(to now: Int64) {
        let newStep = now &- number
        Self.learn(&stepLength, newStep)
        Self.learn(&bendLength, newStep &- step)
        step = newStep
        number = now
    }

    @inline(__always)
    private static func learn(_ length: inout UInt8, _ change: Int64) {
        let bits = 64 - Varint.zigzag(change).leadingZeroBitCount
        length = UInt8(truncatingIfNeeded: Int(length) + (4 * bits - Int(length)) >> 2)
    }

    private mutating func refine(to finer: UInt8) {
        if finer != ValueUnit.raw {
            number = ValueUnit.refined(number, from: unit, to: finer)
            step = ValueUnit.refined(step, from: unit, to: finer)
        }
        unit = finer
    }

    private mutating func begin(_ newUnit: UInt8, _ now: Int64) {
        self = ValueModel()
        unit = newUnit
        number = now
    }
}
