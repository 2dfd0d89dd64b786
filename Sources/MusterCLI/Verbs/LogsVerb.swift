package import ArgumentParser
package import Foundation
import MusterModel
import Synchronization

package struct LogsVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Find log lines, or follow them.",
        discussion: """
            Examples:
              muster logs '{service="web"}' --since 10m --contains error
              muster logs '{host="web-01"}' -f --level warn
              muster logs '{service="web"} | json | status >= 500 | line_format "{{.path}}"' --since 1h
            """)
    @Argument(help: "Which streams: {label=\"value\",…}, {} for all; with stages behind it, LogQL.") var selector:
        String
    @Option(help: "How far back.", transform: parseDuration) var since: Duration = .minutes(10)
    @Option(help: "Only lines with this text.") var contains: String?
    @Option(help: "Only lines without this text.") var exclude: String?
    @Option(name: .customLong("match"), help: "Only lines in which this regular expression (RE2) is found.")
    var expression: String?
    @Option(help: "Only lines of at least this level: trace, debug, info, warn, error or fatal.") var level: String?
    @Option(help: "At most so many lines, the newest.") var limit = 1_000
    @Flag(name: [.short, .long], help: "Go on with new lines until interrupted.") var follow = false
    @OptionGroup var options: CommonOptions

    package init() {}

    struct Entry: Decodable, Sendable {
        var ts: String
        var host: String
        var source: String
        var labels: [String: String]
        var level: String?
        var line: String
    }

    package func run() async throws {
        try await reporting {
            let session = try Session(options)
            let count = Mutex(0)
            let query: [(String, String?)] = [
                ("selector", selector), ("since", since.shortText), ("contains", contains), ("limit", "\(limit)"),
                ("excludes", exclude), ("match", expression), ("level", level),
                ("follow", follow ? "true" : nil),
            ]
            try await session.stream("/v1/logs", query: query) { data in
                count.withLock { $0 += 1 }
                Output.line(session.isJSON ? String(decoding: data, as: UTF8.self) : Self.text(data, session.terminal))
                return true
            }
            if count.withLock({ $0 }) == 0, !session.isJSON, session.terminal.isErrorTerminal {
                Output.error("No line matches in the last \(since.shortText).")
            }
        }
    }

    package static func text(_ data: Data, _ terminal: Terminal) -> String {
        guard let entry = try? JSONDecoder().decode(Entry.self, from: data) else {
            return Terminal.sanitized(String(decoding: data, as: UTF8.self))
        }
        let source = entry.labels["container"] ?? entry.source
        return terminal.paint("\(entry.ts) \(Terminal.sanitized("\(entry.host) \(source)"))", .dim) + " "
            + paint(Terminal.sanitized(entry.line), entry.level, terminal)
    }

    /// What is grave stands out, what is chatter steps back.
    private static func paint(_ line: String, _ level: String?, _ terminal: Terminal) -> String {
        switch level {
        case "error", "fatal": terminal.paint(line, .red)
        case "warn": terminal.paint(line, .yellow)
        case "debug", "trace": terminal.paint(line, .dim)
        default: line
        }
    }
}
