package import ArgumentParser
package import Foundation
import Glibc
import MusterModel
import MusterTransport

/// What every verb takes.
package struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Which coordinator, and as whom.", valueName: "file"))
    package var context: String?

    @Flag(help: "Print JSON for programs instead of a table.")
    package var json = false

    package init() {}
}

/// One call of one verb: who is asked, and what the output is.
package struct Session {
    let api: APIClient
    let terminal: Terminal
    let isJSON: Bool

    init(_ options: CommonOptions) throws {
        let environment = ProcessInfo.processInfo.environment
        let context = try Context.load(path: options.context, environment: environment)
        terminal = Terminal.current(environment: environment)
        isJSON = options.json
        api = try APIClient(
            http: try OperatorConnection.client(authority: context.authority), address: context.address,
            token: context.token)
    }

    /// Asks and prints: the answer as it came with `--json`, what `render` makes of it otherwise.
    func show<Answer: Decodable & Sendable>(
        _ path: String, query: [(String, String?)] = [], _ type: Answer.Type = Answer.self,
        render: (Answer) -> [String]
    ) async throws {
        let data = try await ask("GET", path, query: query)
        for line in try Self.lines(of: data, isJSON: isJSON, render) { Output.line(line) }
    }

    /// Sends a request, saying so on the terminal when the answer takes more than a second.
    func ask(
        _ method: String, _ path: String, query: [(String, String?)] = [], body: [UInt8] = [],
        contentType: String = "application/json"
    ) async throws -> Data {
        let api = api
        return try await waiting("the coordinator's answer") {
            try await api.send(method, path, query: query, body: body, contentType: contentType)
        }
    }

    /// What is printed of an answer: itself for programs, `render`'s lines for people.
    package static func lines<Answer: Decodable>(
        of data: Data, isJSON: Bool, _ render: (Answer) -> [String]
    ) throws -> [String] {
        isJSON ? [String(decoding: data, as: UTF8.self)] : render(try APIClient.decode(data))
    }

    /// Runs `work`; after a second a line on standard error says what it waits for, and is wiped when it is done.
    func waiting<Answer: Sendable>(
        _ what: String, _ work: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        guard terminal.isErrorTerminal else { return try await work() }
        return try await announcing(WaitingNotice(what) { Output.errorText($0) }, work)
    }

    /// Hands on the lines of an answer as they come, saying so on the terminal when the first takes more than a second.
    func stream(
        _ path: String, query: [(String, String?)], line: @escaping @Sendable (Data) -> Bool
    ) async throws {
        guard terminal.isErrorTerminal else { return try await api.lines(path, query: query, line: line) }
        let notice = WaitingNotice("the first line") { Output.errorText($0) }
        let api = api
        try await announcing(notice) {
            try await api.lines(path, query: query) { data in
                notice.end()
                return line(data)
            }
        }
    }
}

/// Runs `work`; when it takes longer than `delay` the notice is shown, and wiped at the latest when it is done.
package func announcing<Answer: Sendable>(
    _ notice: WaitingNotice, after delay: Duration = WaitingNotice.delay,
    _ work: @escaping @Sendable () async throws -> Answer
) async throws -> Answer {
    try await withThrowingTaskGroup(of: Answer?.self) { group in
        defer { notice.end() }
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: delay)
            notice.show()
            return nil
        }
        while let result = try await group.next() {
            guard let answer = result else { continue }
            group.cancelAll()
            return answer
        }
        throw CancellationError()
    }
}

/// Turns what a verb throws into one message and an exit code.
package func reporting(_ work: () async throws -> Void) async throws {
    do {
        try await work()
    } catch let error as CLIError {
        Output.error("muster: \(error)")
        throw Ending.error.exitCode
    } catch let error as ExitCode {
        throw error
    } catch {
        Output.error("muster: \(error)")
        throw Ending.error.exitCode
    }
}

/// Durations on the command line: `10s`, `1h30m`.
package func parseDuration(_ text: String) throws -> Duration {
    guard let duration = Duration(shortText: text), duration > .zero else {
        throw ValidationError("\"\(text)\" is no duration; write for example 30s, 10m or 1h30m")
    }
    return duration
}

/// How long ago, for people: `3s`, `4m`, `2h`, `5d`.
package func age(_ from: String, now: Date) -> String {
    let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    guard let date = try? format.parse(from) else { return from }
    let seconds = max(0, Int(now.timeIntervalSince(date)))
    return switch seconds {
    case ..<120: "\(seconds)s"
    case ..<7_200: "\(seconds / 60)m"
    case ..<172_800: "\(seconds / 3_600)h"
    default: "\(seconds / 86_400)d"
    }
}

extension [String: String] {
    /// `a=b,c=d` by name, for a table cell.
    var cell: String { sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
}
