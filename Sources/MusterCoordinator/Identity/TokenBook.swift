import Foundation
package import MusterControlStore
package import MusterModel
import MusterTransport
import Synchronization

/// API tokens: 256 random bits, stored only as a SHA-256, shown once. The text ends with a checksum, so that a scanner
/// that finds one in a repository can tell it from noise, and so that a mistyped one is told apart from a revoked one.
package final class TokenBook: Sendable {
    package static let lifetime = Duration.hours(24)
    package static let lifetimeMax = Duration.hours(24 * 366)
    package static let tokensMax = 1_000
    /// `lastUsed` is written at most this often for each token.
    package static let useInterval = Duration.minutes(1)

    package struct Record: Codable, Sendable {
        package var id: String
        package var name: String
        package var role: Role
        package var expiresAt: Int64
        package var lastUsed: Int64?
    }

    private struct Known {
        var record: Record
        /// The `lastUsed` that the store has.
        var storedUse: Int64?
    }

    private let store: any ControlStore
    /// By the hex SHA-256 of the secret.
    private let records: Mutex<[String: Known]>

    private init(store: any ControlStore, records: [String: Known]) {
        self.store = store
        self.records = Mutex(records)
    }

    package static func open(_ store: any ControlStore) async throws -> TokenBook {
        var records: [String: Known] = [:]
        for entry in try await store.list(prefix: "token/").entries {
            let record = try JSONDecoder().decode(Record.self, from: Data(entry.value))
            records[String(entry.key.dropFirst("token/".count))] = Known(record: record, storedUse: record.lastUsed)
        }
        return TokenBook(store: store, records: records)
    }

    /// The token's text, and what is known of it from now on.
    package func create(
        name: String, role: Role, lifetime: Duration, now: Instant
    ) async throws -> (id: String, token: String, expires: Instant) {
        let count = records.withLock { records in
            records = records.filter { now.milliseconds < $0.value.record.expiresAt }
            return records.count
        }
        guard count < Self.tokensMax else {
            throw APIError.conflict(
                "\(Self.tokensMax) tokens exist, which is the limit", hint: "revoke some: muster token list")
        }
        let secret = SecureRandom.bytes(SHA256.byteCount)
        let hash = SHA256.hex(secret)
        let expires = now + min(lifetime, Self.lifetimeMax)
        let record = Record(
            id: "t-\(hash.prefix(12))", name: name, role: role, expiresAt: expires.milliseconds, lastUsed: nil)
        let key = "token/\(hash)"
        _ = try await store.transaction(
            [.absent(key)], [.put(key, Array(try JSONEncoder().encode(record)), expires: expires)])
        records.withLock { $0[hash] = Known(record: record) }
        return (record.id, Self.text(secret), expires)
    }

    /// The role of a valid token, nil for any other.
    package func role(of text: String, now: Instant) -> Role? {
        guard let secret = Self.secret(text) else { return nil }
        // The table is keyed by a hash, so looking it up tells nothing about a secret that is partly right.
        let hash = SHA256.hex(secret)
        return records.withLock { records in
            guard let record = records[hash]?.record, now.milliseconds < record.expiresAt else { return nil }
            records[hash]?.record.lastUsed = now.milliseconds
            return record.role
        }
    }

    package func list(now: Instant) -> [Record] {
        records.withLock { records in
            records.values.map(\.record).filter { now.milliseconds < $0.expiresAt }
                .sorted { ($0.name, $0.id) < ($1.name, $1.id) }
        }
    }

    /// False when there is no such token.
    package func revoke(id: String) async throws -> Bool {
        let hash = records.withLock { records in records.first { $0.value.record.id == id }?.key }
        guard let hash else { return false }
        _ = try await store.transaction([], [.delete("token/\(hash)")])
        records.withLock { $0[hash] = nil }
        return true
    }

    /// Writes down when tokens were used last, each at most once in `useInterval`.
    package func storeUses(now: Instant) async throws {
        let interval = Self.useInterval.nanoseconds / 1_000_000
        let due = records.withLock { records in
            records.filter { _, known in
                guard let used = known.record.lastUsed, now.milliseconds < known.record.expiresAt else { return false }
                return known.storedUse.map { used - $0 >= interval } ?? true
            }
        }
        for (hash, known) in due {
            let key = "token/\(hash)"
            // Revoked meanwhile, it must not come back.
            guard let entry = try await store.get(key) else { continue }
            _ = try await store.transaction(
                [.unchanged(key, modRevision: entry.modRevision)],
                [.put(key, Array(try JSONEncoder().encode(known.record)), expires: entry.expires)])
            records.withLock { $0[hash]?.storedUse = known.record.lastUsed }
        }
    }

    // MARK: Text

    private static func text(_ secret: [UInt8]) -> String {
        let body = Base64URL.encode(secret)
        return "muster_\(body)_\(SHA256.hex(Array(body.utf8)).prefix(6))"
    }

    private static func secret(_ text: String) -> [UInt8]? {
        guard text.hasPrefix("muster_"), text.utf8.count < 128 else { return nil }
        let rest = text.dropFirst("muster_".count)
        guard let split = rest.lastIndex(of: "_") else { return nil }
        let body = rest[..<split]
        guard SHA256.hex(Array(body.utf8)).prefix(6) == rest[rest.index(after: split)...],
            let secret = Base64URL.decode(body), secret.count == SHA256.byteCount
        else { return nil }
        return secret
    }
}
