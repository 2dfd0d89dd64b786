import GRDB
import MusterModel

/// Why the control store refused or failed.
package enum ControlStoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A precondition does not hold: `actual` is the key's revision now, nil when it does not exist.
    case conflict(key: String, actual: UInt64?)
    /// The history begins behind `oldest`; list again and watch from the listing's revision.
    case compacted(oldest: UInt64)
    /// The revision lies in the future of this store: it was restored from an older copy.
    case futureRevision(asked: UInt64, current: UInt64)
    case invalid(String)
    case tooLarge(String, limit: Int)
    case diskFull(path: String)
    /// Another process has the store open.
    case locked(path: String)
    case newerSchema(path: String, found: Int, supported: Int)
    case damaged(path: String, String)
    case closed(path: String)
    /// The task that asked was cancelled; whether the transaction was applied is not known.
    case cancelled
    case engine(path: String, String)

    package var description: String {
        switch self {
        case .conflict(let key, let actual?): "'\(key)' was changed at revision \(actual); read it again and retry"
        case .conflict(let key, nil): "'\(key)' does not exist; read again and retry"
        case .compacted(let oldest): "the history begins behind revision \(oldest); list again and watch from there"
        case .futureRevision(let asked, let current):
            "revision \(asked) is not known, the store is at \(current); was it restored from a copy? List again"
        case .invalid(let what): what
        case .tooLarge(let what, let limit): "\(what) is over the limit of \(limit)"
        case .diskFull(let path): "no space left for \(path); free space or raise its limit, then retry"
        case .locked(let path): "another process uses \(path); stop it or choose another data directory"
        case .newerSchema(let path, let found, let supported):
            "\(path) has schema \(found), this version knows \(supported); run the newer version. Nothing was changed"
        case .damaged(let path, let text): "\(path) is damaged (\(text)); restore it from a backup"
        case .closed(let path): "\(path) was closed"
        case .cancelled: "the request was cancelled; read again to see whether it was applied"
        case .engine(let path, let text): "\(path): \(text)"
        }
    }

    /// What an error of the database means.
    init(_ error: any Error, path: String) {
        switch error {
        case let error as ControlStoreError: self = error
        case is CancellationError: self = .cancelled
        case let error as DatabaseError:
            switch error.resultCode {
            case .SQLITE_FULL: self = .diskFull(path: path)
            case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(path: path)
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(path: path, error.message ?? "\(error.resultCode)")
            case .SQLITE_MISUSE: self = .closed(path: path)
            default: self = .engine(path: path, error.message ?? "\(error)")
            }
        default: self = .engine(path: path, "\(error)")
        }
    }
}
