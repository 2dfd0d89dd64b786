import Synchronization

/// A simulated disk for tests and the simulation: a page cache over durable content, a directory cache over durable
/// names, faults at the nth call, and crashes that keep, tear, zero or lose whatever was not synced, chosen by a seed.
/// The same calls with the same seed always give the same disk.
///
/// The model is harsher than a journaling file system: unsynced writes survive in any combination, and each name that
/// was changed without `syncDirectory` is old or new independently of the others.
package final class MemoryFileIO: FileIO {
    private let disk: Mutex<MemoryDisk>

    package init(seed: UInt64 = 1) { disk = Mutex(MemoryDisk(generator: SplitMix64(seed))) }

    /// Calls so far that a fault could have hit; the unit of `Fault.at` and of a crash sweep.
    package var operationCount: Int { disk.withLock { $0.operationCount } }
    package var syncCount: Int { disk.withLock { $0.syncCount } }
    /// Bytes of all files with a name, as the running process sees them.
    package var usedBytes: Int { disk.withLock { $0.usedBytes } }
    /// The largest value `usedBytes` ever had.
    package var peakBytes: Int { disk.withLock { $0.peakBytes } }
    package var fileCount: Int { disk.withLock { $0.names.count } }
    package var openCount: Int { disk.withLock { $0.open.count } }
    /// The longest single read; shows that memory is bounded.
    package var longestRead: Int { disk.withLock { $0.longestRead } }

    /// One fault: the call `at` (counted from 1 like `operationCount`) fails, or that call and all later ones.
    package func inject(_ fault: Fault) { disk.withLock { $0.faults.append(fault) } }
    package func clearFaults() { disk.withLock { $0.faults.removeAll() } }

    /// Room on the disk; a write that does not fit stores what fits and fails with "no space".
    package func setCapacity(bytes: Int?) { disk.withLock { $0.capacity = bytes } }

    /// Power loss now. Files that were open stay useless.
    package func crash(using generator: inout some RandomNumberGenerator) {
        disk.withLock { $0.crash(using: &generator) }
    }

    /// Loses nothing but open files and locks: the process was killed, the kernel lives on.
    package func kill() { disk.withLock { $0.closeAll() } }

    /// Damages content at rest. `offset` counts bytes from the start of the file.
    package func flipBit(_ path: String, offset: Int, bit: Int) {
        disk.withLock { $0.edit(path) { $0[offset] ^= 1 << UInt8(bit & 7) } }
    }

    /// Replaces the content of a file at rest, making it when it does not exist.
    package func setContent(_ path: String, _ bytes: [UInt8]) {
        disk.withLock { disk in
            if disk.names[path] == nil { disk.addFile(path) }
            disk.edit(path) { $0 = bytes }
            disk.durableNames[path] = disk.names[path]
        }
    }

    /// The content as the running process sees it, nil when there is no such file.
    package func content(_ path: String) -> [UInt8]? {
        disk.withLock { disk in disk.names[path].flatMap { disk.inodes[$0]?.content } }
    }

    // MARK: FileIO

    package func open(_ path: String, _ mode: OpenMode) throws(StoreError) -> OpenFile {
        let number = try disk.withLock { disk throws(StoreError) in try disk.openFile(path, mode) }
        return OpenFile(number: number, path: path, io: self)
    }

    package func close(_ number: Int) { disk.withLock { $0.closeFile(number) } }

    package func read(
        _ file: OpenFile, at offset: Int, count: Int, into buffer: inout [UInt8]
    ) throws(StoreError) -> Int {
        let content = try disk.withLock { disk throws(StoreError) in
            try disk.step(.read, file.path)
            disk.longestRead = max(disk.longestRead, count)
            return try disk.inode(of: file).content
        }
        let available = min(count, content.count - offset)
        guard available > 0 else { return 0 }
        buffer.replaceSubrange(0..<available, with: content[offset..<(offset + available)])
        return available
    }

    package func write(_ file: OpenFile, at offset: Int, _ bytes: [UInt8]) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in try disk.write(file, offset, bytes) }
    }

    package func size(_ file: OpenFile) throws(StoreError) -> Int {
        try disk.withLock { disk throws(StoreError) in
            try disk.step(.read, file.path)
            return try disk.inode(of: file).content.count
        }
    }

    package func truncate(_ file: OpenFile, to size: Int) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in
            try disk.step(.truncate, file.path)
            try disk.change(file, .truncate(size))
        }
    }

    package func syncData(_ file: OpenFile) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in try disk.sync(file) }
    }

    package func lock(_ file: OpenFile) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in try disk.lock(file) }
    }

    package func syncDirectory(_ path: String) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in try disk.syncDirectory(path) }
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in
            try disk.step(.makeDirectory, path)
            disk.directories.insert(path)
        }
    }

    package func list(_ path: String) throws(StoreError) -> [String] {
        try disk.withLock { disk throws(StoreError) in
            try disk.step(.list, path)
            guard disk.directories.contains(path) else { throw MemoryDisk.missing("list", path) }
            let children = disk.names.keys.filter { Self.parent(of: $0) == path }
            let folders = disk.directories.filter { $0 != path && Self.parent(of: $0) == path }
            return (children + folders).map { String($0.dropFirst(path == "/" ? 1 : path.count + 1)) }.sorted()
        }
    }

    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in
            try disk.step(.rename, path)
            guard let inode = disk.names.removeValue(forKey: path) else { throw MemoryDisk.missing("rename", path) }
            disk.names[newPath] = inode
        }
    }

    package func unlink(_ path: String) throws(StoreError) {
        try disk.withLock { disk throws(StoreError) in
            try disk.step(.unlink, path)
            guard disk.names.removeValue(forKey: path) != nil else { throw MemoryDisk.missing("remove", path) }
        }
    }

    package func randomWord() -> UInt64 { disk.withLock { $0.generator.next() } }
}

extension MemoryFileIO {
    package enum Operation: Hashable, Sendable, CaseIterable {
        case open, read, write, truncate, sync, lock, syncDirectory, makeDirectory, list, rename, unlink
    }

    package struct Fault: Sendable {
        package enum Effect: Equatable, Sendable {
            case fails(StoreError.Cause)
            /// The call is done and the process dies behind it: this and every later call throws `.closed`.
            case processDies
        }

        /// The call to fail, counted from 1 since the disk was made.
        package var at: Int
        /// Only calls of this kind fail; nil for any kind. The count is of all kinds.
        package var operation: Operation?
        package var effect: Effect
        /// Later calls fail as well until `clearFaults()`.
        package var isLasting: Bool

        package init(at: Int, operation: Operation? = nil, effect: Effect, isLasting: Bool = false) {
            self.at = at
            self.operation = operation
            self.effect = effect
            self.isLasting = isLasting || effect == .processDies
        }
    }
}

/// The usual small seeded generator (Steele, Lea and Flood 2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
