import Foundation
package import MusterAlerts
import MusterModel
import MusterTransport
package import NIOCore

/// Why a receiver did not take a message.
package struct WebhookFailure: Error, Equatable {
    package var reason: String
    /// Trying again would give the same answer.
    package var isPermanent: Bool
}

/// Posts notifications. `https` receivers are trusted as the operating system trusts them.
package struct WebhookSender: Sendable {
    package static let answerBytes = 64 << 10
    private let plain: any HTTPClient
    private let secure: any HTTPClient

    package init(group: any EventLoopGroup) throws {
        plain = NIOHTTPClient(group: group)
        secure = NIOHTTPClient(
            group: group, context: try TLSContext.client(nil, trust: .system, expecting: .hostName))
    }

    package func send(_ message: WebhookMessage, to url: String) async throws(WebhookFailure) {
        guard let target = URLComponents(string: url), let host = target.host, !host.isEmpty,
            target.scheme == "http" || target.scheme == "https"
        else { throw WebhookFailure(reason: "\"\(url)\" is no http or https URL", isPermanent: true) }
        let isSecure = target.scheme == "https"
        let path = target.percentEncodedPath.isEmpty ? "/" : target.percentEncodedPath
        let query = target.percentEncodedQuery.map { "?\($0)" } ?? ""
        guard let body = try? JSONEncoder().encode(message) else {
            throw WebhookFailure(reason: "the message cannot be written as JSON", isPermanent: true)
        }
        let request = HTTPRequest(
            "POST", path + query, headers: [HTTPHeader("content-type", "application/json")], body: Array(body))
        let endpoint = HTTPEndpoint.tcp(host: host, port: target.port ?? (isSecure ? 443 : 80))
        let response: HTTPResponse
        do throws(HTTPFailure) {
            response = try await (isSecure ? secure : plain).send(
                request, to: endpoint, timeout: AlertDesk.webhookTimeout, maxBytes: Self.answerBytes)
        } catch {
            throw WebhookFailure(reason: "\(url): \(error)", isPermanent: false)
        }
        guard !response.isSuccess else { return }
        let isPermanent = (400..<500).contains(response.status) && ![408, 429].contains(response.status)
        throw WebhookFailure(reason: "\(url) answered \(response.status)", isPermanent: isPermanent)
    }
}
