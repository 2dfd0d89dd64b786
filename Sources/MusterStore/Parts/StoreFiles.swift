import Synchronization

/// The names that a metric store gives to files.
enum StoreFile: Hashable, Sendable {
    case manifest(UInt64)
    case part(UInt32)
    case catalogue(UInt32)

    static let temporarySuffix = ".tmp"
    static let damagedSuffix = ".damaged"

    var name: String {
        switch self {
        case .manifest(let generation): "MANIFEST-" + Self.hex(generation, 16)
        case .part(let number): Self.hex(UInt64(number), 8) + ".part"
        case .catalogue(let number): Self.hex(UInt64(number), 8) + ".catalogue"
        }
    }

    /// Nil for a name that this type does not give.
    init?(name: String) {
        if let dash = name.firstIndex(of: "-") {
            guard let generation = UInt64(name[name.index(after: dash)...], radix: 16) else { return nil }
            self = .manifest(generation)
        } else {
            let pieces = name.split(separator: ".", omittingEmptySubsequences: false)
            guard pieces.count == 2, let number = UInt32(pieces[0], radix: 16) else { return nil }
            switch pieces[1] {
            case "part": self = .part(number)
            case "catalogue": self = .catalogue(number)
            default: return nil
            }
        }
        guard self.name == name else { return nil }
    }

    private static func hex(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// The directory of a metric store and the bytes that each name in it takes. Every file that grows asks here first, so
/// the limit holds at every moment, temporary files included.
final class StoreFiles: Sendable {
    private struct Ledger: Sendable {
        var bytes: [String: Int] = [:]
        var total = 0
        var maxBytes: Int
        /// Names that no manifest has yet and that somebody is about to put into one.
        var inFlight: Set<String> = []

        mutating func set(_ name: String, _ count: Int?) {
            total += (count ?? 0) - (bytes[name] ?? 0)
            bytes[name] = count
        }
    }

    let directory: String
    let io: any FileIO
    private let ledger: Mutex<Ledger>

    init(directory: String, io: any FileIO, maxBytes: Int) {
        self.directory = directory
        self.io = io
        ledger = Mutex(Ledger(maxBytes: maxBytes))
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    var bytes: Int { ledger.withLock { $0.total } }
    var names: [String] { ledger.withLock { $0.bytes.keys.sorted() } }
    var maxBytes: Int {
        get { ledger.withLock { $0.maxBytes } }
        set { ledger.withLock { $0.maxBytes = newValue } }
    }

    func bytes(of name: String) -> Int? { ledger.withLock { $0.bytes[name] } }

    /// Takes note of what a name takes; nil when it is gone.
    func set(_ name: String, bytes: Int?) { ledger.withLock { $0.set(name, bytes) } }

    /// Room for `growth` more bytes in a file. Throws `.budget`, with nothing changed, beyond the limit.
    func grow(_ name: String, by growth: Int) throws(StoreError) {
        try ledger.withLock { ledger throws(StoreError) in
            try check(growth, ledger.total, ledger.maxBytes, name)
            ledger.set(name, (ledger.bytes[name] ?? 0) + growth)
        }
    }

    /// Throws `.budget` when so many bytes would go beyond the limit.
    func check(_ growth: Int, for name: String) throws(StoreError) {
        try ledger.withLock { ledger throws(StoreError) in
            try check(growth, ledger.total, ledger.maxBytes, name)
        }
    }

    private func check(_ growth: Int, _ total: Int, _ maxBytes: Int, _ name: String) throws(StoreError) {
        let (sum, overflow) = total.addingReportingOverflow(growth)
        guard !overflow, sum <= maxBytes else {
            throw StoreError(
                .budget, operation: "write", path: path(name),
                detail: "\(growth) more bytes; \(total) of \(maxBytes) are taken: the oldest parts must go first")
        }
    }

    func begin(_ name: String) { _ = ledger.withLock { $0.inFlight.insert(name) } }
    func end(_ name: String) { _ = ledger.withLock { $0.inFlight.remove(name) } }

    /// Names that nobody is working on.
    var idleNames: [String] { ledger.withLock { Set($0.bytes.keys).subtracting($0.inFlight).sorted() } }

    /// A name that is gone already is no error.
    func unlink(_ name: String) throws(StoreError) {
        do throws(StoreError) {
            try io.unlink(path(name))
        } catch  where error.cause == .notFound {
            // The outcome is the same.
        }
        ledger.withLock { ledger in
            ledger.set(name, nil)
            ledger.inFlight.remove(name)
        }
    }

    func rename(_ name: String, to newName: String) throws(StoreError) {
        try io.rename(path(name), to: path(newName))
        ledger.withLock { ledger in
            let count = ledger.bytes[name]
            ledger.set(name, nil)
            ledger.set(newName, count)
            if ledger.inFlight.remove(name) != nil { ledger.inFlight.insert(newName) }
        }
    }
}
