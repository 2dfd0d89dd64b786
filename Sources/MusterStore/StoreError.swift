import Glibc

/// Why a file operation or a stored value failed: what was done, where, why and what a person can do about it.
package struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Cause: Equatable, Sendable {
        case diskFull
        case readOnly
        case denied
        case notFound
        case alreadyExists
        /// Another process holds the lock.
        case locked
        /// The disk or the file system failed (EIO).
        case inputOutput
        case tooManyFiles
        /// A checksum or a length is wrong.
        case damaged
        /// Written by a newer Muster.
        case newerFormat
        /// More bytes than a named limit allows.
        case tooLarge
        /// A byte budget is used up by what may not be dropped.
        case budget
        /// An earlier fdatasync failed; the file takes no more writes.
        case suspect
        case closed
        case other
    }

    package var cause: Cause
    /// What was attempted, as a verb: `append to`, `sync`.
    package var operation: String
    package var path: String
    /// The errno text, or what is wrong with the bytes.
    package var detail: String

    package init(_ cause: Cause, operation: String, path: String, detail: String) {
        self.cause = cause
        self.operation = operation
        self.path = path
        self.detail = detail
    }

    /// From an errno value of the call that failed.
    package init(errno code: Int32, operation: String, path: String) {
        let text = unsafe String(cString: strerror(code))
        self.init(Self.cause(of: code), operation: operation, path: path, detail: text)
    }

    package static func cause(of code: Int32) -> Cause {
        switch code {
        case ENOSPC, EDQUOT: .diskFull
        case EROFS: .readOnly
        case EACCES, EPERM, ELOOP: .denied
        case ENOENT: .notFound
        case EEXIST: .alreadyExists
        case EWOULDBLOCK: .locked
        case EIO: .inputOutput
        case EMFILE, ENFILE: .tooManyFiles
        default: .other
        }
    }

    /// What a person can do.
    package var wayOut: String {
        switch cause {
        case .diskFull: "free space on that file system or lower the byte budget; Muster continues by itself"
        case .readOnly: "remount the file system for writing and look in the kernel log for the reason"
        case .denied: "give the user Muster runs as access to that path; symbolic links are not followed"
        case .notFound: "restore the file or directory, or start with an empty directory"
        case .alreadyExists: "move the file away; Muster does not overwrite what it did not write"
        case .locked: "stop the other process or give this one its own directory"
        case .inputOutput: "look in the kernel log and check the disk"
        case .tooManyFiles: "raise the limit of open files (LimitNOFILE)"
        case .damaged: "the intact rest stays readable; check the disk"
        case .newerFormat: "run the newer version again or start with another directory; nothing was changed"
        case .tooLarge: "split the value"
        case .budget: "raise the byte budget or restore the connection"
        case .suspect: "the record was not stored and must be sent again; check the disk"
        case .closed: "open it again"
        case .other: "see the error text"
        }
    }

    package var description: String { "cannot \(operation) \(path): \(detail); \(wayOut)" }
}
