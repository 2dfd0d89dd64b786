package import Foundation
package import MusterModel
import Synchronization

/// Asks the coordinator's API. Every refusal becomes a `CLIError` in the coordinator's own words.
package struct APIClient: Sendable {
    private let http: any HTTPClient
    private let endpoint: HTTPEndpoint
    private let token: String

    /// A whole answer, in bytes.
    package static let answerBytes = 64 << 20
    package static let timeout = Duration.seconds(30)

    /// `address` is `host:port`, or `[v6]:port`.
    package init(http: any HTTPClient, address: String, token: String) throws(CLIError) {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]),
            (1...65_535).contains(port), colon > address.startIndex
        else { throw CLIError("the coordinator's address \"\(address)\" is not host:port", hint: "127.0.0.1:7444") }
        let host = address[..<colon].trimmingCharacters(in: ["[", "]"])
        self.http = http
        self.endpoint = .tcp(host: host, port: port)
        self.token = token
    }

    /// The body of a successful answer.
    package func send(
        _ method: String, _ path: String, query: [(String, String?)] = [], body: [UInt8] = [],
        contentType: String = "application/json", timeout: Duration = APIClient.timeout
    ) async throws -> Data {
        let request = request(method, path, query: query, body: body, contentType: contentType)
        let response: HTTPResponse
        do throws(HTTPFailure) {
            response = try await http.send(request, to: endpoint, timeout: timeout, maxBytes: Self.answerBytes)
        } catch {
            throw unreachable(error)
        }
        guard response.isSuccess else { throw Self.refusal(response) }
        return Data(response.body)
    }

    package func get<Answer: Decodable>(_ path: String, query: [(String, String?)] = []) async throws -> Answer {
        try Self.decode(try await send("GET", path, query: query))
    }

    package func post<Answer: Decodable>(_ path: String, body: some Encodable) async throws -> Answer {
        try Self.decode(try await send("POST", path, body: Array(try JSONEncoder().encode(body))))
    }

    package static func decode<Answer: Decodable>(_ data: Data) throws -> Answer {
        do {
            return try JSONDecoder().decode(Answer.self, from: data)
        } catch {
            throw CLIError(
                "the coordinator's answer is not what this version expects",
                hint: "use a `muster` of the coordinator's version; `muster status` shows it")
        }
    }

    /// An answer of lines without an end; `line` is called for each until it returns false or the peer ends.
    package func lines(
        _ path: String, query: [(String, String?)], line: @escaping @Sendable (Data) -> Bool
    ) async throws {
        let state = LineSplitter()
        let request = request("GET", path, query: query, body: [], contentType: "")
        do throws(HTTPFailure) {
            try await http.stream(
                request, to: endpoint, idle: nil, head: { response in state.status.withLock { $0 = response } },
                chunk: { bytes in
                    guard state.isSuccess else { return state.keepRefusal(bytes) }
                    return state.feed(bytes, line)
                })
        } catch {
            throw unreachable(error)
        }
        guard state.isSuccess else { throw Self.refusal(state.refused) }
        state.finish(line)
        if let lacks = state.incomplete {
            throw CLIError("the answer is incomplete: \(lacks)", hint: "the coordinator's log says why")
        }
    }

    private func request(
        _ method: String, _ path: String, query: [(String, String?)], body: [UInt8], contentType: String
    ) -> HTTPRequest {
        let items = query.compactMap { name, value in value.map { "\(Self.encoded(name))=\(Self.encoded($0))" } }
        var headers = [
            HTTPHeader("authorization", "Bearer \(token)"), HTTPHeader("accept", "application/json"),
        ]
        if !body.isEmpty { headers.append(HTTPHeader("content-type", contentType)) }
        return HTTPRequest(
            method, path + (items.isEmpty ? "" : "?" + items.joined(separator: "&")), headers: headers, body: body)
    }

    package static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: Self.unreserved) ?? text
    }

    /// RFC 3986 section 2.3.
    private static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

    private func unreachable(_ failure: HTTPFailure) -> CLIError {
        let hint =
            switch failure {
            case .unreachable, .timedOut: "is the coordinator running there? `make up` starts a local one"
            case .untrusted: "the context's authority is not the coordinator's; copy context.json from it again"
            case .malformed, .closed: "look at the coordinator's log"
            }
        return CLIError("the coordinator at \(endpoint) cannot be asked: \(failure)", hint: hint)
    }

    /// A refusal in the coordinator's own words: its own shape, or Prometheus's where the route is Prometheus's.
    package static func refusal(_ response: HTTPResponse) -> CLIError {
        struct Refusal: Decodable {
            struct Content: Decodable {
                var message: String
                var hint: String?
            }
            var error: Content
        }
        let body = Data(response.body)
        if let refusal = try? JSONDecoder().decode(Refusal.self, from: body) {
            return CLIError(refusal.error.message, hint: refusal.error.hint ?? "")
        }
        if let refusal = try? JSONDecoder().decode(PrometheusRefusal.self, from: body) { return refusal.error }
        return CLIError("the coordinator refused with HTTP status \(response.status)")
    }
}

/// Cuts a streamed answer into lines; keeps at most one unfinished line of `lineBytes`.
private final class LineSplitter: Sendable {
    static let lineBytes = 1 << 20
    let status = Mutex<HTTPResponse?>(nil)
    private let pending = Mutex<[UInt8]>([])

    var isSuccess: Bool { status.withLock { $0?.isSuccess ?? false } }
    var refused: HTTPResponse {
        var response = status.withLock { $0 ?? HTTPResponse(status: 0) }
        response.body = pending.withLock { $0 }
        return response
    }

    /// What the coordinator says is missing from its answer.
    var incomplete: String? {
        status.withLock { $0?.headers.first { $0.name.lowercased() == "muster-incomplete" }?.value }
    }

    func keepRefusal(_ bytes: [UInt8]) -> Bool {
        pending.withLock { kept in
            kept.append(contentsOf: bytes.prefix(Self.lineBytes - min(kept.count, Self.lineBytes)))
            return kept.count < Self.lineBytes
        }
    }

    func feed(_ bytes: [UInt8], _ line: (Data) -> Bool) -> Bool {
        let lines = pending.withLock { kept in
            // Only what is new can hold an end of line; what waits is not looked at again.
            var pieces = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
            var lines: [Data] = []
            while pieces.count > 1 {
                let piece = pieces.removeFirst()
                lines.append(Data(kept) + Data(piece))
                kept = []
            }
            kept += (pieces.first ?? []).prefix(max(0, Self.lineBytes - kept.count))
            return lines
        }
        return lines.allSatisfy { $0.isEmpty || line($0) }
    }

    func finish(_ line: (Data) -> Bool) {
        let rest = pending.withLock { $0 }
        if !rest.isEmpty { _ = line(Data(rest)) }
    }
}
