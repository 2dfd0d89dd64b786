import MusterModel
import Synchronization

/// Changes requests on their way.
struct TamperingClient: HTTPClient {
    let inner: any HTTPClient
    let change: @Sendable (HTTPRequest) -> HTTPRequest

    init(_ inner: any HTTPClient, _ change: @escaping @Sendable (HTTPRequest) -> HTTPRequest) {
        self.inner = inner
        self.change = change
    }

    func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse {
        try await inner.send(change(request), to: endpoint, timeout: timeout, maxBytes: maxBytes)
    }

    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) {
        try await inner.stream(change(request), to: endpoint, idle: idle, head: head, chunk: chunk)
    }
}

/// Lets `changes` requests that change something through and then breaks: `.before` the next one reaches the daemon, or
/// `.after` it did and before its answer is seen. From then on nothing gets through, as after a kill, or, with `heals`,
/// only that one exchange is lost, as when a daemon drops a connection.
final class BreakingClient: HTTPClient {
    enum Moment: Sendable, CaseIterable { case before, after }

    let inner: any HTTPClient
    let changes: Int
    let moment: Moment
    let heals: Bool
    let onBreak: @Sendable () -> Void
    private let seen = Mutex((changes: 0, isBroken: false))

    init(
        _ inner: any HTTPClient, changes: Int, moment: Moment, heals: Bool = false,
        onBreak: @escaping @Sendable () -> Void = {}
    ) {
        self.inner = inner
        self.changes = changes
        self.moment = moment
        self.heals = heals
        self.onBreak = onBreak
    }

    var hasBroken: Bool { seen.withLock { $0.isBroken } }

    func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse {
        let (breaks, isDead) = seen.withLock { seen in
            if seen.isBroken { return (false, !heals) }
            guard request.method != "GET" else { return (false, false) }
            seen.changes += 1
            seen.isBroken = seen.changes > changes
            return (seen.isBroken, false)
        }
        if isDead { throw .closed("dead") }
        if breaks {
            if moment == .after {
                _ = try await inner.send(request, to: endpoint, timeout: timeout, maxBytes: maxBytes)
            }
            onBreak()
            throw .closed("broken")
        }
        return try await inner.send(request, to: endpoint, timeout: timeout, maxBytes: maxBytes)
    }

    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) {
        try await inner.stream(request, to: endpoint, idle: idle, head: head, chunk: chunk)
    }
}
