import Foundation
import MusterStore
import Testing

/// A directory that is gone with the value.
final class ScratchDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("muster-store-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

enum Engine: CaseIterable {
    case system, memory
}

/// What both engines must do alike.
struct FileIOTests {
    func withEngine(_ engine: Engine, _ body: (any FileIO, String) throws -> Void) throws {
        switch engine {
        case .memory:
            let io = MemoryFileIO()
            try io.makeDirectory("/state")
            try body(io, "/state")
        case .system:
            let directory = try ScratchDirectory()
            try body(SystemFileIO(), directory.path)
        }
    }

    @Test(arguments: Engine.allCases)
    func bytesWrittenAreReadBackAtAnyOffset(engine: Engine) throws {
        try withEngine(engine) { io, directory in
            let file = try io.open("\(directory)/a", .create)
            try io.write(file, at: 0, [1, 2, 3, 4, 5])
            try io.write(file, at: 3, [9, 9, 9])
            var buffer = [UInt8](repeating: 0, count: 10)
            #expect(try io.read(file, at: 1, count: 10, into: &buffer) == 5)
            #expect(Array(buffer[..<5]) == [2, 3, 9, 9, 9])
            #expect(try io.read(file, at: 6, count: 10, into: &buffer) == 0)
            #expect(try io.read(file, at: 100, count: 1, into: &buffer) == 0)
            #expect(try io.size(file) == 6)
            try io.truncate(file, to: 2)
            #expect(try io.size(file) == 2)
            try io.write(file, at: 4, [7])
            #expect(try io.read(file, at: 0, count: 10, into: &buffer) == 5)
            #expect(Array(buffer[..<5]) == [1, 2, 0, 0, 7])
            try io.syncData(file)
            try io.syncDirectory(directory)
        }
    }

    @Test(arguments: Engine.allCases)
    func namesCanBeMadeListedRenamedAndRemoved(engine: Engine) throws {
        try withEngine(engine) { io, directory in
            _ = try io.open("\(directory)/b", .create)
            _ = try io.open("\(directory)/a", .createOrOpen)
            try io.makeDirectories("\(directory)/x/y/z")
            try io.makeDirectories("\(directory)/x/y/z")
            #expect(try io.list(directory) == ["a", "b", "x"])
            #expect(try io.list("\(directory)/x") == ["y"])
            try io.rename("\(directory)/a", to: "\(directory)/b")
            #expect(try io.list(directory) == ["b", "x"])
            try io.unlink("\(directory)/b")
            #expect(try io.list(directory) == ["x"])
        }
    }

    @Test(arguments: Engine.allCases)
    func errorsSayWhatIsWrongWhereAndTheWayOut(engine: Engine) throws {
        try withEngine(engine) { io, directory in
            func cause(_ body: () throws -> Void) -> StoreError.Cause? {
                do { try body() } catch let error as StoreError {
                    #expect(error.description.contains(directory))
                    #expect(error.description.hasSuffix(error.wayOut))
                    return error.cause
                } catch {}
                return nil
            }
            #expect(cause { _ = try io.open("\(directory)/no", .read) } == .notFound)
            #expect(cause { _ = try io.open("\(directory)/no", .readWrite) } == .notFound)
            #expect(cause { _ = try io.open("\(directory)/no/a", .create) } == .notFound)
            #expect(cause { _ = try io.list("\(directory)/no") } == .notFound)
            #expect(cause { try io.unlink("\(directory)/no") } == .notFound)
            #expect(cause { try io.rename("\(directory)/no", to: "\(directory)/yes") } == .notFound)
            _ = try io.open("\(directory)/a", .create)
            #expect(cause { _ = try io.open("\(directory)/a", .create) } == .alreadyExists)
        }
    }

    @Test(arguments: Engine.allCases)
    func aLockIsExclusiveUntilItsFileIsClosed(engine: Engine) throws {
        try withEngine(engine) { io, directory in
            var first: DirectoryLock? = try DirectoryLock(directory: directory + "/state", io: io)
            #expect(first != nil)
            #expect {
                _ = try DirectoryLock(directory: directory + "/state", io: io)
            } throws: { error in
                let text = "\(error)"
                return (error as? StoreError)?.cause == .locked && text.contains(directory + "/state")
                    && text.contains("stop the other process")
            }
            first = nil
            _ = try DirectoryLock(directory: directory + "/state", io: io)
        }
    }

    @Test(arguments: Engine.allCases)
    func anOpenFileOutlivesItsName(engine: Engine) throws {
        try withEngine(engine) { io, directory in
            let file = try io.open("\(directory)/a", .create)
            try io.write(file, at: 0, [1])
            try io.unlink("\(directory)/a")
            var buffer: [UInt8] = [0]
            #expect(try io.read(file, at: 0, count: 1, into: &buffer) == 1)
        }
    }

    @Test func theSystemsFilesArePrivateAndLinksAreNotFollowed() throws {
        let directory = try ScratchDirectory()
        let io = SystemFileIO()
        _ = try io.open("\(directory.path)/a", .create)
        let mode = try FileManager.default.attributesOfItem(atPath: "\(directory.path)/a")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        try FileManager.default.createSymbolicLink(
            atPath: "\(directory.path)/link", withDestinationPath: "\(directory.path)/a")
        #expect {
            _ = try io.open("\(directory.path)/link", .readWrite)
        } throws: {
            ($0 as? StoreError)?.cause == .denied
        }
    }
}

/// The simulated disk itself: what a crash may and may not do.
struct MemoryFileIOTests {
    @Test func whatWasSyncedSurvivesEveryCrash() throws {
        for seed in 0..<200 as Range<UInt64> {
            let io = MemoryFileIO()
            let file = try io.open("/a", .create)
            try io.write(file, at: 0, [1, 2, 3])
            try io.syncData(file)
            try io.syncDirectory("/")
            try io.write(file, at: 3, [4, 5, 6])
            var generator = SplitMix64(seed)
            io.crash(using: &generator)
            #expect(io.content("/a")?.prefix(3) == [1, 2, 3])
        }
    }

    @Test func unsyncedWritesAreLostKeptTornAndZeroedAndNamesComeAndGo() throws {
        var outcomes: Set<[UInt8]?> = []
        for seed in 0..<300 as Range<UInt64> {
            let io = MemoryFileIO()
            let file = try io.open("/a", .create)
            try io.write(file, at: 0, [1, 2])
            var generator = SplitMix64(seed)
            io.crash(using: &generator)
            outcomes.insert(io.content("/a"))
        }
        #expect(outcomes == [nil, [], [1], [1, 2], [0, 0]])
    }

    @Test func theSameSeedGivesTheSameDisk() throws {
        func run() throws -> [UInt8]? {
            let io = MemoryFileIO(seed: 5)
            let file = try io.open("/a", .create)
            for index in 0..<20 { try io.write(file, at: index * 3, [1, 2, 3]) }
            try io.syncDirectory("/")
            var generator = SplitMix64(9)
            io.crash(using: &generator)
            return io.content("/a")
        }
        #expect(try run() == run())
    }

    @Test func aFailedSyncLeavesPagesThatLookCleanAndAreNotDurable() throws {
        let io = MemoryFileIO()
        let file = try io.open("/a", .create)
        try io.syncDirectory("/")
        try io.write(file, at: 0, [1])
        io.inject(MemoryFileIO.Fault(at: io.operationCount + 1, operation: .sync, effect: .fails(.inputOutput)))
        #expect(throws: StoreError.self) { try io.syncData(file) }
        try io.syncData(file)
        #expect(io.content("/a") == [1])
        var generator = SplitMix64(1)
        io.crash(using: &generator)
        #expect(io.content("/a") == [])
    }

    @Test func aFullDiskTakesWhatFits() throws {
        let io = MemoryFileIO()
        io.setCapacity(bytes: 10)
        let file = try io.open("/a", .create)
        try io.write(file, at: 0, [UInt8](repeating: 1, count: 8))
        #expect {
            try io.write(file, at: 8, [2, 2, 2, 2])
        } throws: {
            ($0 as? StoreError)?.cause == .diskFull
        }
        #expect(io.usedBytes == 10)
    }

    @Test func filesOpenBeforeACrashAreUselessBehindIt() throws {
        let io = MemoryFileIO()
        let file = try io.open("/a", .create)
        var generator = SplitMix64(1)
        io.crash(using: &generator)
        #expect(throws: StoreError.self) { try io.write(file, at: 0, [1]) }
        #expect(throws: StoreError.self) { try io.syncData(file) }
    }
}
