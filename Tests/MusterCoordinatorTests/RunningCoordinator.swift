import Foundation
import Logging
import MusterCoordinator
import MusterModel
import MusterTestKit
import MusterTransport
import NIOPosix
import Synchronization
import Testing

/// A whole coordinator in this process, on ports of the loopback address that the system chose.
final class RunningCoordinator: Sendable {
    let data: String
    let link: Int
    let api: Int
    /// The first operator's, an admin.
    let token: String
    let authority: CertificateAuthority
    private let client: NIOHTTPClient
    private let log: LogRecord

    /// What the coordinator wrote to its log.
    var logged: String { log.text }

    /// Makes the authority in the folder unless it is there, starts, runs the test and stops. `extra` is added to the
    /// configuration.
    static func run(
        _ scratch: Scratch, extra: String = "", _ test: (RunningCoordinator) async throws -> Void
    ) async throws {
        let data = scratch("data")
        if !FileManager.default.fileExists(atPath: data + "/pki/ca.crt") {
            let made = try await PKI.initialize(
                PKI.Request(dataDirectory: data, link: "127.0.0.1:0", api: "127.0.0.1:0"))
            try Data((textOfFile(made.configPath) + extra).utf8).write(to: URL(fileURLWithPath: made.configPath))
        }
        let ports = Mutex<(link: Int, api: Int)?>(nil)
        let log = LogRecord()
        let options = CoordinatorOptions(configPath: data + "/muster.yaml") { link, api in
            ports.withLock { $0 = (link, api) }
        }
        let ended = Mutex<String?>(nil)
        let serving = Task {
            defer { ended.withLock { $0 = $0 ?? "it ended by itself" } }
            do {
                try await Coordinator.run(options, logger: log.logger("muster"))
            } catch {
                ended.withLock { $0 = "\(error)" }
                throw error
            }
        }
        let outcome: Result<Void, any Error>
        do {
            let (link, api) = try await awaited("the coordinator listens", within: .seconds(20)) {
                if let reason = ended.withLock({ $0 }) {
                    throw NeverHappened("the coordinator did not start: \(reason)")
                }
                return ports.withLock { $0 }
            }
            try await test(try RunningCoordinator(data, link: link, api: api, log))
            outcome = .success(())
        } catch {
            print(log.text)
            outcome = .failure(error)
        }
        serving.cancel()
        let stopped = await serving.result
        try outcome.get()
        // To be stopped is no failure.
        try stopped.get()
    }

    private init(_ data: String, link: Int, api: Int, _ log: LogRecord) throws {
        struct Context: Decodable {
            var token: String
        }
        self.data = data
        self.link = link
        self.api = api
        self.log = log
        token = try JSONDecoder().decode(Context.self, from: Data(textOfFile(data + "/context.json").utf8)).token
        authority = try CertificateAuthority(
            certificatePEM: textOfFile(data + "/pki/ca.crt"), privatePEM: textOfFile(data + "/pki/ca.key"))
        client = NIOHTTPClient(
            group: MultiThreadedEventLoopGroup.singleton,
            context: try TLSContext.client(
                nil, trust: .certificates([authority.certificate]), expecting: .coordinator, protocols: ["http/1.1"]))
    }

    // MARK: Asking

    /// `token` nil sends none.
    func ask(
        _ method: String, _ path: String, token: String?,
        headers: [HTTPHeader] = [HTTPHeader("content-type", "application/json")], body: [UInt8] = [],
        timeout: Duration = .seconds(20)
    ) async throws -> HTTPResponse {
        var headers = headers
        if let token { headers.append(HTTPHeader("authorization", "Bearer \(token)")) }
        return try await client.send(
            HTTPRequest(method, path, headers: headers, body: body), to: .tcp(host: "127.0.0.1", port: api),
            timeout: timeout, maxBytes: 8 << 20)
    }

    /// The JSON of a successful answer, asked as admin.
    func json(_ method: String, _ path: String, body: String = "") async throws -> JSON {
        let response = try await ask(method, path, token: token, body: Array(body.utf8))
        guard response.isSuccess else {
            throw NeverHappened(
                "\(method) \(path): \(response.status) \(String(decoding: response.body, as: UTF8.self))")
        }
        return try JSON(response.body)
    }

    func get(_ path: String) async throws -> JSON { try await json("GET", path) }

    /// A token for the API with a role.
    func token(_ role: Role, lifetime: String = "1h") async throws -> String {
        let made = try await json(
            "POST", "/v1/tokens", body: #"{"kind":"api","role":"\#(role.rawValue)","ttl":"\#(lifetime)"}"#)
        return try #require(made["token"]?.text)
    }

    /// The lines of an answer that goes on, until `enough` says so or nothing comes for five seconds.
    func lines(
        _ path: String, connected: @escaping @Sendable () -> Void = {}, enough: @escaping @Sendable (String) -> Bool
    ) async throws -> String {
        let text = Mutex("")
        try await client.stream(
            HTTPRequest("GET", path, headers: [HTTPHeader("authorization", "Bearer \(token)")]),
            to: .tcp(host: "127.0.0.1", port: api), idle: .seconds(5), head: { _ in connected() },
            chunk: { bytes in
                text.withLock { text in
                    text += String(decoding: bytes, as: UTF8.self)
                    return !enough(text)
                }
            })
        return text.withLock { $0 }
    }
}

/// A log that a test can read.
final class LogRecord: Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    func logger(_ label: String) -> Logger {
        var logger = Logger(label: label) { _ in Handler(lines: self) }
        logger.logLevel = .debug
        return logger
    }

    private struct Handler: LogHandler {
        let lines: LogRecord
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
            lines.lines.withLock { $0.append("\(event.level) \(event.message) \(values)") }
        }
    }
}

/// JSON as a value that tests can look into.
enum JSON: Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    init(_ bytes: some Sequence<UInt8>) throws {
        self = try JSONDecoder().decode(Tree.self, from: Data(bytes)).value
    }

    subscript(key: String) -> JSON? {
        guard case .object(let fields) = self else { return nil }
        return fields[key]
    }
    subscript(index: Int) -> JSON? {
        guard case .array(let items) = self, items.indices.contains(index) else { return nil }
        return items[index]
    }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var items: [JSON] { if case .array(let items) = self { items } else { [] } }
    /// The names of an object's fields, in order.
    var keys: [String] { if case .object(let fields) = self { fields.keys.sorted() } else { [] } }

    private struct Tree: Decodable {
        var value: JSON

        init(from decoder: any Decoder) throws {
            let one = try decoder.singleValueContainer()
            if one.decodeNil() {
                value = .null
            } else if let bool = try? one.decode(Bool.self) {
                value = .bool(bool)
            } else if let number = try? one.decode(Double.self) {
                value = .number(number)
            } else if let text = try? one.decode(String.self) {
                value = .string(text)
            } else if let items = try? one.decode([Tree].self) {
                value = .array(items.map(\.value))
            } else {
                value = .object(try one.decode([String: Tree].self).mapValues(\.value))
            }
        }
    }
}
