package import MusterModel
import Synchronization

/// The part of the Docker Engine API that Muster uses, over an injected HTTP client.
///
/// The version spoken is the newest both sides know: `oldestVersion` is Docker Engine 20.10, and Podman's compatible
/// service offers it too. It is negotiated with the first request and again after `forgetVersion`, because a daemon
/// that restarted may be another one.
package final class DockerAPI: Sendable {
    package struct Version: Comparable, Sendable, CustomStringConvertible {
        package var major: Int
        package var minor: Int

        package init(_ major: Int, _ minor: Int) {
            self.major = major
            self.minor = minor
        }

        /// `1.41`; nil for anything else.
        package init?(_ text: String) {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
            guard parts.count == 2, let major = parts[0], let minor = parts[1], major >= 0, minor >= 0 else {
                return nil
            }
            self.init(major, minor)
        }

        package var description: String { "\(major).\(minor)" }

        package static func < (a: Version, b: Version) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
    }

    package static let oldestVersion = Version(1, 41)
    /// The newest whose changes Muster has been read against.
    package static let newestVersion = Version(1, 47)
    /// A whole answer. A list of 2,000 containers has about 4 MiB.
    package static let answerBytes = 32 << 20
    /// A question that touches nothing.
    package static let readTimeout = Duration.seconds(10)
    /// A change: create, start, rename.
    package static let changeTimeout = Duration.seconds(60)
    /// The daemon's own words in an error.
    static let messageBytes = 1_024

    let client: any HTTPClient
    let endpoint: HTTPEndpoint
    private let negotiated = Mutex<Version?>(nil)

    package init(client: any HTTPClient, endpoint: HTTPEndpoint = .unixSocket(path: "/var/run/docker.sock")) {
        self.client = client
        self.endpoint = endpoint
    }

    /// The version both sides speak; asks the daemon when it is not known.
    package func version() async throws(DockerError) -> Version {
        if let known = negotiated.withLock({ $0 }) { return known }
        let response = try await exchange(HTTPRequest("GET", "/_ping"), timeout: Self.readTimeout)
        guard response.isSuccess else { throw Self.refusal("GET /_ping", response) }
        guard let offered = response.header("Api-Version"), let version = Version(offered) else {
            throw .unreadable(asked: "GET /_ping", problem: "it names no Api-Version")
        }
        guard version >= Self.oldestVersion else { throw .tooOld(offered: offered) }
        let spoken = min(version, Self.newestVersion)
        negotiated.withLock { $0 = spoken }
        return spoken
    }

    /// The daemon went away; the next request negotiates again.
    package func forgetVersion() { negotiated.withLock { $0 = nil } }

    /// GET of a JSON document.
    func get(_ path: String) async throws(DockerError) -> DockerJSON {
        let request = HTTPRequest("GET", try await versioned(path))
        let response = try await exchange(request, timeout: Self.readTimeout)
        guard response.isSuccess else { throw Self.refusal("GET \(path)", response) }
        return try Self.json(response.body, asked: "GET \(path)")
    }

    /// A change. `accepted` are statuses outside 2xx that mean it is already so.
    @discardableResult
    func change(
        _ method: String, _ path: String, body: DockerJSON? = nil, timeout: Duration = DockerAPI.changeTimeout,
        accepted: [Int] = [304]
    ) async throws(DockerError) -> DockerJSON {
        var request = HTTPRequest(method, try await versioned(path))
        if let body {
            request.headers.append(HTTPHeader("Content-Type", "application/json"))
            request.body = body.encoded()
        }
        let response = try await exchange(request, timeout: timeout)
        guard response.isSuccess || accepted.contains(response.status) else {
            throw Self.refusal("\(method) \(path)", response)
        }
        guard response.isSuccess, response.body.contains(where: { $0 > 0x20 }) else { return .null }
        return try Self.json(response.body, asked: "\(method) \(path)")
    }

    func versioned(_ path: String) async throws(DockerError) -> String { "/v\(try await version())\(path)" }

    private func exchange(_ request: HTTPRequest, timeout: Duration) async throws(DockerError) -> HTTPResponse {
        do {
            return try await client.send(
                Self.withHost(request), to: endpoint, timeout: timeout, maxBytes: Self.answerBytes)
        } catch {
            throw .exchange(asked: "\(request.method) \(request.target)", error)
        }
    }

    /// Docker's HTTP server, like any of 1.1, insists on a host, also on a unix socket.
    static func withHost(_ request: HTTPRequest) -> HTTPRequest {
        var request = request
        if !request.headers.contains(where: { $0.name.lowercased() == "host" }) {
            request.headers.insert(HTTPHeader("Host", "docker"), at: 0)
        }
        return request
    }

    static func json(_ bytes: [UInt8], asked: String) throws(DockerError) -> DockerJSON {
        do {
            return try DockerJSON(parsing: bytes)
        } catch {
            throw .unreadable(asked: asked, problem: error.description)
        }
    }

    static func refusal(_ asked: String, _ response: HTTPResponse) -> DockerError {
        let body = Array(response.body.prefix(messageBytes * 4))
        let said = (try? DockerJSON(parsing: body))?["message"]?.string ?? String(decoding: body, as: UTF8.self)
        return .refused(asked: asked, status: response.status, message: String(said.prefix(messageBytes)))
    }

    /// A text as one part of a path or query: everything outside the unreserved set of RFC 3986 is escaped.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                escaped += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return escaped
    }
}
