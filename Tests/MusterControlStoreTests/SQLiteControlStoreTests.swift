import Foundation
import MusterControlStore
import MusterModel
import Testing

/// A directory that is gone with the value.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("muster-control-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Where SQLite keeps them in the first page, big-endian.
private enum HeaderOffset {
    static let userVersion = 60
    static let applicationID = 68
}

private func patch(_ path: String, at offset: Int, _ value: UInt8) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seek(toOffset: UInt64(offset))
    try file.write(contentsOf: Data([0, 0, 0, value]))
    try file.close()
}

struct SQLiteControlStoreTests {
    let directory: ScratchDirectory
    var path: String { directory.path + "/control.db" }

    init() throws { directory = try ScratchDirectory() }

    @Test(arguments: Conformance.all)
    func theConformanceSuiteHolds(conformance: Conformance) async throws {
        let store = try await SQLiteControlStore(path: path)
        try await conformance.check(store)
        try store.close()
    }

    @Test func everythingSurvivesClosingAndOpening() async throws {
        var store = try await SQLiteControlStore(path: path)
        let start = try await store.revision()
        #expect(start == 0)
        for number in 1...20 {
            _ = try await store.transaction([], [.put("k/\(number)", [UInt8(number)], expires: Instant(seconds: 5))])
        }
        let listing = try await store.list(prefix: "")
        try store.close()
        store = try await SQLiteControlStore(path: path)
        #expect(try await store.list(prefix: "") == listing)
        var iterator = try await store.watch(prefix: "k/", after: 10).makeAsyncIterator()
        #expect(try await iterator.next()?.revision == 11)
        #expect(try await store.transaction([], [.delete("k/1")]) == 21)
        try store.close()
    }

    @Test func commitsAreSyncedFully() async throws {
        let store = try await SQLiteControlStore(path: path)
        let (journal, synchronous) = try await store.pragmas()
        #expect(journal == "wal")
        #expect(synchronous == 2)
        try store.close()
    }

    @Test func aSecondOpenerIsToldWhoseFileItIs() async throws {
        let store = try await SQLiteControlStore(path: path)
        let path = path
        await #expect(throws: ControlStoreError.locked(path: path)) { _ = try await SQLiteControlStore(path: path) }
        try store.close()
        try await SQLiteControlStore(path: path).close()
    }

    @Test func aNewerSchemaIsRefusedAndLeftAsItIs() async throws {
        try await SQLiteControlStore(path: path).close()
        try patch(path, at: HeaderOffset.userVersion, 9)
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        let path = path
        await #expect(throws: ControlStoreError.newerSchema(path: path, found: 9, supported: 1)) {
            _ = try await SQLiteControlStore(path: path)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    }

    @Test func aDamagedFileAndAStrangersDatabaseAreRefused() async throws {
        let path = path
        try Data(repeating: 0x41, count: 8_192).write(to: URL(fileURLWithPath: path))
        await #expect {
            _ = try await SQLiteControlStore(path: path)
        } throws: { error in
            if case .damaged(path, _) = error as? ControlStoreError { true } else { false }
        }
        let other = directory.path + "/other.db"
        try await SQLiteControlStore(path: other).close()
        try patch(other, at: HeaderOffset.applicationID, 1)
        await #expect {
            _ = try await SQLiteControlStore(path: other)
        } throws: { error in
            if case .invalid = error as? ControlStoreError { true } else { false }
        }
    }

    @Test func aMissingDirectoryIsNamed() async throws {
        let path = directory.path + "/no/control.db"
        await #expect {
            _ = try await SQLiteControlStore(path: path)
        } throws: { error in
            "\(error)".contains(path)
        }
    }

    @Test func aFullStoreRefusesKeepsWhatItHasAndStillDeletes() async throws {
        let store = try await SQLiteControlStore(path: path, settings: .init(historyRevisions: 5, maxBytes: 400_000))
        var stored = 0
        let path = path
        await #expect(throws: ControlStoreError.diskFull(path: path)) {
            while true {
                _ = try await store.transaction([], [.put("f/\(stored)", [UInt8](repeating: 1, count: 20_000))])
                stored += 1
            }
        }
        #expect(stored > 5)
        #expect(try await store.list(prefix: "f/").entries.count == stored)
        try await store.compact(through: try await store.revision())
        _ = try await store.transaction([], [.delete("f/0"), .delete("f/1")])
        _ = try await store.transaction([], [.put("f/new", [1])])
        try store.close()
    }

    @Test func theHistoryIsBounded() async throws {
        let store = try await SQLiteControlStore(path: path, settings: .init(historyRevisions: 50))
        for number in 1...500 { _ = try await store.transaction([], [.put("b/1", [UInt8(number % 256)])]) }
        #expect(try await store.historyRows() <= 151)
        await #expect(throws: ControlStoreError.self) {
            for try await _ in try await store.watch(prefix: "b/", after: 1) { break }
        }
        var iterator = try await store.watch(prefix: "b/", after: 460).makeAsyncIterator()
        #expect(try await iterator.next()?.revision == 461)
        try store.close()
    }

    @Test func aWatcherThatIsTooSlowIsToldAndOneOfQuietKeysIsNot() async throws {
        let store = try await SQLiteControlStore(path: path, settings: .init(historyRevisions: 10))
        let start = try await store.transaction([], [.put("slow/1", [0]), .put("quiet/1", [0])])
        var slow = try await store.watch(prefix: "slow/", after: start).makeAsyncIterator()
        var quiet = try await store.watch(prefix: "quiet/", after: start).makeAsyncIterator()
        // Both have read once and know where they stand.
        _ = try await store.transaction([], [.put("slow/1", [1]), .put("quiet/1", [1])])
        _ = try await slow.next()
        _ = try await quiet.next()
        for number in 1...400 { _ = try await store.transaction([], [.put("slow/1", [UInt8(number % 256)])]) }
        await #expect {
            _ = try await slow.next()
        } throws: { error in
            if case .compacted = error as? ControlStoreError { true } else { false }
        }
        let last = try await store.transaction([], [.put("quiet/1", [2])])
        #expect(try await quiet.next()?.revision == last)
        try store.close()
    }

    @Test func aRevisionOfTheFutureIsRefused() async throws {
        let store = try await SQLiteControlStore(path: path)
        await #expect(throws: ControlStoreError.futureRevision(asked: 5, current: 0)) {
            _ = try await store.watch(prefix: "", after: 5)
        }
        try store.close()
    }

    @Test func watchesAreLimitedAndGivenBack() async throws {
        let store = try await SQLiteControlStore(path: path)
        var streams: [AsyncThrowingStream<ControlRevision, any Error>] = []
        for _ in 0..<ControlLimit.watches { streams.append(try await store.watch(prefix: "", after: 0)) }
        await #expect(throws: ControlStoreError.self) { _ = try await store.watch(prefix: "", after: 0) }
        streams.removeAll()
        _ = try await store.watch(prefix: "", after: 0)
        try store.close()
    }

    @Test func closingEndsWatchesAndRefusesCalls() async throws {
        let store = try await SQLiteControlStore(path: path)
        let stream = try await store.watch(prefix: "", after: 0)
        let reader = Task { for try await _ in stream {} }
        try store.close()
        // It ends, or says that the store was closed, whichever it saw first.
        _ = await reader.result
        await #expect(throws: ControlStoreError.self) { _ = try await store.revision() }
    }
}
