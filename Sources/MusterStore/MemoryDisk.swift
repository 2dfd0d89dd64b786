/// The state behind `MemoryFileIO`: inodes with pending changes, and names with their durable versions.
struct MemoryDisk {
    enum Change {
        case write(offset: Int, bytes: [UInt8])
        case truncate(Int)
    }

    struct Inode {
        /// The page cache.
        var content: [UInt8] = []
        var durable: [UInt8] = []
        /// What separates the two; any part of it may reach the disk by itself.
        var pending: [Change] = []
        var lockedBy: Int?
    }

    var generator: SplitMix64
    var inodes: [Int: Inode] = [:]
    var names: [String: Int] = [:]
    var durableNames: [String: Int] = [:]
    var directories: Set<String> = ["/", "."]
    var durableDirectories: Set<String> = ["/", "."]
    /// Open file number -> inode.
    var open: [Int: Int] = [:]
    var faults: [MemoryFileIO.Fault] = []
    var capacity: Int?
    var operationCount = 0
    var syncCount = 0
    var longestRead = 0
    private(set) var peakBytes = 0
    private var nextNumber = 1

    init(generator: SplitMix64) { self.generator = generator }

    var usedBytes: Int { Set(names.values).reduce(0) { $0 + (inodes[$1]?.content.count ?? 0) } }

    static func missing(_ operation: String, _ path: String) -> StoreError {
        StoreError(.notFound, operation: operation, path: path, detail: "no such file or directory")
    }

    static func injected(_ cause: StoreError.Cause, _ operation: MemoryFileIO.Operation, _ path: String) -> StoreError {
        StoreError(cause, operation: "\(operation)", path: path, detail: "injected fault")
    }

    /// Counts a call and throws when a fault is due before it.
    mutating func step(_ operation: MemoryFileIO.Operation, _ path: String) throws(StoreError) {
        operationCount += 1
        for fault in faults where fault.operation == nil || fault.operation == operation {
            switch fault.effect {
            case .fails(let cause):
                if operationCount == fault.at || fault.isLasting && operationCount > fault.at {
                    throw Self.injected(cause, operation, path)
                }
            case .processDies:
                if operationCount > fault.at { throw Self.injected(.closed, operation, path) }
            }
        }
    }

    func inode(of file: OpenFile) throws(StoreError) -> Inode {
        guard let number = open[file.number], let inode = inodes[number] else {
            throw StoreError(.closed, operation: "use", path: file.path, detail: "the file was open before the crash")
        }
        return inode
    }

    mutating func addFile(_ path: String) {
        let number = nextNumber
        nextNumber += 1
        inodes[number] = Inode()
        names[path] = number
    }

    mutating func openFile(_ path: String, _ mode: OpenMode) throws(StoreError) -> Int {
        try step(.open, path)
        let exists = names[path] != nil
        switch mode {
        case .read, .readWrite:
            if !exists { throw Self.missing("open", path) }
        case .create:
            if exists { throw StoreError(.alreadyExists, operation: "open", path: path, detail: "file exists") }
        case .createOrOpen: break
        }
        if !exists {
            guard directories.contains(MemoryFileIO.parent(of: path)) else { throw Self.missing("open", path) }
            addFile(path)
        }
        let number = nextNumber
        nextNumber += 1
        open[number] = names[path]
        return number
    }

    mutating func closeFile(_ number: Int) {
        guard let inode = open.removeValue(forKey: number) else { return }
        if inodes[inode]?.lockedBy == number { inodes[inode]?.lockedBy = nil }
        forget()
    }

    /// Drops content that has neither a name nor an open file.
    private mutating func forget() {
        let needed = Set(names.values).union(durableNames.values).union(open.values)
        inodes = inodes.filter { needed.contains($0.key) }
    }

    mutating func lock(_ file: OpenFile) throws(StoreError) {
        try step(.lock, file.path)
        _ = try inode(of: file)
        guard let number = open[file.number] else { return }
        if let holder = inodes[number]?.lockedBy, holder != file.number {
            throw StoreError(.locked, operation: "lock", path: file.path, detail: "somebody else holds it")
        }
        inodes[number]?.lockedBy = file.number
    }

    mutating func write(_ file: OpenFile, _ offset: Int, _ bytes: [UInt8]) throws(StoreError) {
        do throws(StoreError) {
            try step(.write, file.path)
        } catch  where error.cause == .diskFull || error.cause == .inputOutput {
            // A real disk may have taken a part of the bytes before it failed.
            try change(file, .write(offset: offset, bytes: Array(bytes.prefix(bytes.count / 2))))
            throw error
        }
        let growth = max(0, offset + bytes.count - (try inode(of: file).content.count))
        if let capacity, usedBytes + growth > capacity {
            let fits = max(0, bytes.count - (usedBytes + growth - capacity))
            try change(file, .write(offset: offset, bytes: Array(bytes.prefix(fits))))
            throw StoreError(.diskFull, operation: "write", path: file.path, detail: "no space left on device")
        }
        try change(file, .write(offset: offset, bytes: bytes))
    }

    mutating func change(_ file: OpenFile, _ change: Change) throws(StoreError) {
        _ = try inode(of: file)
        guard let number = open[file.number] else { return }
        Self.apply(change, to: &inodes[number, default: Inode()].content)
        inodes[number]?.pending.append(change)
        peakBytes = max(peakBytes, usedBytes)
    }

    mutating func sync(_ file: OpenFile) throws(StoreError) {
        do throws(StoreError) {
            try step(.sync, file.path)
        } catch {
            // As on Linux: the pages count as clean after the error, and the next fdatasync would report success.
            if error.cause != .closed, let number = open[file.number] { inodes[number]?.pending.removeAll() }
            throw error
        }
        let inode = try inode(of: file)
        guard let number = open[file.number] else { return }
        syncCount += 1
        for change in inode.pending { Self.apply(change, to: &inodes[number, default: Inode()].durable) }
        inodes[number]?.pending.removeAll()
    }

    mutating func syncDirectory(_ path: String) throws(StoreError) {
        try step(.syncDirectory, path)
        guard directories.contains(path) else { throw Self.missing("sync", path) }
        let inside = { (name: String) in MemoryFileIO.parent(of: name) == path }
        durableNames = durableNames.filter { !inside($0.key) }
        for (name, inode) in names where inside(name) { durableNames[name] = inode }
        for directory in directories where inside(directory) { durableDirectories.insert(directory) }
        forget()
    }

    mutating func edit(_ path: String, _ body: (inout [UInt8]) -> Void) {
        guard let number = names[path] else { return }
        var inode = inodes[number] ?? Inode()
        body(&inode.content)
        inode.durable = inode.content
        inode.pending.removeAll()
        inodes[number] = inode
    }

    mutating func closeAll() {
        open.removeAll()
        for number in inodes.keys { inodes[number]?.lockedBy = nil }
        forget()
    }

    static func apply(_ change: Change, to content: inout [UInt8]) {
        switch change {
        case .write(let offset, let bytes):
            if content.count < offset + bytes.count {
                content.append(contentsOf: repeatElement(0, count: offset + bytes.count - content.count))
            }
            content.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        case .truncate(let size):
            if content.count > size {
                content.removeLast(content.count - size)
            } else {
                content.append(contentsOf: repeatElement(0, count: size - content.count))
            }
        }
    }
}

extension MemoryDisk {
    /// Power loss: decides for every unsynced change and name what reached the disk.
    mutating func crash(using generator: inout some RandomNumberGenerator) {
        for path in Set(names.keys).union(durableNames.keys).sorted() where names[path] != durableNames[path] {
            if Bool.random(using: &generator) { durableNames[path] = names[path] }
        }
        for path in directories.subtracting(durableDirectories).sorted() where Bool.random(using: &generator) {
            durableDirectories.insert(path)
        }
        for number in inodes.keys.sorted() {
            guard var inode = inodes[number] else { continue }
            for change in inode.pending { Self.applyTorn(change, to: &inode.durable, using: &generator) }
            inodes[number] = Inode(content: inode.durable, durable: inode.durable)
        }
        directories = durableDirectories.filter { path in
            var parent = path
            while parent != "/", parent != "." {
                parent = MemoryFileIO.parent(of: parent)
                if !durableDirectories.contains(parent) { return false }
            }
            return true
        }
        durableDirectories = directories
        durableNames = durableNames.filter { directories.contains(MemoryFileIO.parent(of: $0.key)) }
        names = durableNames
        faults.removeAll()
        closeAll()
    }

    /// One unsynced change: lost, kept, kept in part, or its length kept without its bytes.
    private static func applyTorn(
        _ change: Change, to content: inout [UInt8], using generator: inout some RandomNumberGenerator
    ) {
        switch (Int.random(in: 0..<4, using: &generator), change) {
        case (0, _): break
        case (1, .write(let offset, let bytes)):
            let kept = Int.random(in: 0...bytes.count, using: &generator)
            apply(.write(offset: offset, bytes: Array(bytes.prefix(kept))), to: &content)
        case (2, .write(let offset, let bytes)):
            let missing = offset + bytes.count - content.count
            if missing > 0 { content.append(contentsOf: repeatElement(0, count: missing)) }
        default: apply(change, to: &content)
        }
    }
}
