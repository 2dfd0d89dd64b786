package import MusterModel

/// A number of lines for each level.
package struct LevelCounts: Hashable, Sendable {
    private var counts = SIMD8<UInt64>()

    package init() {}

    package subscript(level: LogLevel) -> Int {
        get { Int(clamping: counts[Int(level.rawValue)]) }
        set { counts[Int(level.rawValue)] = UInt64(clamping: newValue) }
    }

    package var total: Int { LogLevel.allCases.reduce(0) { $0 + self[$1] } }

    package mutating func add(_ level: LogLevel) { counts[Int(level.rawValue)] &+= 1 }

    package static func += (a: inout LevelCounts, b: LevelCounts) { a.counts &+= b.counts }

    /// Bytes: a bit for each level that has lines, then their counts.
    func append(to bytes: inout [UInt8]) {
        bytes.append(LogLevel.allCases.reduce(0) { self[$1] > 0 ? $0 | 1 << $1.rawValue : $0 })
        for level in LogLevel.allCases where self[level] > 0 { bytes.appendVarint(UInt64(self[level])) }
    }

    /// The levels of a block: no more lines than one holds.
    init(reading cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        let present = try cursor.byte("levels")
        for level in LogLevel.allCases where present & 1 << level.rawValue != 0 {
            self[level] = try cursor.count("level count", limit: LogLimits.blockLines)
        }
    }
}
