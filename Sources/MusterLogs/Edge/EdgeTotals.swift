/// What several pipelines did together.
package struct EdgeTotals: Equatable, Sendable {
    package private(set) var redactedLines: UInt64 = 0
    package private(set) var parseFailures: UInt64 = 0
    package private(set) var omittedFields: UInt64 = 0
    private var dropped = [LevelCounts](repeating: LevelCounts(), count: EdgeDropReason.allCases.count)

    package init() {}

    /// Lines that were dropped for a reason, by level.
    package subscript(reason: EdgeDropReason) -> LevelCounts { dropped[Int(reason.rawValue)] }

    package static func += (a: inout EdgeTotals, b: EdgeCounters) {
        a.redactedLines &+= b.redactedLines
        a.parseFailures &+= b.parseFailures
        a.omittedFields &+= b.omittedFields
        for reason in EdgeDropReason.allCases { a.dropped[Int(reason.rawValue)] += b[reason] }
    }
}
