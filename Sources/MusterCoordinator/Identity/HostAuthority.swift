import Foundation
package import MusterControlStore
package import MusterModel
package import MusterTransport
import Synchronization

/// Why a host may not join or stay. The text is for the person at the other end.
package enum JoinError: Error, Equatable, CustomStringConvertible {
    case malformedToken(String)
    /// Never made, already used, or expired: the three look alike on purpose.
    case unknownToken
    case otherHost(expected: String, actual: String)
    case badRequest(String)
    case revoked(HostID)
    case unknownHost(HostID)
    case storage(String)

    package var description: String {
        switch self {
        case .malformedToken(let reason): "the token is not one of muster's: \(reason)"
        case .unknownToken:
            "the token is unknown, was used already or has expired; make a new one: muster token create --host NAME"
        case .otherHost(let expected, let actual):
            "the token is for host \"\(expected)\" and this is \"\(actual)\"; make one for this host: "
                + "muster token create --host \(actual)"
        case .badRequest(let reason): "the signing request cannot be used: \(reason)"
        case .revoked(let host):
            "host \(host) is revoked; enrol it again with a new token: muster token create --host NAME"
        case .unknownHost(let host): "host \(host) was never enrolled here"
        case .storage(let reason): "the coordinator could not store it: \(reason)"
        }
    }
}

/// Who may be an agent: join tokens, host certificates, revocation. Truth is in the control store; the set of revoked
/// hosts is kept in memory as well, because every handshake asks.
package final class HostAuthority: Sendable {
    package static let tokenLifetime = Duration.minutes(10)
    package static let tokenLifetimeMax = Duration.hours(24)
    package static let namesPerHost = 1_000

    private struct Join: Codable {
        var hostName: String
        var expiresAt: Int64
    }

    private struct Identity: Codable {
        var name: String
        var enrolledAt: Int64
        var revokedAt: Int64?
    }

    package let authority: CertificateAuthority
    private let store: any ControlStore
    private let revoked: Mutex<Set<HostID>>

    private init(authority: CertificateAuthority, store: any ControlStore, revoked: Set<HostID>) {
        self.authority = authority
        self.store = store
        self.revoked = Mutex(revoked)
    }

    package static func open(_ authority: CertificateAuthority, store: any ControlStore) async throws -> HostAuthority {
        var revoked: Set<HostID> = []
        for entry in try await store.list(prefix: "identity/").entries {
            let identity = try JSONDecoder().decode(Identity.self, from: Data(entry.value))
            if identity.revokedAt != nil, let host = HostID(String(entry.key.dropFirst("identity/".count))) {
                revoked.insert(host)
            }
        }
        return HostAuthority(authority: authority, store: store, revoked: revoked)
    }

    // MARK: Joining

    /// A token with which one host of this name may join once. Only its hash is stored.
    package func createToken(hostName: String, lifetime: Duration, now: Instant) async throws -> (
        token: JoinToken, expires: Instant
    ) {
        let token = JoinToken(pin: authority.pin)
        let expires = now + min(lifetime, Self.tokenLifetimeMax)
        let record = try JSONEncoder().encode(Join(hostName: hostName, expiresAt: expires.milliseconds))
        let key = "join/\(token.secretHash)"
        _ = try await store.transaction([.absent(key)], [.put(key, Array(record), expires: expires)])
        return (token, expires)
    }

    /// Uses the token up and gives out the host's id and first certificate.
    package func enroll(
        token text: String, hostName: String, signingRequest: String, now: Instant
    ) async throws(JoinError) -> (host: HostID, certificate: Certificate) {
        let token: JoinToken
        do throws(CertificateError) { token = try JoinToken(text: text) } catch { throw .malformedToken("\(error)") }
        let publicKey: PublicKey
        do throws(CertificateError) {
            publicKey = try SigningRequest.publicKey(pem: signingRequest)
        } catch {
            throw .badRequest("\(error)")
        }
        let key = "join/\(token.secretHash)"
        do {
            guard let entry = try await store.get(key),
                let join = try? JSONDecoder().decode(Join.self, from: Data(entry.value)),
                now.milliseconds < join.expiresAt
            else { throw JoinError.unknownToken }
            guard join.hostName == hostName else {
                throw JoinError.otherHost(expected: join.hostName, actual: hostName)
            }
            let host = try await unusedID(for: hostName)
            let certificate = try authority.issue(to: publicKey, identity: PeerIdentity(agent: host), now: now)
            let identity = try JSONEncoder().encode(Identity(name: hostName, enrolledAt: now.milliseconds))
            do throws(ControlStoreError) {
                // The token is gone and the host exists, or neither: of two that use it at once one loses.
                _ = try await store.transaction(
                    [.unchanged(key, modRevision: entry.modRevision), .absent("identity/\(host)")],
                    [.delete(key), .put("identity/\(host)", Array(identity))])
            } catch .conflict {
                throw JoinError.unknownToken
            }
            return (host, certificate)
        } catch let error as JoinError {
            throw error
        } catch let error as CertificateError {
            throw .badRequest("\(error)")
        } catch {
            throw .storage("\(error)")
        }
    }

    /// A host id is never given out twice: a key that was stolen or forgotten must not become somebody else's.
    private func unusedID(for name: String) async throws -> HostID {
        for number in 1...Self.namesPerHost {
            guard let id = HostID(number == 1 ? name : "\(name)-\(number)") else {
                throw JoinError.badRequest(
                    "the host name \"\(name)\" may only have letters, digits, dot, dash and underscore")
            }
            if try await store.get("identity/\(id)") == nil { return id }
        }
        throw JoinError.badRequest("\(Self.namesPerHost) hosts of the name \"\(name)\" were enrolled already")
    }

    // MARK: Staying

    /// A fresh certificate for a host that is connected with a valid one. PEM.
    package func renew(_ host: HostID, signingRequest: String, now: Instant) throws(JoinError) -> String {
        guard !isRevoked(host) else { throw .revoked(host) }
        do throws(CertificateError) {
            let publicKey = try SigningRequest.publicKey(pem: signingRequest)
            return try authority.issue(to: publicKey, identity: PeerIdentity(agent: host), now: now).pem
        } catch {
            throw .badRequest("\(error)")
        }
    }

    package func isRevoked(_ host: HostID) -> Bool { revoked.withLock { $0.contains(host) } }

    /// Durable when it returns. Whoever calls it closes the live connection.
    package func revoke(_ host: HostID, now: Instant) async throws(JoinError) {
        do {
            guard let entry = try await store.get("identity/\(host)") else { throw JoinError.unknownHost(host) }
            var identity = try JSONDecoder().decode(Identity.self, from: Data(entry.value))
            identity.revokedAt = identity.revokedAt ?? now.milliseconds
            let record = try JSONEncoder().encode(identity)
            _ = try await store.transaction(
                [.unchanged(entry.key, modRevision: entry.modRevision)], [.put(entry.key, Array(record))])
        } catch let error as JoinError {
            throw error
        } catch {
            throw .storage("\(error)")
        }
        revoked.withLock { _ = $0.insert(host) }
    }
}
