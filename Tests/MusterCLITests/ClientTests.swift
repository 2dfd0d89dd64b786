import ArgumentParser
import Foundation
import MusterCLI
import MusterModel
import Synchronization
import Testing

/// An HTTP client that answers from a script and remembers what it was asked.
final class ScriptedHTTP: HTTPClient {
    private let answers: Mutex<[Result<HTTPResponse, HTTPFailure>]>
    private let asked = Mutex<[(request: HTTPRequest, endpoint: HTTPEndpoint)]>([])
    private let chunkBytes: Int

    /// Streamed bodies come in pieces of `chunkBytes`.
    init(_ answers: Result<HTTPResponse, HTTPFailure>..., chunkBytes: Int = 7) {
        self.answers = Mutex(answers)
        self.chunkBytes = chunkBytes
    }

    var requests: [HTTPRequest] { asked.withLock { $0.map(\.request) } }
    var endpoints: [HTTPEndpoint] { asked.withLock { $0.map(\.endpoint) } }

    private func next(_ request: HTTPRequest, _ endpoint: HTTPEndpoint) throws(HTTPFailure) -> HTTPResponse {
        asked.withLock { $0.append((request, endpoint)) }
        return try answers.withLock { $0.isEmpty ? .failure(.closed("the script is over")) : $0.removeFirst() }.get()
    }

    func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse {
        try next(request, endpoint)
    }

    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) {
        let response = try next(request, endpoint)
        head(HTTPResponse(status: response.status, headers: response.headers))
        var rest = response.body[...]
        while !rest.isEmpty {
            guard chunk(Array(rest.prefix(chunkBytes))) else { return }
            rest = rest.dropFirst(chunkBytes)
        }
    }
}

extension Result where Success == HTTPResponse, Failure == HTTPFailure {
    static func answer(_ text: String, status: Int = 200) -> Self {
        .success(HTTPResponse(status: status, body: Array(text.utf8)))
    }
}

/// What the coordinator says, in its own words.
struct APIClientTests {
    private func client(_ http: ScriptedHTTP) throws -> APIClient {
        try APIClient(http: http, address: "127.0.0.1:7444", token: "secret")
    }

    private func error(_ work: () async throws -> Void) async throws -> CLIError {
        try await #require(throws: CLIError.self) { try await work() }
    }

    @Test
    func itAsksWithItsTokenAndEncodesWhatPeopleTyped() async throws {
        let http = ScriptedHTTP(.answer("{}"), .answer("{}"))
        let client = try client(http)
        _ = try await client.send("GET", "/api/v1/query", query: [("query", "up{job=\"a b\"} > 1&x"), ("time", nil)])
        _ = try await client.send("POST", "/v1/rollouts", body: [1, 2], contentType: "application/yaml")
        let (get, post) = (http.requests[0], http.requests[1])
        #expect(get.target == "/api/v1/query?query=up%7Bjob%3D%22a%20b%22%7D%20%3E%201%26x")
        #expect(get.headers.contains(HTTPHeader("authorization", "Bearer secret")))
        #expect(!get.headers.contains { $0.name == "content-type" })
        #expect(post.target == "/v1/rollouts" && post.body == [1, 2])
        #expect(post.headers.contains(HTTPHeader("content-type", "application/yaml")))
        #expect(http.endpoints[0] == .tcp(host: "127.0.0.1", port: 7444))
    }

    @Test(
        arguments: [
            ("[::1]:7444", HTTPEndpoint.tcp(host: "::1", port: 7444)), ("muster:1", .tcp(host: "muster", port: 1)),
        ])
    func anAddressIsHostAndPort(_ address: String, _ endpoint: HTTPEndpoint) async throws {
        let http = ScriptedHTTP(.answer("{}"))
        _ = try await APIClient(http: http, address: address, token: "").send("GET", "/")
        #expect(http.endpoints == [endpoint])
    }

    @Test(arguments: ["", "muster", "muster:", "muster:0", "muster:65536", "muster:x", ":7444"])
    func whatIsNoAddressIsRefusedWithAnExample(_ address: String) throws {
        let error = try #require(throws: CLIError.self) {
            _ = try APIClient(http: ScriptedHTTP(), address: address, token: "")
        }
        #expect(error.message.contains("\"\(address)\" is not host:port"))
        #expect(error.hint == "127.0.0.1:7444")
    }

    @Test
    func aRefusalIsShownInTheCoordinatorsWords() async throws {
        let refusal = #"{"error":{"code":"forbidden","message":"this needs admin","hint":"ask an admin"}}"#
        let http = ScriptedHTTP(.answer(refusal, status: 403), .answer("<html>", status: 502))
        let client = try client(http)
        let first = try await error { _ = try await client.send("GET", "/v1/tokens") }
        #expect(first == CLIError("this needs admin", hint: "ask an admin"))
        #expect("\(first)" == "this needs admin\nTry: ask an admin")
        let second = try await error { _ = try await client.send("GET", "/v1/tokens") }
        #expect("\(second)" == "the coordinator refused with HTTP status 502")
    }

    @Test(
        arguments: [
            (HTTPFailure.unreachable("connection refused"), "make up"), (.timedOut(after: .seconds(30)), "make up"),
            (.untrusted("wrong authority"), "context.json"), (.malformed("no HTTP"), "log"), (.closed("early"), "log"),
        ])
    func whoeverCannotBeAskedIsNamedWithTheWayOut(_ failure: HTTPFailure, _ hint: String) async throws {
        let client = try client(ScriptedHTTP(.failure(failure), .failure(failure)))
        for isStreaming in [false, true] {
            let error = try await error {
                if isStreaming {
                    try await client.lines("/v1/logs", query: []) { _ in true }
                } else {
                    _ = try await client.send("GET", "/v1/hosts")
                }
            }
            #expect(error.message.hasPrefix("the coordinator at 127.0.0.1:7444 cannot be asked: \(failure)"))
            #expect(error.hint.contains(hint))
        }
    }

    @Test(arguments: ["", "null", "{\"id\":1}", "[{}]", "{\"id\":\"x\""])
    func anAnswerThatIsNotUnderstoodSaysWhatToDo(_ text: String) async throws {
        struct Answer: Decodable {
            var id: String
        }
        let client = try client(ScriptedHTTP(.answer(text)))
        let error = try await error { let _: Answer = try await client.get("/v1/x") }
        #expect(error.message.contains("not what this version expects"))
        #expect(error.hint.contains("muster status"))
    }

    private func lines(_ http: ScriptedHTTP, until isEnough: @escaping @Sendable (String) -> Bool = { _ in false })
        async throws -> [String]
    {
        let heard = Mutex<[String]>([])
        try await client(http).lines("/v1/logs", query: [("follow", "true")]) { data in
            let text = String(decoding: data, as: UTF8.self)
            heard.withLock { $0.append(text) }
            return !isEnough(text)
        }
        return heard.withLock { $0 }
    }

    @Test(arguments: [1, 2, 5, 1_000])
    func linesAreWholeHoweverTheyArrive(_ chunkBytes: Int) async throws {
        let text = "one\ntwo three\n\n\nümläut\nlast without end"
        let http = ScriptedHTTP(.answer(text), chunkBytes: chunkBytes)
        #expect(try await lines(http) == ["one", "two three", "ümläut", "last without end"])
    }

    @Test
    func whoeverHasEnoughHearsNoMore() async throws {
        let http = ScriptedHTTP(.answer("one\ntwo\nthree\n"), chunkBytes: 100)
        #expect(try await lines(http) { $0 == "two" } == ["one", "two"])
    }

    @Test
    func aRefusedStreamIsAnErrorAndNoLine() async throws {
        let refusal = #"{"error":{"code":"overloaded","message":"256 others follow logs already","hint":""}}"#
        let http = ScriptedHTTP(.answer(refusal, status: 503), chunkBytes: 3)
        let error = try await error { _ = try await lines(http) }
        #expect("\(error)" == "256 others follow logs already")
    }

    @Test
    func anEndlessLineIsKeptOnlyUpToItsLimit() async throws {
        let http = ScriptedHTTP(.answer(String(repeating: "x", count: 3 << 20)), chunkBytes: 64 << 10)
        #expect(try await lines(http).map(\.utf8.count) == [1 << 20])
    }
}

/// Which coordinator, and as whom.
struct ContextTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "muster-context-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func write(_ path: String, address: String) throws -> String {
        let whole = "\(folder)/\(path)"
        try FileManager.default.createDirectory(
            atPath: (whole as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let context = Context(address: address, authority: "pem", token: "t")
        try JSONEncoder().encode(context).write(to: URL(fileURLWithPath: whole))
        return whole
    }

    @Test
    func theFirstThatIsThereInAFixedOrderIsTaken() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let home = ["HOME": "\(folder)/home"]
        #expect(throws: CLIError.self) { try Context.load(path: nil, environment: home) }
        _ = try write("home/.config/muster/context.json", address: "home")
        #expect(try Context.load(path: nil, environment: home).address == "home")
        var environment = home
        environment["XDG_CONFIG_HOME"] = "\(folder)/xdg"
        #expect(try Context.load(path: nil, environment: environment).address == "home")
        _ = try write("xdg/muster/context.json", address: "xdg")
        #expect(try Context.load(path: nil, environment: environment).address == "xdg")
        environment["MUSTER_CONTEXT"] = ""
        #expect(try Context.load(path: nil, environment: environment).address == "xdg")
        environment["MUSTER_CONTEXT"] = try write("named.json", address: "named")
        #expect(try Context.load(path: nil, environment: environment).address == "named")
        let path = try write("option.json", address: "option")
        #expect(try Context.load(path: path, environment: environment).address == "option")
    }

    @Test
    func aNamedFileThatIsAbsentIsNotReplacedByAnother() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try write("home/.config/muster/context.json", address: "home")
        let error = try #require(throws: CLIError.self) {
            try Context.load(path: "\(folder)/none.json", environment: ["HOME": "\(folder)/home"])
        }
        #expect(error.message.contains("\(folder)/none.json"))
        #expect(error.hint.contains("make up") && error.hint.contains("--context"))
    }

    @Test(arguments: ["", "{}", "[]", #"{"address":"a","authority":"b"}"#])
    func aFileThatIsNoContextSaysWhatItMustHold(_ text: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/context.json"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let error = try #require(throws: CLIError.self) { try Context.load(path: path, environment: [:]) }
        #expect(error.message.contains(path) && error.message.contains("address, authority and token"))
    }
}
