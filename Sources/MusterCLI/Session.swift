package import Foundation

/// One call of one verb: who is asked, and what the output is.
package struct Session: Sendable {
    package let api: APIClient
    let terminal: Terminal
    let isJSON: Bool
    /// Takes a line of the answer.
    let print: @Sendable (String) -> Void
    /// Takes a line about the answer, for people: it never gets between the lines of the answer.
    let remark: @Sendable (String) -> Void

    package init(
        api: APIClient, terminal: Terminal, isJSON: Bool, print: @escaping @Sendable (String) -> Void,
        remark: @escaping @Sendable (String) -> Void
    ) {
        self.api = api
        self.terminal = terminal
        self.isJSON = isJSON
        self.print = print
        self.remark = remark
    }

    init(_ options: CommonOptions) throws {
        let environment = ProcessInfo.processInfo.environment
        let context = try Context.load(path: options.context, environment: environment)
        let api = try APIClient(
            http: try OperatorConnection.client(authority: context.authority), address: context.address,
            token: context.token)
        self.init(
            api: api, terminal: Terminal.current(environment: environment), isJSON: options.json,
            print: { Output.line($0) }, remark: { Output.error($0) })
    }

    /// Asks and prints: the answer as it came with `--json`, what `render` makes of it otherwise.
    func show<Answer: Decodable & Sendable>(
        _ path: String, query: [(String, String?)] = [], _ type: Answer.Type = Answer.self,
        render: (Answer) -> [String]
    ) async throws {
        let data = try await ask("GET", path, query: query)
        for line in try Self.lines(of: data, isJSON: isJSON, render) { print(line) }
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
