package import ArgumentParser
import Foundation
package import MusterModel

extension CardinalityReport.Subject: ExpressibleByArgument {}

package struct SeriesVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "series", abstract: "How many series there are, whose they are, and what was refused.",
        discussion: """
            Examples:
              muster series
              muster series --by label --limit 30
              muster series --match 'node_cpu_seconds_total{host="web-01"}' --since 10m
            """)
    @Option(help: "Only by metric, label, host or pair (of label and value).") var by: CardinalityReport.Subject?
    @Option(
        help: ArgumentHelp("List the series that a selector finds instead; may be given again.", valueName: "selector"))
    var match: [String] = []
    @Option(help: "How far back --match looks.", transform: parseDuration) var since: Duration = .hours(1)
    @Option(help: "At most so many rows, 10 in each table, 100 with --match when not given.", transform: parseCount)
    var limit: Int?
    @OptionGroup var options: CommonOptions

    package init() {}

    package func validate() throws {
        guard by == nil || match.isEmpty else {
            throw ValidationError("--by counts series and --match lists them; give one of the two")
        }
    }

    package func run() async throws {
        try await reporting {
            let now = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
            try await run(Session(options), now: now)
        }
    }

    package func run(_ session: Session, now: Instant) async throws {
        guard match.isEmpty else { return try await list(session, now: now) }
        let limit = limit ?? 10
        try await session.showMetrics("/api/v1/status/tsdb", query: [("limit", "\(limit)")], Cardinality.self) {
            CardinalityReport($0, limit: limit).lines(by: by, session.terminal)
        }
    }

    private func list(_ session: Session, now: Instant) async throws {
        let limit = limit ?? 100
        let query =
            match.map { ("match[]", $0) }
            + [("start", (now - since).secondsText), ("end", now.secondsText), ("limit", "\(limit)")]
        try await session.showMetrics("/api/v1/series", query: query, [[String: String]].self) { series in
            guard !series.isEmpty else { return ["No series matches in the last \(since.shortText)."] }
            // The API was asked for no more, so whether there are more is not known.
            if series.count >= limit {
                session.remark(
                    "\(HumaneNumber.count(limit)) series are shown; --limit \(limit * 2) shows more, if any.")
            }
            return series.prefix(limit).map { Terminal.sanitized(Labels($0).description) }
        }
    }
}
