import Foundation
import MusterModel

/// The answer of an instant query for people. Values are as the API gives them: here every digit may matter.
package struct InstantTable {
    private let data: QueryData
    private let limit: Int

    /// At most `limit` rows are shown, in the order of the answer.
    package init(_ data: QueryData, limit: Int) {
        self.data = data
        self.limit = limit
    }

    package func lines(_ terminal: Terminal) -> [String] {
        switch data {
        case .scalar(let point), .string(let point): return [Terminal.sanitized(point.text)]
        case .vector(let elements):
            guard !elements.isEmpty else { return ["No series matches now."] }
            var table = Table(.number("VALUE"), "SERIES")
            for element in elements.prefix(limit) {
                table.row(.init(element.value?.text ?? "-"), .init(Labels(element.metric).description))
            }
            return table.lines(terminal) + leftOut(elements.count, "series")
        case .matrix(let series):
            let points = series.flatMap { series in (series.values ?? []).map { (series.metric, $0) } }
            guard !points.isEmpty else { return ["No series matches in this time."] }
            var table = Table("TIME", .number("VALUE"), "SERIES")
            for (metric, point) in points.prefix(limit) {
                table.row(
                    .init(point.milliseconds.map { "\(Instant(milliseconds: $0))" } ?? "\(point.seconds)"),
                    .init(point.text), .init(Labels(metric).description))
            }
            return table.lines(terminal) + leftOut(points.count, "point")
        }
    }

    private func leftOut(_ count: Int, _ noun: String) -> [String] {
        count > limit ? [leftOutText(count - limit, noun, shown: limit)] : []
    }
}
