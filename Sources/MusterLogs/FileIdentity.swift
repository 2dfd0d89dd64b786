package import MusterModel

/// Which file on a machine: numbers that survive a rename. An inode alone is not enough, it is given again to the next
/// file; the time of birth, where the file system knows it, and the content markers tell the two apart.
package struct FileIdentity: Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64
    /// Nanoseconds since 1970; 0 when the file system does not know.
    package var birth: Int64

    package init(device: UInt64, inode: UInt64, birth: Int64) {
        self.device = device
        self.inode = inode
        self.birth = birth
    }
}

/// A few bytes of a file, kept as length and hash: the file still holds what was read when they still match.
package struct ContentMarker: Hashable, Sendable {
    package let length: Int
    package let hash: UInt64

    package static let none = ContentMarker(length: 0, hash: 0)

    init(length: Int, hash: UInt64) {
        self.length = length
        self.hash = hash
    }

    /// FNV-1a over the bytes.
    package init(_ bytes: UnsafeRawBufferPointer) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in 0..<bytes.count { unsafe hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3 }
        length = bytes.count
        self.hash = hash
    }

    package init(_ bytes: [UInt8]) {
        self = unsafe bytes.withUnsafeBytes { unsafe ContentMarker($0) }
    }
}

/// How a file's bytes become lines.
package enum LogFileKind: UInt8, Sendable {
    case plain = 0
    case dockerJSON = 1
}

/// A file of which the ledger keeps account. A truncated file is a new one.
package struct TailedSource: Equatable, Sendable {
    /// Names a source within one journal.
    package struct ID: Hashable, Comparable, Sendable, CustomStringConvertible {
        package let number: UInt64
        package static func < (a: ID, b: ID) -> Bool { a.number < b.number }
        package var description: String { "source \(number)" }
    }

    package enum Presence: Equatable, Sendable {
        case present
        /// Not found under any name.
        case vanished(since: Instant)
        /// Deleted and read to its end, or truncated: nothing of it can be read again.
        case gone
    }

    package let id: ID
    package var identity: FileIdentity
    package var kind: LogFileKind
    /// Where it was last seen.
    package var path: String
    /// The labels of its lines.
    package var labels: Labels
    package var head: ContentMarker
    /// The bytes before `read`.
    package var tail: ContentMarker
    /// Offset up to which blocks are cut.
    package var read: UInt64
    /// Offset up to which blocks are durable at the coordinator.
    package var acknowledged: UInt64
    package var presence: Presence = .present
}

/// A block's place in its file.
package struct TailedRange: Equatable, Sendable {
    package var sequence: UInt64
    package var source: TailedSource.ID
    package var start: UInt64
    package var end: UInt64
    package var lineCount: Int
    /// The time its lines got when they had none of their own.
    package var arrival: Instant
    /// The bytes before `end`.
    package var tail: ContentMarker

    package init(
        sequence: UInt64, source: TailedSource.ID, start: UInt64, end: UInt64, lineCount: Int, arrival: Instant,
        tail: ContentMarker
    ) {
        self.sequence = sequence
        self.source = source
        self.start = start
        self.end = end
        self.lineCount = lineCount
        self.arrival = arrival
        self.tail = tail
    }
}
