import Foundation
import MusterModel

/// What Prometheus's routes answer: the data, and what people should know about it.
package struct PrometheusAnswer<Content: Decodable & Sendable>: Decodable, Sendable {
    package var data: Content
    package var warnings: [String]?
    package var infos: [String]?

    /// A line for each warning and note, safe to print.
    package var remarks: [String] {
        (warnings ?? []).map { Terminal.sanitized("warning: \($0)") }
            + (infos ?? []).map { Terminal.sanitized("note: \($0)") }
    }
}

/// How Prometheus's routes refuse. The text keeps its lines: an excerpt with a mark below the place that is wrong.
struct PrometheusRefusal: Decodable {
    var errorType: String
    private var text: String

    private enum CodingKeys: String, CodingKey {
        case errorType
        case text = "error"
    }

    var error: CLIError {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { Terminal.sanitized(String($0)) }
        return CLIError(lines.joined(separator: "\n"), hint: hint)
    }

    private var hint: String {
        switch errorType {
        case "timeout", "canceled": "a shorter time, a longer step, or a selector that finds fewer series"
        case "unavailable": "ask again in a moment"
        default: ""
        }
    }
}

extension Session {
    /// Asks one of Prometheus's routes and prints: the answer as it came with `--json`, what `render` makes of its data
    /// otherwise, with its warnings as remarks.
    func showMetrics<Content: Decodable & Sendable>(
        _ path: String, query: [(String, String?)], _ type: Content.Type, render: (Content) -> [String]
    ) async throws {
        let body = try await ask("GET", path, query: query)
        guard !isJSON else { return print(String(decoding: body, as: UTF8.self)) }
        let answer: PrometheusAnswer<Content> = try APIClient.decode(body)
        for line in answer.remarks { remark(line) }
        for line in render(answer.data) { print(line) }
    }
}
