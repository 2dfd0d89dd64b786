import FoundationEssentials
package import MusterModel
import MusterStore
import MusterTransport
import NIOPosix

/// `muster-agent enroll`: trades a single-use token for this host's identity.
package enum Enrolment {
    package struct Request: Sendable {
        /// `host:port` of the coordinator's API.
        package var coordinator: String
        package var token: String
        package var stateDirectory: String
        package var hostName: String

        package init(coordinator: String, token: String, stateDirectory: String, hostName: String) {
            self.coordinator = coordinator
            self.token = token
            self.stateDirectory = stateDirectory
            self.hostName = hostName
        }
    }

    static let timeout = Duration.seconds(30)
    static let answerBytes = 256 << 10

    private struct Body: Encodable {
        var token: String
        var signingRequest: String
        var hostName: String
    }

    private struct Answer: Decodable {
        var hostId: String
        var certificateChain: String
        var authority: String
    }

    private struct Refusal: Decodable {
        struct Content: Decodable {
            var message: String
        }
        var error: Content
    }

    /// The id the coordinator gave this host. The token pins the authority: nothing else is trusted, and nothing is
    /// sent before the coordinator has shown a certificate of it.
    package static func enroll(_ request: Request) async throws -> HostID {
        let token: JoinToken
        do throws(CertificateError) {
            token = try JoinToken(text: request.token)
        } catch {
            throw AgentError(
                "the token cannot be read: \(error)", hint: "copy it whole from: muster token create --host NAME")
        }
        guard let address = LinkAddress(request.coordinator) else {
            throw AgentError("the coordinator's address \"\(request.coordinator)\" is not host:port", hint: "host:7444")
        }
        let io = SystemFileIO()
        try io.makeDirectories(request.stateDirectory)
        let key = try KeyPair.generate()
        let answer = try await ask(request, token, address, key)
        guard let host = HostID(answer.hostId),
            let certificate = try Certificate.chain(pem: answer.certificateChain).first,
            certificate.identity?.host == host
        else { throw AgentError("the coordinator's answer holds no certificate for this host") }
        guard try Certificate.chain(pem: answer.authority).contains(where: { $0.pin == token.pin }) else {
            throw AgentError("the authority in the coordinator's answer is not the one the token pins")
        }
        try HostIdentity.save(
            key: key, chain: answer.certificateChain, authority: answer.authority, in: request.stateDirectory, io: io)
        return host
    }

    private static func ask(
        _ request: Request, _ token: JoinToken, _ address: LinkAddress, _ key: KeyPair
    ) async throws -> Answer {
        let body = Body(
            token: request.token, signingRequest: try SigningRequest.make(for: key), hostName: request.hostName)
        let context = try TLSContext.client(nil, trust: .pin(token.pin), expecting: .coordinator)
        let client = NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton, context: context)
        let call = HTTPRequest(
            "POST", "/v1/enroll", headers: [HTTPHeader("content-type", "application/json")],
            body: Array(try JSONEncoder().encode(body)))
        let response: HTTPResponse
        do throws(HTTPFailure) {
            response = try await client.send(
                call, to: .tcp(host: address.host, port: address.port), timeout: timeout, maxBytes: answerBytes)
        } catch {
            throw AgentError(
                "the coordinator at \(address) cannot be asked: \(error)",
                hint: "is this its API address (port 7444), and was the token made by it?")
        }
        guard response.isSuccess else {
            let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(response.body))
            throw AgentError(
                "the coordinator refused: \(refusal?.error.message ?? "HTTP status \(response.status)")")
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(response.body)) else {
            throw AgentError(
                "the coordinator's answer is not what this version expects",
                hint: "use a muster-agent of the coordinator's version")
        }
        return answer
    }
}
