package import MusterModel

/// The times of a range query, and where a point of its answer belongs.
package struct QueryWindow: Equatable, Sendable {
    /// Points of one series, as in Prometheus.
    package static let pointsMax: Int64 = 11_000
    /// A sparkline of fewer says little, however narrow the terminal.
    private static let columnsMin = 20
    /// Seconds that people count in; days beyond.
    private static let steps: [Int64] = [
        1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 43_200,
    ]

    package let start: Instant
    package let end: Instant
    package let step: Duration

    /// Without a step it is the shortest round one whose points fit into `columns`.
    package init(range: Duration, end: Instant, step: Duration?, columns: Int) {
        start = end - range
        self.end = end
        self.step = step ?? Self.step(range: range, columns: columns)
    }

    package static func step(range: Duration, columns: Int) -> Duration {
        let gaps = Double(max(columns, columnsMin) - 1)
        let least = Double(range.nanoseconds) / 1e9 / gaps
        if let round = steps.first(where: { Double($0) >= least }) { return .seconds(round) }
        return .hours(24 * Int64((least / 86_400).rounded(.up)))
    }

    /// Points of a series without a gap.
    package static func points(range: Duration, step: Duration) -> Int64 {
        max(0, range.nanoseconds) / max(1, step.nanoseconds) + 1
    }

    package var points: Int { Int(Self.points(range: end - start, step: step)) }

    package var query: [(String, String?)] {
        [("start", start.secondsText), ("end", end.secondsText), ("step", step.shortText)]
    }

    /// A place for each point of the window, nil where the series has none. What lies outside the window is left out.
    package func slots(_ series: [QueryData.Point]) -> [Double?] {
        var slots = [Double?](repeating: nil, count: min(points, Int(Self.pointsMax)))
        let distance = Double(step.nanoseconds) / 1e6
        for point in series {
            guard let milliseconds = point.milliseconds else { continue }
            let index = (Double(milliseconds) - Double(start.milliseconds)) / distance
            guard index > -0.5, index < Double(slots.count) - 0.5 else { continue }
            slots[Int(index.rounded())] = point.value
        }
        return slots
    }

    package var description: String {
        "\(start.description) to \(end.description), a point each \(step.shortText)"
    }
}

extension Instant {
    /// Seconds since 1970 with three digits, as the API takes them.
    package var secondsText: String {
        let (seconds, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1_000)
        let digits = String(rest)
        return (milliseconds < 0 ? "-" : "") + "\(seconds)." + String(repeating: "0", count: 3 - digits.count) + digits
    }
}
