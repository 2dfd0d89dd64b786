/// The values of one tick, as bitmaps and differences. A hot path: one pass over flat arrays.
enum ValueColumn {
    /// Bytes of a bitmap for `count` bits.
    static func bitmapBytes(_ count: Int) -> Int { (count + 7) / 8 }

    /// Appends changed, raw and values for the present series.
    /// `previous` and `current` hold one bit pattern for each present series, in order.
    static func append(previous: Span<UInt64>, current: Span<UInt64>, to bytes: inout [UInt8]) {
        let count = current.count
        let changedStart = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: bitmapBytes(count)))
        var changed = 0
        for index in 0..<count where previous[index] != current[index] {
            bytes[changedStart + index >> 3] |= 1 << UInt8(index & 7)
            changed += 1
        }
        let rawStart = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: bitmapBytes(changed)))
        var position = 0
        for index in 0..<count where previous[index] != current[index] {
            let bits = current[index]
            if let now = ExactInteger.value(ofBits: bits), let before = ExactInteger.value(ofBits: previous[index]) {
                Varint.append(Varint.zigzag(now - before), to: &bytes)
            } else {
                bytes[rawStart + position >> 3] |= 1 << UInt8(position & 7)
                for shift in stride(from: UInt64(0), to: 64, by: 8) {
                    bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
                }
            }
            position += 1
        }
    }

    /// Reads what `append` wrote: `values` holds the previous bit patterns of the present series and is brought up to
    /// date. On an error it is left half done; the caller gives up the whole dictionary then.
    static func read(
        _ bytes: Span<UInt8>, at position: inout Int, values: inout MutableSpan<UInt64>
    ) throws(MetricFrameError) {
        let changedStart = position
        let changed = try bitmap(bytes, at: &position, count: values.count, name: "the bitmap of changed values")
        let rawStart = position
        _ = try bitmap(bytes, at: &position, count: changed, name: "the bitmap of raw values")
        var ordinal = 0
        for index in 0..<values.count where isSet(bytes, changedStart, index) {
            defer { ordinal += 1 }
            if isSet(bytes, rawStart, ordinal) {
                guard bytes.count - position >= 8 else { throw .truncated("a raw value") }
                var bits: UInt64 = 0
                for offset in 0..<8 { bits |= UInt64(bytes[position + offset]) << UInt64(8 * offset) }
                position += 8
                values[index] = bits
            } else {
                guard let coded = Varint.read(bytes, at: &position) else { throw .truncated("a difference") }
                guard let before = ExactInteger.value(ofBits: values[index]) else {
                    throw .malformed("a difference to a value that is no whole number")
                }
                let (now, overflow) = before.addingReportingOverflow(Varint.unzigzag(coded))
                guard !overflow, ExactInteger.isInRange(now) else {
                    throw .malformed("a difference that leaves the whole numbers a double can hold")
                }
                values[index] = Double(now).bitPattern
            }
        }
    }

    /// Checks a bitmap, moves behind it and counts its bits.
    static func bitmap(
        _ bytes: Span<UInt8>, at position: inout Int, count: Int, name: String
    ) throws(MetricFrameError) -> Int {
        let length = bitmapBytes(count)
        guard bytes.count - position >= length else { throw .truncated(name) }
        var ones = 0
        for offset in 0..<length { ones += bytes[position + offset].nonzeroBitCount }
        if count & 7 != 0, bytes[position + length - 1] >> UInt8(count & 7) != 0 {
            throw .malformed("\(name) has bits behind its end")
        }
        position += length
        return ones
    }

    @inline(__always)
    static func isSet(_ bytes: Span<UInt8>, _ start: Int, _ index: Int) -> Bool {
        bytes[start + index >> 3] & (1 << UInt8(index & 7)) != 0
    }
}
