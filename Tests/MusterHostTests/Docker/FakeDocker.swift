import MusterHost
import MusterModel
import Synchronization

/// A daemon made of answers: `answer` is asked for every request, `stream` for those that go on. It keeps what was
/// asked.
final class FakeDocker: HTTPClient {
    typealias Answer = @Sendable (HTTPRequest) -> Result<HTTPResponse, HTTPFailure>
    typealias Stream =
        @Sendable (HTTPRequest, (HTTPResponse) -> Void, ([UInt8]) -> Bool) async -> HTTPFailure?

    private let asked = Mutex<[HTTPRequest]>([])
    private let answer: Answer
    private let streaming: Stream

    init(stream: @escaping Stream = { _, _, _ in .unreachable("nothing streams") }, answer: @escaping Answer) {
        self.answer = answer
        streaming = stream
    }

    var requests: [HTTPRequest] { asked.withLock { $0 } }
    var targets: [String] { requests.map { "\($0.method) \($0.target)" } }

    func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse {
        asked.withLock { $0.append(request) }
        if request.target == "/_ping" { return Self.ping("1.41") }
        return try answer(request).get()
    }

    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) {
        asked.withLock { $0.append(request) }
        if let failure = await streaming(request, head, chunk) { throw failure }
    }

    static func ping(_ version: String) -> HTTPResponse {
        HTTPResponse(status: 200, headers: [HTTPHeader("api-version", version)], body: Array("OK".utf8))
    }

    static func json(_ text: String, status: Int = 200) -> Result<HTTPResponse, HTTPFailure> {
        .success(HTTPResponse(status: status, body: Array(text.utf8)))
    }
}

/// Collects what callbacks are told.
final class Box<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    func add(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}
