import Foundation
import MusterConfig
import MusterInterchange
import MusterModel
import MusterSnappy
import MusterTransport
import NIOCore
import Synchronization

/// What an engine said of a request.
enum HandOffAnswer: Equatable, Sendable {
    case taken
    /// It will never take it.
    case refused(String)
    /// It cannot take it now, and may have said when it can.
    case later(String, retryAfter: Duration?)

    /// By the rules of remote write: 2xx is taken, 429 and 5xx come again, everything else does not.
    static func of(_ response: HTTPResponse) -> HandOffAnswer {
        if response.isSuccess { return .taken }
        let text = String(decoding: response.body.prefix(300), as: UTF8.self)
        let reason = "it answered \(response.status): \(text)"
        guard response.status == 429 || response.status >= 500 else { return .refused(reason) }
        // The header may also be a date, which no engine sends.
        let seconds = response.header("retry-after").flatMap { Int64($0) }
        return .later(reason, retryAfter: seconds.map { .seconds(max(0, $0)) })
    }
}

/// Sends samples to one engine by remote write.
final class HandOffSender: Sendable {
    static let timeout = Duration.seconds(30)
    static let answerBytes = 64 << 10

    private let config: HandOffConfig
    private let client: any HTTPClient
    /// An engine that does not know 2.0 gets 1.0 from then on.
    private let version: Mutex<RemoteWriteVersion>

    init(_ config: HandOffConfig, group: any EventLoopGroup) throws {
        self.config = config
        client = try Self.client(config, group: group)
        version = Mutex(config.version == .v2 ? .v2 : .v1)
    }

    /// For both directions: what writes to the engine and what asks it.
    static func client(_ config: HandOffConfig, group: any EventLoopGroup) throws -> any HTTPClient {
        guard config.write.isSecure || config.query?.isSecure == true else { return NIOHTTPClient(group: group) }
        var trust = TrustAnchors.system
        if let file = config.caFile {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw CoordinatorError("metrics.handOff: \(file) cannot be read", hint: "check its permissions")
            }
            trust = .certificates(try Certificate.chain(pem: String(decoding: data, as: UTF8.self)))
        }
        return NIOHTTPClient(group: group, context: try TLSContext.client(nil, trust: trust, expecting: .hostName))
    }

    static func headers(_ config: HandOffConfig) -> [HTTPHeader] {
        var headers = [HTTPHeader("user-agent", "muster/\(APIHandlers.version)")]
        if let file = config.tokenFile, let data = FileManager.default.contents(atPath: file) {
            let token = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            headers.append(HTTPHeader("authorization", "Bearer \(token)"))
        }
        return headers
    }

    func send(_ series: [SeriesSamples]) async -> HandOffAnswer {
        let answer = await send(series, version.withLock { $0 })
        guard case .refused(let reason) = answer, reason.hasPrefix("it answered 415"),
            version.withLock({ $0 == .v2 })
        else { return answer }
        version.withLock { $0 = .v1 }
        return await send(series, .v1)
    }

    private func send(_ series: [SeriesSamples], _ version: RemoteWriteVersion) async -> HandOffAnswer {
        let message: [UInt8]
        switch version {
        case .v1:
            var encoder = RemoteWriteV1Encoder()
            for one in series { encoder.add(one) }
            message = encoder.bytes
        case .v2:
            var encoder = RemoteWriteV2Encoder()
            for one in series { encoder.add(one) }
            message = encoder.bytes
        }
        let request = HTTPRequest(
            "POST", config.write.path,
            headers: Self.headers(config) + [
                HTTPHeader("content-type", version.contentType), HTTPHeader("content-encoding", "snappy"),
                HTTPHeader("x-prometheus-remote-write-version", version.versionHeader),
            ],
            body: Snappy.compress(message))
        do throws(HTTPFailure) {
            let response = try await client.send(
                request, to: .tcp(host: config.write.host, port: config.write.port), timeout: Self.timeout,
                maxBytes: Self.answerBytes)
            return .of(response)
        } catch {
            return .later("\(error)", retryAfter: nil)
        }
    }
}
