import Glibc
import MusterLogs
import MusterModel

/// A file as the loop knows it between two visits.
struct TailedFile {
    enum Place: Equatable {
        /// A known path leads to it.
        case named
        /// Moved out of sight, or from an earlier run and not found yet.
        case detached(since: Instant)
        /// Deleted; the open descriptor is all there is.
        case unlinked
    }

    let id: TailedSource.ID
    let identity: FileIdentity
    let kind: LogFileKind
    /// The path under which it was discovered: what its lines are labelled with.
    let origin: String
    var path: String
    var labels: Labels
    var place: Place
    /// -1 when closed.
    var descriptor: Int32 = -1
    /// Up to here the bytes are in blocks or held no line.
    var offset: UInt64
    /// At most `LogLimits.tailMarkerBytes` before the offset.
    var tail: [UInt8] = []
    /// Nothing but NULs so far.
    var isAtHead: Bool
    var hasHead: Bool
    /// Of an earlier run and not yet compared with the file's content.
    var needsCheck = false
    /// No source wants it: it is not read on.
    var isRetired = false
    /// Which source it is of; nil for a file that none wants.
    var source: Int?
    /// Its last event waits for more lines; behind it nothing is unfinished.
    var holdsEvent = false
    /// When to visit it; nil while nothing happens.
    var due: Instant?
    var lastVisit = Instant.distantPast
    var lastGrowth: Instant
    /// Bytes of the unfinished line at its end when it was last read.
    var partialBytes = 0
    var lastUse: UInt64 = 0

    var isOpen: Bool { descriptor >= 0 }
}

/// A file's place in a file system, by which names are recognised.
struct InodeKey: Hashable {
    var device: UInt64
    var inode: UInt64

    init(_ identity: FileIdentity) {
        device = identity.device
        inode = identity.inode
    }
}

enum Descriptor {
    /// Opens for reading; never blocks on a pipe, never becomes a terminal's owner.
    static func open(_ path: String) throws(FileFacts.Failure) -> Int32 {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw FileFacts.Failure(code: errno) }
        return descriptor
    }

    /// Reads at an offset until the buffer is full or the file ends.
    static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(FileFacts.Failure) -> Int {
        var count = 0
        while count < buffer.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            let got = unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(count))
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw FileFacts.Failure(code: errno)
            }
            count += got
        }
        return count
    }
}
