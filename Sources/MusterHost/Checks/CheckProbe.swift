import Glibc
package import MusterModel
package import NIOCore
import NIOPosix

/// Runs one check once. `CheckRunner` and the gates of rollouts share it.
package protocol CheckProbe: Sendable {
    /// Only for `http` and `tcp`; returns within `timeout`, give or take a scheduling delay.
    func result(of kind: CheckKind, address: String, port: Int, timeout: Duration) async -> CheckResult
}

/// The real checks: GET through the injected client, and a TCP connection that is closed at once.
package struct NetworkProbe: CheckProbe {
    /// The answer to an HTTP check; what is longer fails it.
    package static let answerBytes = 1 << 20

    let client: any HTTPClient
    let group: any EventLoopGroup

    package init(client: any HTTPClient, group: any EventLoopGroup) {
        self.client = client
        self.group = group
    }

    package func result(of kind: CheckKind, address: String, port: Int, timeout: Duration) async -> CheckResult {
        switch kind {
        case .http(let path): await http(path, address: address, port: port, timeout: timeout)
        case .tcp: await tcp(address: address, port: port, timeout: timeout)
        case .docker, .none: .passed("")
        }
    }

    private func http(_ path: String, address: String, port: Int, timeout: Duration) async -> CheckResult {
        let endpoint = HTTPEndpoint.tcp(host: address, port: port)
        let request = HTTPRequest(
            "GET", path,
            headers: [HTTPHeader("Host", endpoint.description), HTTPHeader("User-Agent", "muster-check")])
        let subject = "check http :\(port)\(path)"
        do {
            let response = try await client.send(request, to: endpoint, timeout: timeout, maxBytes: Self.answerBytes)
            switch response.status {
            case 200..<400: return .passed("\(subject) answered \(response.status)")
            case 429: return .warned("\(subject) answered 429: it asks for less traffic")
            default: return .failed("\(subject) failed: status \(response.status)")
            }
        } catch {
            return .failed("\(subject) failed: \(Self.words(error))")
        }
    }

    /// The failure without the words that only repeat what a check is.
    private static func words(_ failure: HTTPFailure) -> String {
        guard case .unreachable(let reason) = failure else { return failure.description }
        let usual = ["connection refused", "no route to host", "network is unreachable"]
        return usual.first { reason.lowercased().contains($0) } ?? reason
    }

    private func tcp(address: String, port: Int, timeout: Duration) async -> CheckResult {
        let subject = "check tcp :\(port)"
        do {
            let channel = try await ClientBootstrap(group: group)
                .connectTimeout(.nanoseconds(timeout.nanoseconds))
                .connect(host: address, port: port).get()
            try? await channel.close()
            return .passed("\(subject) connected")
        } catch let error as NIOConnectionError {
            let first = error.connectionErrors.first?.error ?? error.dnsAError ?? error.dnsAAAAError
            return .failed("\(subject) failed: \(Self.words(first ?? error, timeout: timeout))")
        } catch {
            return .failed("\(subject) failed: \(Self.words(error, timeout: timeout))")
        }
    }

    private static func words(_ error: any Error, timeout: Duration) -> String {
        if case ChannelError.connectTimeout = error { return "no connection within \(timeout.shortText)" }
        guard let system = error as? IOError else { return "\(error)" }
        switch system.errnoCode {
        case ECONNREFUSED: return "connection refused"
        case EHOSTUNREACH: return "no route to the host"
        case ENETUNREACH: return "the network is unreachable"
        case ETIMEDOUT: return "no connection within \(timeout.shortText)"
        default: return "\(system)"
        }
    }
}
