/// A column as whole numbers: `value * 10^scale`, exact in both directions. One is kept as scratch memory for a block.
struct WholeColumn {
    static let maxScale = 9
    static let powers: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]

    private(set) var scale = 0
    private(set) var numbers: [Int64] = []
    /// Rows whose value is no whole number at this scale; they repeat the number before.
    private(set) var patches: [Int] = []

    /// Finds the smallest scale at which the values are whole, but for one in eight; false when there is none.
    mutating func find(in column: [UInt64]) -> Bool {
        scale = 0
        while true {
            switch fill(from: column) {
            case .done: return true
            case .needs(let larger): scale = larger
            case .fails: return false
            }
        }
    }

    private enum Fill {
        case done
        case needs(scale: Int)
        case fails
    }

    private mutating func fill(from column: [UInt64]) -> Fill {
        numbers.removeAll(keepingCapacity: true)
        patches.removeAll(keepingCapacity: true)
        let power = Self.powers[scale]
        var last: Int64 = 0
        for row in column.indices {
            if let number = Self.number(column[row], power) {
                last = number
            } else {
                if let larger = Self.scale(of: column[row], above: scale) { return .needs(scale: larger) }
                patches.append(row)
                if patches.count > column.count / 8 + 1 || patches.count == column.count { return .fails }
            }
            numbers.append(last)
        }
        // The rows in front of the first number repeat it, which costs nothing.
        if patches.first == 0, let start = column.indices.first(where: { !patches.contains($0) }) {
            for row in 0..<start { numbers[row] = numbers[start] }
        }
        return .done
    }

    @inline(__always)
    private static func number(_ bits: UInt64, _ power: Double) -> Int64? {
        let value = Double(bitPattern: bits)
        let scaled = value * power
        guard scaled.magnitude < 9_007_199_254_740_991 else { return nil }
        // The nearest whole number; where this rounds badly the check finds it.
        let number = Int64(scaled + (scaled < 0 ? -0.5 : 0.5))
        return (Double(number) / power).bitPattern == bits ? number : nil
    }

    private static func scale(of bits: UInt64, above scale: Int) -> Int? {
        var next = scale + 1
        while next <= maxScale {
            if number(bits, powers[next]) != nil { return next }
            next += 1
        }
        return nil
    }

    func appendPatches(of column: [UInt64], to bytes: inout [UInt8]) {
        Varint.append(UInt64(patches.count), to: &bytes)
        var next = 0
        for row in patches {
            Varint.append(UInt64(row - next), to: &bytes)
            bytes.appendFixed(column[row])
            next = row + 1
        }
    }

    /// Appends the numbers, of which there are at least two, in the cheapest way. They are below 2^53, so no
    /// difference overflows.
    func append(to bytes: inout [UInt8]) -> BlockColumn.Kind {
        let first = numbers[0]
        let step = numbers[1] - first
        var deltaCost = 0
        var delta2Cost = 0
        var isLine = true
        var previous = step
        for row in 1..<numbers.count {
            let delta = numbers[row] - numbers[row - 1]
            if delta != step { isLine = false }
            deltaCost += Self.cost(delta)
            delta2Cost += Self.cost(delta - previous)
            previous = delta
        }
        Varint.append(Varint.zigzag(first), to: &bytes)
        if isLine {
            Varint.append(Varint.zigzag(step), to: &bytes)
            return .line
        }
        if delta2Cost + Self.cost(step) < deltaCost {
            Varint.append(Varint.zigzag(step), to: &bytes)
            previous = step
            for row in 2..<numbers.count {
                let delta = numbers[row] - numbers[row - 1]
                Varint.append(Varint.zigzag(delta - previous), to: &bytes)
                previous = delta
            }
            return .delta2
        }
        for row in 1..<numbers.count { Varint.append(Varint.zigzag(numbers[row] - numbers[row - 1]), to: &bytes) }
        return .delta
    }

    /// Bits of the zigzag form: what compresses to least, not what is shortest as bytes.
    @inline(__always)
    private static func cost(_ difference: Int64) -> Int { 64 - Varint.zigzag(difference).leadingZeroBitCount }

    static func decode(
        _ kind: BlockColumn.Kind, isPatched: Bool, _ bytes: Span<UInt8>, _ position: inout Int,
        _ column: inout [UInt64]
    ) -> Bool {
        var patches: [(row: Int, bits: UInt64)] = []
        if isPatched {
            guard let read = readPatches(bytes, &position, rows: column.count) else { return false }
            patches = read
        }
        guard column.count >= 2, position < bytes.count, Int(bytes[position]) <= maxScale else { return false }
        let power = powers[Int(bytes[position])]
        position += 1
        guard let first = Varint.read(bytes, at: &position) else { return false }
        let isDecoded =
            switch kind {
            case .line: decodeLine(from: Varint.unzigzag(first), power, bytes, &position, &column)
            case .delta: decodeDelta(from: Varint.unzigzag(first), power, bytes, &position, &column)
            default: decodeDelta2(from: Varint.unzigzag(first), power, bytes, &position, &column)
            }
        for patch in patches { column[patch.row] = patch.bits }
        return isDecoded
    }

    private static func readPatches(
        _ bytes: Span<UInt8>, _ position: inout Int, rows: Int
    ) -> [(row: Int, bits: UInt64)]? {
        guard let count = Varint.read(bytes, at: &position), count <= UInt64(rows) else { return nil }
        var patches: [(row: Int, bits: UInt64)] = []
        var next = 0
        for _ in 0..<count {
            guard let gap = Varint.read(bytes, at: &position), gap < UInt64(rows - next),
                let bits = BlockColumn.fixed64(bytes, &position)
            else { return nil }
            patches.append((next + Int(gap), bits))
            next += Int(gap) + 1
        }
        return patches
    }

    @inline(__always)
    private static func bits(_ number: Int64, _ power: Double) -> UInt64 { (Double(number) / power).bitPattern }

    private static func decodeLine(
        from first: Int64, _ power: Double, _ bytes: Span<UInt8>, _ position: inout Int, _ column: inout [UInt64]
    ) -> Bool {
        guard let step = Varint.read(bytes, at: &position) else { return false }
        var number = first
        for row in column.indices {
            column[row] = bits(number, power)
            number &+= Varint.unzigzag(step)
        }
        return true
    }

    private static func decodeDelta(
        from first: Int64, _ power: Double, _ bytes: Span<UInt8>, _ position: inout Int, _ column: inout [UInt64]
    ) -> Bool {
        var number = first
        column[0] = bits(number, power)
        for row in 1..<column.count {
            guard let delta = Varint.read(bytes, at: &position) else { return false }
            number &+= Varint.unzigzag(delta)
            column[row] = bits(number, power)
        }
        return true
    }

    private static func decodeDelta2(
        from first: Int64, _ power: Double, _ bytes: Span<UInt8>, _ position: inout Int, _ column: inout [UInt64]
    ) -> Bool {
        var number = first
        var delta: Int64 = 0
        column[0] = bits(number, power)
        for row in 1..<column.count {
            guard let change = Varint.read(bytes, at: &position) else { return false }
            delta &+= Varint.unzigzag(change)
            number &+= delta
            column[row] = bits(number, power)
        }
        return true
    }
}
