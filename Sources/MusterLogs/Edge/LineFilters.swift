package import MusterModel

/// A rule about which lines stay. Of the rules of a list the first that matches decides; a line that none matches
/// stays.
package struct DropRule: Sendable {
    /// What is looked for in a line.
    package enum Condition: Sendable {
        case contains([UInt8])
        case matches(any SearchPattern)
        case always
    }

    package let condition: Condition
    package let levels: LevelSet
    package let keeps: Bool

    package init(_ condition: Condition, levels: LevelSet = .all, keeps: Bool = false) {
        self.condition = condition
        self.levels = levels
        self.keeps = keeps
    }

    package func isMatch(_ line: Span<UInt8>, level: LogLevel) -> Bool {
        guard levels.contains(level) else { return false }
        switch condition {
        case .contains(let literal): return line.contains(literal)
        case .matches(let pattern): return pattern.isFound(in: line)
        case .always: return true
        }
    }

    /// Whether the rules drop the line.
    package static func drops(_ line: Span<UInt8>, level: LogLevel, rules: [DropRule]) -> Bool {
        for rule in rules where rule.isMatch(line, level: level) { return !rule.keeps }
        return false
    }
}

/// Keeps one line of n, chosen by a hash of its bytes: the same line meets the same fate on every host and when a file
/// is
/// read again, so all of equal lines stay or none. Lines of `error` and `fatal` always stay.
package struct LineSampler: Sendable {
    package let keepOneOf: Int
    package let levels: LevelSet

    package init(keepOneOf: Int, levels: some Sequence<LogLevel> = LogLevel.allCases) {
        self.keepOneOf = max(1, keepOneOf)
        self.levels = LevelSet(levels.filter { $0 < .error })
    }

    package func keeps(_ line: Span<UInt8>, level: LogLevel) -> Bool {
        guard levels.contains(level) else { return true }
        // The high half of the product is even over 0 ..< n without a division.
        return Self.hash(line).multipliedFullWidth(by: UInt64(keepOneOf)).high == 0
    }

    /// Multiply and fold over words of eight bytes. Good enough to choose by, not against someone who picks lines.
    static func hash(_ line: Span<UInt8>) -> UInt64 {
        var hash = 0x9e37_79b9_7f4a_7c15 ^ UInt64(line.count)
        var index = 0
        while index &+ 8 <= line.count {
            hash = mixed(hash ^ line.word(at: index))
            index &+= 8
        }
        var tail: UInt64 = 0
        while index < line.count {
            tail = tail &<< 8 | UInt64(line[index])
            index &+= 1
        }
        return mixed(mixed(hash ^ tail) ^ 0xd6e8_feb8_6659_fd93)
    }

    @inline(__always)
    private static func mixed(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        return product.high ^ product.low
    }
}

/// Lets lines and bytes pass at a rate, with a burst: a token bucket, kept as the time at which it will be full again
/// (GCRA, ITU-T I.371). A full bucket lets every line pass, also one larger than the burst.
package struct RateGate: Sendable {
    private struct Bucket: Sendable {
        let perSecond: Int
        /// When the bucket is full, in nanoseconds.
        var full = Int64.min

        func cost(_ amount: Int) -> Int64 {
            let (scaled, overflow) = Int64(amount).multipliedReportingOverflow(by: 1_000_000_000)
            return overflow ? Int64.max / 4 : scaled / Int64(perSecond)
        }

        func hasRoom(_ amount: Int, now: Int64, burst: Int64) -> Bool {
            guard full > now else { return true }
            let (missing, overflow) = (full - now).addingReportingOverflow(cost(amount))
            return !overflow && missing <= burst
        }

        mutating func take(_ amount: Int, now: Int64) {
            let (sum, overflow) = max(full, now).addingReportingOverflow(cost(amount))
            full = overflow ? .max : sum
        }
    }

    private var lines: Bucket?
    private var bytes: Bucket?
    private let burst: Int64
    private var latest = Int64.min
    /// Lines that did not pass, by level.
    package private(set) var dropped = LevelCounts()

    /// Rates of a second, nil for no limit; `burst` is how much of the rate may come at once.
    package init(linesPerSecond: Int?, bytesPerSecond: Int?, burst: Duration) {
        lines = linesPerSecond.map { Bucket(perSecond: max(1, $0)) }
        bytes = bytesPerSecond.map { Bucket(perSecond: max(1, $0)) }
        self.burst = max(0, burst.nanoseconds)
    }

    package mutating func admits(byteCount: Int, level: LogLevel, now: Instant) -> Bool {
        // A clock that steps back stands still here, or the bucket would look emptier than it is. What is before 1970
        // counts as 1970: differences stay within the range.
        latest = max(latest, now.nanoseconds, 0)
        let now = latest
        let hasRoom =
            (lines?.hasRoom(1, now: now, burst: burst) ?? true)
            && (bytes?.hasRoom(byteCount, now: now, burst: burst) ?? true)
        guard hasRoom else {
            dropped.add(level)
            return false
        }
        lines?.take(1, now: now)
        bytes?.take(byteCount, now: now)
        return true
    }
}
