package import MusterModel

/// A versioned key-value store with one revision counter. Strictly serialisable: every answer reflects all transactions
/// that returned before the question.
package protocol ControlStore: Sendable {
    /// The revision of the last change; 0 for a new store.
    func revision() async throws(ControlStoreError) -> UInt64

    /// Nil when the key does not exist.
    func get(_ key: String) async throws(ControlStoreError) -> ControlEntry?

    /// All entries whose key begins with `prefix` (all of them for the empty one), by key, with the revision they are
    /// of: a watch from there misses nothing.
    func list(prefix: String) async throws(ControlStoreError) -> ControlListing

    /// Applies all changes or, when a precondition does not hold, none (`.conflict`). Durable when it returns. A
    /// transaction that changes nothing (no changes, or only deletions of absent keys) does not move the revision.
    /// Returns the revision it made or, in that case, the current one.
    func transaction(
        _ preconditions: [ControlPrecondition], _ changes: [ControlChange]
    ) async throws(ControlStoreError) -> UInt64

    /// Every change behind `revision` to keys that begin with `prefix`, in order, one element for each transaction,
    /// until the reader stops. The stream fails with `.compacted` when the reader has fallen behind the history kept:
    /// list again and watch from there.
    func watch(
        prefix: String, after revision: UInt64
    ) async throws(ControlStoreError) -> AsyncThrowingStream<ControlRevision, any Error>

    /// Forgets the history up to and including `revision`; entries stay as they are.
    func compact(through revision: UInt64) async throws(ControlStoreError)

    /// Deletes entries whose `expires` is at or before `now`, as ordinary changes. Returns their keys.
    func expire(now: Instant) async throws(ControlStoreError) -> [String]
}

/// One key and its value.
package struct ControlEntry: Equatable, Sendable {
    package var key: String
    package var value: [UInt8]
    /// Revision of the transaction that made the key, after its last deletion.
    package var createRevision: UInt64
    /// Revision of the last change; what a precondition compares.
    package var modRevision: UInt64
    /// Puts since it was made, from 1.
    package var version: UInt64
    /// Nil for ever.
    package var expires: Instant?

    package init(
        key: String, value: [UInt8], createRevision: UInt64, modRevision: UInt64, version: UInt64,
        expires: Instant? = nil
    ) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.expires = expires
    }
}

/// Entries by key, all as they were at `revision`.
package struct ControlListing: Equatable, Sendable {
    package var entries: [ControlEntry]
    package var revision: UInt64

    package init(entries: [ControlEntry], revision: UInt64) {
        self.entries = entries
        self.revision = revision
    }
}

/// What must still be true when a transaction is applied.
package enum ControlPrecondition: Equatable, Sendable {
    case absent(String)
    /// The key exists and was last changed at that revision.
    case unchanged(String, modRevision: UInt64)

    package var key: String {
        switch self {
        case .absent(let key), .unchanged(let key, _): key
        }
    }
}

/// A transaction may name a key once.
package enum ControlChange: Equatable, Sendable {
    case put(String, [UInt8], expires: Instant? = nil)
    case delete(String)

    package var key: String {
        switch self {
        case .put(let key, _, _), .delete(let key): key
        }
    }
}

/// What one transaction did to the watched keys.
package struct ControlRevision: Equatable, Sendable {
    package enum Event: Equatable, Sendable {
        case put(ControlEntry)
        case deleted(String)
    }

    package var revision: UInt64
    /// In the order of the transaction.
    package var events: [Event]

    package init(revision: UInt64, events: [Event]) {
        self.revision = revision
        self.events = events
    }
}

/// Limits of every engine.
package enum ControlLimit {
    /// 1 to 512 bytes of printable ASCII without space.
    package static let keyBytes = 512
    package static let valueBytes = 1 << 20
    /// Changes, and preconditions, of one transaction.
    package static let changes = 128
    /// Changes a watch reads at a time.
    package static let watchPage = 512
    /// Watches at the same time.
    package static let watches = 4_096

    static func check(_ preconditions: [ControlPrecondition], _ changes: [ControlChange]) throws(ControlStoreError) {
        guard changes.count <= Self.changes, preconditions.count <= Self.changes else {
            throw .tooLarge("a transaction of \(max(changes.count, preconditions.count)) changes", limit: Self.changes)
        }
        for key in preconditions.map(\.key) + changes.map(\.key) { try check(key: key) }
        guard Set(changes.map(\.key)).count == changes.count else {
            throw .invalid("a transaction may change a key only once")
        }
        for case .put(let key, let value, _) in changes where value.count > valueBytes {
            throw .tooLarge("\(value.count) bytes for '\(key)'", limit: valueBytes)
        }
    }

    static func check(key: String) throws(ControlStoreError) {
        guard (1...keyBytes).contains(key.utf8.count), isSpelledWell(key) else {
            throw .invalid("a key is 1 to \(keyBytes) bytes of printable ASCII without space, not '\(key.prefix(80))'")
        }
    }

    static func check(prefix: String) throws(ControlStoreError) {
        guard prefix.utf8.count <= keyBytes, isSpelledWell(prefix) else {
            throw .invalid("a prefix is at most \(keyBytes) bytes of printable ASCII, not '\(prefix.prefix(80))'")
        }
    }

    private static func isSpelledWell(_ text: String) -> Bool { text.utf8.allSatisfy { (0x21...0x7E).contains($0) } }
}
