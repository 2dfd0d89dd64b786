import Foundation
import Logging
package import MusterModel
import MusterTransport
import Synchronization

/// At most one attempt a second to join from one address: a token cannot be guessed by trying.
package final class JoinGate: Sendable {
    package static let interval = Duration.seconds(1)
    package static let addressesMax = 10_000
    private let last = Mutex<[String: Instant]>([:])

    package init() {}

    package func admits(_ address: String, now: Instant) -> Bool {
        last.withLock { last in
            if let before = last[address], now - before < Self.interval { return false }
            if last.count >= Self.addressesMax { last = last.filter { now - $0.value < Self.interval } }
            guard last.count < Self.addressesMax else { return false }
            last[address] = now
            return true
        }
    }
}

extension APIHandlers {
    struct Enrolled: Encodable {
        var hostId: String
        var certificateChain: String
        var authority: String
    }

    func enroll(_ call: APICall) async throws(APIError) -> Enrolled {
        struct Body: Decodable {
            var token: String
            var signingRequest: String
            var hostName: String
        }
        guard joins.admits(call.remoteAddress, now: clock.now) else {
            throw APIError(
                429, "too_many_requests", "only one attempt a second is allowed from one address",
                hint: "wait a second and try again")
        }
        let body = try Self.body(Body.self, call)
        let host: HostID
        let certificate: Certificate
        do throws(JoinError) {
            (host, certificate) = try await authority.enroll(
                token: body.token, hostName: body.hostName, signingRequest: body.signingRequest, now: clock.now)
        } catch {
            throw Self.refusal(error, body.hostName, call, logger)
        }
        logger.info("host enrolled", metadata: ["host": "\(host)", "address": "\(call.remoteAddress)"])
        do throws(CertificateError) {
            return Enrolled(
                hostId: host.text, certificateChain: try certificate.pem,
                authority: try authority.authority.certificate.pem)
        } catch {
            throw APIError(500, "internal", "\(error)")
        }
    }

    private static func refusal(_ error: JoinError, _ name: String, _ call: APICall, _ logger: Logger) -> APIError {
        logger.warning(
            "enrolment refused",
            metadata: [
                "hostName": "\(name.prefix(Limits.nameBytes))", "address": "\(call.remoteAddress)",
                "reason": "\(error)",
            ])
        return switch error {
        case .storage: APIError(500, "storage", "\(error)", hint: "look at the coordinator's log")
        case .unknownToken, .otherHost, .revoked: APIError(403, "join_refused", "\(error)")
        case .malformedToken, .badRequest, .unknownHost: .badRequest("\(error)")
        }
    }

    func revokeHost(_ call: APICall) async throws(APIError) -> Revoked {
        guard let host = HostID(call.id) else { throw .notFound("host \(call.id)", hint: "muster hosts lists them") }
        do throws(JoinError) {
            try await authority.revoke(host, now: clock.now)
        } catch .unknownHost(let host) {
            throw .notFound("host \(host)", hint: "muster hosts lists them")
        } catch {
            throw APIError(500, "storage", "\(error)")
        }
        links.hostRevoked(host)
        logger.notice("host revoked", metadata: ["host": "\(host)"])
        return Revoked(id: host.text, revoked: true)
    }

    struct Revoked: Encodable {
        var id: String
        var revoked: Bool
    }

    // MARK: Tokens

    struct CreatedToken: Encodable {
        var id: String
        var token: String
        var expiresAt: String
    }

    func createToken(_ call: APICall) async throws -> CreatedToken {
        struct Body: Decodable {
            var kind: String
            var host: String?
            var name: String?
            var role: String?
            var ttl: String?
        }
        let body = try Self.body(Body.self, call)
        let lifetime = try body.ttl.map { text throws(APIError) in
            guard let duration = Duration(shortText: text), duration > .zero else {
                throw .badRequest("ttl is \"\(text)\"", hint: "a duration such as 10m or 720h")
            }
            return duration
        }
        switch body.kind {
        case "join":
            guard let host = body.host, HostID(host) != nil else {
                throw APIError.badRequest(
                    "host is missing or no host name", hint: "letters, digits, dot, dash and underscore")
            }
            let (token, expires) = try await authority.createToken(
                hostName: host, lifetime: lifetime ?? HostAuthority.tokenLifetime, now: clock.now)
            logger.notice("join token made", metadata: ["host": "\(host)", "expires": "\(expires)"])
            return CreatedToken(
                id: "join-\(token.secretHash.prefix(12))", token: token.text, expiresAt: expires.description)
        case "api":
            guard let role = body.role.flatMap(Role.init(rawValue:)) else {
                throw APIError.badRequest(
                    "role is \"\(body.role ?? "")\"",
                    hint: "one of \(Role.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            let created = try await tokens.create(
                name: body.name ?? role.rawValue, role: role, lifetime: lifetime ?? TokenBook.lifetime, now: clock.now)
            logger.notice("API token made", metadata: ["id": "\(created.id)", "role": "\(role.rawValue)"])
            return CreatedToken(id: created.id, token: created.token, expiresAt: created.expires.description)
        default:
            throw APIError.badRequest("kind is \"\(body.kind)\"", hint: "join or api")
        }
    }

    func tokenList() -> [APIShape.Token] {
        tokens.list(now: clock.now).map { record in
            APIShape.Token(
                id: record.id, kind: "api", name: record.name, role: record.role.rawValue,
                expiresAt: Instant(milliseconds: record.expiresAt).description,
                lastUsed: record.lastUsed.map { Instant(milliseconds: $0).description })
        }
    }

    func revokeToken(_ call: APICall) async throws -> Revoked {
        guard try await tokens.revoke(id: call.id) else {
            throw APIError.notFound("token \(call.id)", hint: "muster token list")
        }
        logger.notice("API token revoked", metadata: ["id": "\(call.id)"])
        return Revoked(id: call.id, revoked: true)
    }
}
