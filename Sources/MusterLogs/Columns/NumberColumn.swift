/// Whole numbers side by side, as planes of bytes: all lowest bytes, then all second bytes, and so on, of the distance
/// to a base. Neighbours in a plane are alike, which is what deflate likes.
///
/// Bytes: shape (low four bits: bytes of a distance, 0 to 8; bit 4: the distances are between neighbours), then as
/// zigzag varints the base (the smallest number; or the first number and the smallest step), then the planes. Nothing
/// for no numbers.
enum NumberColumn {
    private static let stepsFlag: UInt8 = 0x10

    static func append(_ values: [Int64], to out: inout [UInt8]) {
        guard let first = values.first else { return }
        var (low, high) = (first, first)
        var (lowStep, highStep) = (Int64.max, Int64.min)
        var previous = first
        for value in values.dropFirst() {
            low = min(low, value)
            high = max(high, value)
            let step = value &- previous
            lowStep = min(lowStep, step)
            highStep = max(highStep, step)
            previous = value
        }
        let width = byteWidth(UInt64(bitPattern: high &- low))
        let stepWidth = values.count > 1 ? byteWidth(UInt64(bitPattern: highStep &- lowStep)) : 8
        // Times that grow by about the same have small steps; numbers without an order have steps as wide as they are.
        // A span that does not fit is one that wrapped around: its width is 8, and wrapping distances are exact.
        if stepWidth < width || stepWidth == width && width > 0 && areStepsSmaller(values, low: low, lowStep: lowStep) {
            out.append(UInt8(stepWidth) | stepsFlag)
            out.appendZigzag(first)
            out.appendZigzag(lowStep)
            appendPlanes(count: values.count - 1, width: stepWidth, to: &out) { index in
                UInt64(bitPattern: values[index &+ 1] &- values[index] &- lowStep)
            }
        } else {
            out.append(UInt8(width))
            out.appendZigzag(low)
            appendPlanes(count: values.count, width: width, to: &out) { index in
                UInt64(bitPattern: values[index] &- low)
            }
        }
    }

    private static func areStepsSmaller(_ values: [Int64], low: Int64, lowStep: Int64) -> Bool {
        var (plain, steps): (UInt64, UInt64) = (0, 0)
        for index in 1..<values.count {
            plain &+= UInt64(bitPattern: values[index] &- low) >> 2
            steps &+= UInt64(bitPattern: values[index] &- values[index &- 1] &- lowStep)
        }
        return steps < plain
    }

    private static func byteWidth(_ span: UInt64) -> Int { (64 - span.leadingZeroBitCount + 7) / 8 }

    @inline(__always)
    private static func appendPlanes(
        count: Int, width: Int, to out: inout [UInt8], _ distance: (Int) -> UInt64
    ) {
        for plane in 0..<width {
            let shift = UInt64(8 &* plane)
            for index in 0..<count { out.append(UInt8(truncatingIfNeeded: distance(index) >> shift)) }
        }
    }

    static func read(_ cursor: inout ByteCursor, count: Int) throws(ByteCursor.Malformed) -> [Int64] {
        guard count > 0 else { return [] }
        let shape = try cursor.byte("number column")
        let width = Int(shape & 0x0f)
        guard shape & 0xe0 == 0, width <= 8 else { throw ByteCursor.Malformed(what: "number column") }
        let base = try cursor.zigzag("number base")
        guard shape & stepsFlag != 0 else {
            return try readPlanes(&cursor, count: count, width: width).map { base &+ $0 }
        }
        let lowStep = try cursor.zigzag("smallest step")
        var value = base
        var values = [base]
        values.reserveCapacity(count)
        for distance in try readPlanes(&cursor, count: count - 1, width: width) {
            value = value &+ lowStep &+ distance
            values.append(value)
        }
        return values
    }

    private static func readPlanes(
        _ cursor: inout ByteCursor, count: Int, width: Int
    ) throws(ByteCursor.Malformed) -> [Int64] {
        var values = [Int64](repeating: 0, count: count)
        for plane in 0..<width {
            let shift = Int64(8 &* plane)
            let bytes = try cursor.slice(count, "number plane")
            var at = bytes.startIndex
            for index in 0..<count {
                values[index] |= Int64(bytes[at]) << shift
                at &+= 1
            }
        }
        return values
    }
}
