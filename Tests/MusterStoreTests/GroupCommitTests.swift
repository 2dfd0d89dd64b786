import Foundation
import Glibc
import MusterModel
import MusterStore
import MusterTestKit
import Synchronization
import Testing

/// Collects completions; `wait` returns when there are enough, or fails the test after its bound.
final class Completions: Sendable {
    private let outcomes = Mutex<[(UInt64, Result<SegmentPosition, StoreError>)]>([])

    func note(_ sequence: UInt64) -> GroupCommit.Completion {
        { outcome in self.outcomes.withLock { $0.append((sequence, outcome)) } }
    }

    var sequences: [UInt64] { outcomes.withLock { $0.map(\.0) } }
    var positions: [SegmentPosition] { outcomes.withLock { $0.compactMap { try? $0.1.get() } } }
    var failures: [StoreError] {
        outcomes.withLock { all in
            all.compactMap { if case .failure(let error) = $0.1 { error } else { nil } }
        }
    }
}

/// Holds every sync until it is let go, and counts them.
final class GatedFileIO: FileIO {
    private let base: MemoryFileIO
    private let gate = Mutex((isClosed: false, waiting: 0))
    private let changed = NSCondition()

    init(_ base: MemoryFileIO) { self.base = base }

    func shut() { gate.withLock { $0.isClosed = true } }
    func openGate() {
        gate.withLock { $0.isClosed = false }
        changed.lock()
        changed.broadcast()
        changed.unlock()
    }
    var waiting: Int { gate.withLock { $0.waiting } }

    func syncData(_ file: OpenFile) throws(StoreError) {
        gate.withLock { $0.waiting += 1 }
        changed.lock()
        while gate.withLock({ $0.isClosed }) { changed.wait() }
        changed.unlock()
        gate.withLock { $0.waiting -= 1 }
        try base.syncData(file)
    }

    func open(_ path: String, _ mode: OpenMode) throws(StoreError) -> OpenFile { try base.open(path, mode) }
    func close(_ number: Int) { base.close(number) }
    func read(_ file: OpenFile, at offset: Int, count: Int, into buffer: inout [UInt8]) throws(StoreError) -> Int {
        try base.read(file, at: offset, count: count, into: &buffer)
    }
    func write(_ file: OpenFile, at offset: Int, _ bytes: [UInt8]) throws(StoreError) {
        try base.write(file, at: offset, bytes)
    }
    func size(_ file: OpenFile) throws(StoreError) -> Int { try base.size(file) }
    func truncate(_ file: OpenFile, to size: Int) throws(StoreError) { try base.truncate(file, to: size) }
    func lock(_ file: OpenFile) throws(StoreError) { try base.lock(file) }
    func syncDirectory(_ path: String) throws(StoreError) { try base.syncDirectory(path) }
    func makeDirectory(_ path: String) throws(StoreError) { try base.makeDirectory(path) }
    func list(_ path: String) throws(StoreError) -> [String] { try base.list(path) }
    func rename(_ path: String, to newPath: String) throws(StoreError) { try base.rename(path, to: newPath) }
    func unlink(_ path: String) throws(StoreError) { try base.unlink(path) }
    func randomWord() -> UInt64 { base.randomWord() }
}

struct GroupCommitTests {
    let memory = MemoryFileIO()
    let completions = Completions()

    func makeLog(_ io: any FileIO, maxBytes: Int = 1 << 30, segmentBytes: Int = 1 << 20) throws -> SegmentLog {
        try SegmentLog.open(
            directory: "/log", io: io, settings: SegmentLog.Settings(segmentBytes: segmentBytes, maxBytes: maxBytes)
        ).log
    }

    @Test func aCompletedRecordIsDurableAndCompletionsComeInOrder() async throws {
        let log = try makeLog(memory)
        let commit = try GroupCommit(log: log)
        for sequence in 1...500 as ClosedRange<UInt64> {
            #expect(commit.submit(Sample.record(sequence), completion: completions.note(sequence)) == .accepted)
        }
        await commit.drain()
        #expect(completions.sequences == Array(1...500))
        #expect(completions.positions == completions.positions.sorted())
        #expect(completions.positions.count == 500)
        #expect(commit.queuedBytes == 0)
        var generator = SplitMix64(3)
        memory.crash(using: &generator)
        #expect(try makeLog(memory).contents() == Array(1...500))
    }

    @Test func recordsThatArriveWhileASyncRunsShareTheNextOne() async throws {
        let io = GatedFileIO(memory)
        let commit = try GroupCommit(log: try makeLog(io))
        _ = commit.submit(Sample.record(1), completion: completions.note(1))
        await commit.drain()
        io.shut()
        _ = commit.submit(Sample.record(2), completion: completions.note(2))
        try await eventually("the lone record is committed at once") { io.waiting == 1 }
        for sequence in 3...100 as ClosedRange<UInt64> {
            _ = commit.submit(Sample.record(sequence), completion: completions.note(sequence))
        }
        #expect(completions.sequences == [1], "a record was completed before its sync returned")
        io.openGate()
        await commit.drain()
        #expect(completions.sequences == Array(1...100))
        #expect(commit.commits == 3)
    }

    @Test func nobodyCanAskForALongerWaitThanTheLimit() {
        #expect(GroupCommit.Settings(gather: .seconds(1)).gather == Limits.groupCommitDelay)
        #expect(Limits.groupCommitDelay == .milliseconds(20))
    }

    @Test func theQueueIsBoundedAndTellsWhenToStopAndWhenToGoOn() async throws {
        let io = GatedFileIO(memory)
        let relieved = Mutex(0)
        let settings = GroupCommit.Settings(queueBytes: 10_000, batchBytes: 2_000)
        let log = try makeLog(io)
        let commit = try GroupCommit(log: log, settings: settings) { relieved.withLock { $0 += 1 } }
        io.shut()
        var answers: [GroupCommit.Admission] = []
        for sequence in 1...40 as ClosedRange<UInt64> {
            answers.append(commit.submit(Sample.record(sequence, bytes: 500), completion: completions.note(sequence)))
            #expect(commit.queuedBytes <= 10_000)
        }
        #expect(answers.first == .accepted)
        #expect(answers.contains(.acceptedUnderPressure))
        #expect(answers.last == .refused)
        let accepted = answers.filter { $0 != .refused }.count
        #expect(relieved.withLock { $0 } == 0)
        io.openGate()
        await commit.drain()
        try await eventually("somebody says that there is room again") { relieved.withLock { $0 } == 1 }
        #expect(completions.sequences == Array(1...UInt64(accepted)))
        #expect(commit.submit(Sample.record(99), completion: completions.note(99)) == .accepted)
        await commit.close()
        #expect(completions.sequences.last == 99)
    }

    @Test func aFailedSyncFailsItsRecordsAndTheNextOnesSucceed() async throws {
        let io = GatedFileIO(memory)
        let log = try makeLog(io)
        let commit = try GroupCommit(log: log)
        _ = commit.submit(Sample.record(1), completion: completions.note(1))
        await commit.drain()
        memory.inject(
            MemoryFileIO.Fault(at: memory.operationCount + 2, operation: .sync, effect: .fails(.inputOutput)))
        _ = commit.submit(Sample.record(2), completion: completions.note(2))
        await commit.drain()
        #expect(completions.failures.map(\.cause) == [.inputOutput])
        _ = commit.submit(Sample.record(2), completion: completions.note(2))
        await commit.drain()
        #expect(completions.positions.count == 2)
        #expect(try log.contents() == [1, 2])
    }

    @Test func aFullDiskFailsRecordsAndIsLeftBehindByItself() async throws {
        let log = try makeLog(memory)
        let commit = try GroupCommit(log: log)
        memory.setCapacity(bytes: 100)
        for sequence in 1...3 as ClosedRange<UInt64> {
            _ = commit.submit(Sample.record(sequence, bytes: 500), completion: completions.note(sequence))
            await commit.drain()
        }
        #expect(completions.failures.map(\.cause) == [.diskFull, .diskFull, .diskFull])
        memory.setCapacity(bytes: nil)
        _ = commit.submit(Sample.record(4), completion: completions.note(4))
        await commit.drain()
        #expect(try log.contents() == [4])
    }

    @Test func whatWaitsBehindAFailedSyncFailsWithIt() async throws {
        let io = GatedFileIO(memory)
        let log = try makeLog(io)
        let commit = try GroupCommit(log: log)
        _ = commit.submit(Sample.record(1), completion: completions.note(1))
        await commit.drain()
        io.shut()
        _ = commit.submit(Sample.record(2), completion: completions.note(2))
        try await eventually("a sync has begun") { io.waiting == 1 }
        memory.inject(
            MemoryFileIO.Fault(at: memory.operationCount + 1, operation: .sync, effect: .fails(.inputOutput)))
        for sequence in 3...4 as ClosedRange<UInt64> {
            _ = commit.submit(Sample.record(sequence), completion: completions.note(sequence))
        }
        io.openGate()
        await commit.drain()
        #expect(completions.sequences == [1, 2, 3, 4])
        #expect(completions.failures.map(\.cause) == [.inputOutput, .inputOutput, .inputOutput])
        #expect(try log.contents() == [1])
        #expect(commit.queuedBytes == 0)
    }

    @Test func aRecordThatIsTooLargeFailsWithWhatFollowsItAndWhatCameBeforeItIsStored() async throws {
        let io = GatedFileIO(memory)
        let log = try makeLog(io, maxBytes: 20_000, segmentBytes: 5_000)
        let commit = try GroupCommit(log: log)
        _ = commit.submit(Sample.record(1), completion: completions.note(1))
        await commit.drain()
        io.shut()
        _ = commit.submit(Sample.record(2), completion: completions.note(2))
        try await eventually("a sync has begun") { io.waiting == 1 }
        for sequence in 3...5 as ClosedRange<UInt64> {
            let record = Sample.record(sequence, bytes: sequence == 4 ? 30_000 : 10)
            _ = commit.submit(record, completion: completions.note(sequence))
        }
        io.openGate()
        await commit.drain()
        #expect(completions.sequences == [1, 2, 3, 4, 5])
        #expect(completions.failures.map(\.cause) == [.tooLarge, .tooLarge])
        #expect(try log.contents() == [1, 2, 3])
    }

    @Test func retentionIsReported() async throws {
        let removed = Mutex<[SegmentLog.Removed]>([])
        let log = try makeLog(memory, maxBytes: 4_000, segmentBytes: 1_000)
        let commit = try GroupCommit(log: log, onRemoved: { more in removed.withLock { $0 += more } })
        for sequence in 1...100 as ClosedRange<UInt64> {
            _ = commit.submit(Sample.record(sequence), completion: completions.note(sequence))
            await commit.drain()
        }
        #expect(removed.withLock { $0.map(\.segment) } == Array(1...UInt64(removed.withLock { $0.count })))
        #expect(removed.withLock { $0.count } > 5)
        #expect(memory.peakBytes <= 4_000)
    }

    @Test func closingCommitsWhatIsQueuedAndRefusesTheRest() async throws {
        let log = try makeLog(memory)
        let commit = try GroupCommit(log: log)
        for sequence in 1...50 as ClosedRange<UInt64> {
            _ = commit.submit(Sample.record(sequence), completion: completions.note(sequence))
        }
        await commit.close()
        #expect(try log.contents() == Array(1...50))
        #expect(commit.submit(Sample.record(51), completion: completions.note(51)) == .refused)
        #expect(completions.sequences.count == 50)
    }

    @Test func lettingGoOfItStillCommitsWhatIsQueued() async throws {
        let log = try makeLog(memory)
        var commit: GroupCommit? = try GroupCommit(log: log)
        for sequence in 1...50 as ClosedRange<UInt64> {
            _ = commit?.submit(Sample.record(sequence), completion: completions.note(sequence))
        }
        commit = nil
        try await eventually("no queued record is forgotten") { completions.sequences.count == 50 }
        #expect(try log.contents() == Array(1...50))
    }

    @Test func manySubmittersLoseNothing() async throws {
        let log = try makeLog(memory)
        let commit = try GroupCommit(log: log)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 as Range<UInt64> {
                group.addTask {
                    for index in 0..<100 as Range<UInt64> {
                        let sequence = task * 100 + index
                        _ = commit.submit(Sample.record(sequence), completion: completions.note(sequence))
                    }
                }
            }
        }
        await commit.drain()
        #expect(completions.sequences.sorted() == Array(0..<800))
        #expect(try log.contents() == completions.sequences)
    }
}
