package import ArgumentParser
import Foundation
package import MusterModel

package struct QueryVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Ask for metrics in PromQL: now, or their course as sparklines.",
        discussion: """
            Examples:
              muster query 'node_load1'
              muster query 'node_filesystem_avail_bytes{mountpoint="/"} < 1e9'
              muster query 'rate(container_cpu_usage_seconds_total{service="web"}[1m])' --range 5m
              muster query 'node_load1' --range 1h --end 2026-03-01T12:00:00Z --shared-scale
            """)
    @Argument(help: "An expression in PromQL.") var expression: String
    @Option(help: "The course over the last so much time instead of the values now.", transform: parseDuration)
    var range: Duration?
    @Option(
        help: "The distance between the points of --range; what fits the terminal's width when not given.",
        transform: parseDuration)
    var step: Duration?
    @Option(
        help: ArgumentHelp("The time to ask about, or where --range ends; now when not given.", valueName: "time"),
        transform: parseTime)
    var end: Instant?
    @Flag(help: "Draw all rows of --range to one scale, so that they can be compared.") var sharedScale = false
    @Option(help: "At most so many rows.", transform: parseCount) var limit: Int = 50
    @OptionGroup var options: CommonOptions

    package init() {}

    package func validate() throws {
        guard let range else {
            guard step == nil, !sharedScale else {
                throw ValidationError("--step and --shared-scale are for --range; add for example --range 5m")
            }
            return
        }
        guard let step else { return }
        let points = QueryWindow.points(range: range, step: step)
        guard points <= QueryWindow.pointsMax else {
            throw ValidationError(
                "--range \(range.shortText) in steps of \(step.shortText) is \(points) points for each series, at most "
                    + "\(QueryWindow.pointsMax) can be asked for; take a longer --step or a shorter --range")
        }
    }

    package func run() async throws {
        try await reporting {
            let now = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
            try await run(Session(options), now: now)
        }
    }

    package func run(_ session: Session, now: Instant) async throws {
        guard let range else {
            let query = [("query", expression), ("time", end?.secondsText)]
            return try await session.showMetrics("/api/v1/query", query: query, QueryData.self) { data in
                InstantTable(data, limit: limit).lines(session.terminal)
            }
        }
        let terminal = session.terminal
        let columns = terminal.isOutputTerminal ? terminal.width : RangeTable.columnsOnPaper
        let window = QueryWindow(range: range, end: end ?? now, step: step, columns: columns)
        let query = [("query", expression)] + window.query
        try await session.showMetrics("/api/v1/query_range", query: query, QueryData.self) { data in
            guard case .matrix(let series) = data else { return InstantTable(data, limit: limit).lines(terminal) }
            return RangeTable(series, window, limit: limit, isScaleShared: sharedScale).lines(terminal)
        }
    }
}
