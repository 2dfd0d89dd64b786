package import ArgumentParser
import Foundation
import MusterModel

package struct QueryVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Ask for metrics: one selector, with a comparison if you like.",
        discussion: """
            Examples:
              muster query 'node_load1'
              muster query 'node_filesystem_avail_bytes{mountpoint="/"} < 1e9'
              muster query 'container_memory_rss{service="web"}' --range 5m --step 10s
            """)
    @Argument(help: "A selector such as name{label=\"value\"}, optionally followed by a comparison.") var expression:
        String
    @Option(help: "The last so much time instead of now.", transform: parseDuration) var range: Duration?
    @Option(help: "The distance between the points of --range.", transform: parseDuration) var step: Duration?
    @OptionGroup var options: CommonOptions

    package init() {}

    /// Prometheus's `data`.
    struct Answer: Decodable, Sendable {
        struct Series: Decodable, Sendable {
            var metric: [String: String]
            var value: Point?
            var values: [Point]?
        }
        struct Point: Decodable, Sendable {
            var seconds: Double
            var value: String

            init(from decoder: any Decoder) throws {
                var pair = try decoder.unkeyedContainer()
                seconds = try pair.decode(Double.self)
                value = try pair.decode(String.self)
            }
        }
        var resultType: String
        var result: [Series]
    }

    package func run() async throws {
        try await reporting {
            let session = try Session(options)
            let now = Date().timeIntervalSince1970
            guard let range else {
                return try await session.show("/v1/query", query: [("query", expression)], Answer.self) {
                    instant($0, session.terminal)
                }
            }
            let length = Double(range.nanoseconds) / 1e9
            let step = step ?? .milliseconds(max(1_000, Int64(length * 1_000 / 60)))
            let query = [
                ("query", expression), ("start", "\(now - length)"), ("end", "\(now)"), ("step", step.shortText),
            ]
            try await session.show("/v1/query_range", query: query, Answer.self) { matrix($0, session.terminal) }
        }
    }

    private func instant(_ answer: Answer, _ terminal: Terminal) -> [String] {
        guard !answer.result.isEmpty else { return ["No series matches now."] }
        var table = Table("VALUE", "SERIES")
        for series in answer.result { table.row(.init(series.value?.value ?? "-"), .init(Self.name(series.metric))) }
        return table.lines(terminal)
    }

    private func matrix(_ answer: Answer, _ terminal: Terminal) -> [String] {
        guard !answer.result.isEmpty else { return ["No series matches in this time."] }
        var table = Table("FIRST", "LAST", "MIN", "MAX", "POINTS", "SERIES")
        for series in answer.result {
            let points = series.values ?? []
            let numbers = points.compactMap { Double($0.value) }.filter { !$0.isNaN }
            table.row(
                .init(points.first?.value ?? "-"), .init(points.last?.value ?? "-"),
                .init(numbers.min().map { "\($0)" } ?? "-"), .init(numbers.max().map { "\($0)" } ?? "-"),
                .init("\(points.count)"), .init(Self.name(series.metric)))
        }
        return table.lines(terminal)
    }

    static func name(_ metric: [String: String]) -> String { Labels(metric).description }
}
