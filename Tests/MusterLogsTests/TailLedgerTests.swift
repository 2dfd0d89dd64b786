import MusterLogs
import MusterModel
import Testing

@Suite struct TailLedgerTests {
    private let now = Instant(seconds: 1_800_000_000)

    private func identity(_ inode: UInt64) -> FileIdentity { FileIdentity(device: 1, inode: inode, birth: 5) }

    /// A ledger with one source and everything it wanted to be written down.
    private final class Book {
        var ledger = TailLedger()
        var records: [[UInt8]] = []

        func find(_ inode: UInt64, at offset: UInt64 = 0) -> TailedSource.ID? {
            let found = ledger.sourceFound(
                FileIdentity(device: 1, inode: inode, birth: 5), kind: .plain, path: "/log/\(inode)",
                labels: ["path": "/log/\(inode)"], at: offset)
            records += found.records
            return found.source
        }

        @discardableResult
        func cut(_ id: TailedSource.ID, _ start: UInt64, _ end: UInt64) -> UInt64? {
            let cut = ledger.blockCut(
                id, start: start, end: end, lineCount: 3, arrival: Instant(seconds: 9), tail: ContentMarker([1, 2]))
            if let cut { records.append(cut.record) }
            return cut?.sequence
        }

        func recovered() -> TailLedger.Recovery { TailLedger.recovered(from: records) }
    }

    @Test func `sequences count up from one over all sources`() throws {
        let book = Book()
        #expect(book.ledger.isPristine)
        let a = try #require(book.find(1))
        let b = try #require(book.find(2))
        #expect(book.cut(a, 0, 10) == 1)
        #expect(book.cut(b, 0, 10) == 2)
        #expect(book.cut(a, 10, 30) == 3)
        #expect(book.ledger.sources[a]?.read == 30)
        #expect(!book.ledger.isPristine)
    }

    @Test func `an acknowledgement moves every source to the end of its ranges`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        let b = try #require(book.find(2))
        book.cut(a, 0, 10)
        book.cut(b, 0, 7)
        book.cut(a, 12, 30)
        _ = book.ledger.acknowledged(through: 2)
        #expect(book.ledger.sources[a]?.acknowledged == 10)
        #expect(book.ledger.sources[b]?.acknowledged == 7)
        #expect(book.ledger.pending.map(\.sequence) == [3])
        #expect(book.ledger.acknowledged(through: 1).isEmpty)
        _ = book.ledger.acknowledged(through: 3)
        #expect(book.ledger.sources[a]?.acknowledged == 30)
        #expect(book.ledger.pending.isEmpty)
    }

    @Test func `ranges that make no sense are refused`() throws {
        let book = Book()
        let a = try #require(book.find(1, at: 100))
        #expect(book.cut(a, 50, 150) == nil)
        #expect(book.cut(a, 100, 100) == nil)
        #expect(book.cut(a, 200, 150) == nil)
        #expect(book.cut(a, 100, .max) == nil)
        #expect(book.cut(a, 120, 150) == 1)
        #expect(book.ledger.nextSequence == 2)
    }

    @Test func `an acknowledgement of what was never cut counts as strange and changes nothing beyond`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        book.cut(a, 0, 10)
        _ = book.ledger.acknowledged(through: .max)
        #expect(book.ledger.strangeAcknowledgements == 1)
        #expect(book.ledger.acknowledgedSequence == 1)
        #expect(book.cut(a, 10, 20) == 2)
    }

    @Test func `a coordinator that knows more moves the numbering behind its own`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        book.cut(a, 0, 10)
        book.records += book.ledger.welcomed(durable: 500)
        #expect(book.ledger.pending.isEmpty)
        #expect(book.cut(a, 10, 20) == 501)
        #expect(book.recovered().ledger.nextSequence == 502)
        _ = book.ledger.welcomed(durable: .max)
        #expect(book.ledger.nextSequence == 502)
    }

    @Test func `a lost range is counted and its sequence stays unused`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        book.cut(a, 0, 10)
        book.cut(a, 10, 20)
        book.records += book.ledger.rangeLost(1)
        #expect(book.ledger.rangeLost(1).isEmpty)
        #expect(book.ledger.lostRanges == 1)
        #expect(book.ledger.lostLines == 3)
        #expect(book.cut(a, 20, 30) == 3)
        #expect(book.recovered().unacknowledged.map(\.sequence) == [2, 3])
    }

    @Test func `a source that ended is forgotten with its last range`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        let b = try #require(book.find(2))
        book.cut(a, 0, 10)
        book.records += book.ledger.sourceEnded(a)
        book.records += book.ledger.sourceEnded(b)
        #expect(book.ledger.sources[a]?.presence == .gone)
        #expect(book.ledger.sources[b] == nil)
        #expect(book.recovered().ledger.sources[a]?.presence == .gone)
        book.records += book.ledger.acknowledged(through: 1)
        #expect(book.ledger.sources.isEmpty)
        #expect(book.recovered().ledger.sources.isEmpty)
    }

    /// Every event on a source in every state.
    @Test func `the presence of a source follows its table`() throws {
        enum Event: CaseIterable { case changed, vanished, ended, expired }
        let table: [(TailedSource.Presence, Event, TailedSource.Presence?)] = [
            (.present, .changed, .present), (.present, .vanished, .vanished(since: now)), (.present, .ended, .gone),
            (.present, .expired, .present), (.vanished(since: now), .changed, .present),
            (.vanished(since: now), .vanished, .vanished(since: now)), (.vanished(since: now), .ended, .gone),
            (.vanished(since: now), .expired, nil), (.gone, .changed, .gone), (.gone, .vanished, .gone),
            (.gone, .ended, .gone), (.gone, .expired, .gone),
        ]
        #expect(table.count == 3 * Event.allCases.count)
        for (state, event, result) in table {
            let book = Book()
            let id = try #require(book.find(1))
            book.cut(id, 0, 10)
            switch state {
            case .present: break
            case .vanished: book.ledger.sourceVanished(id, now: now)
            case .gone: _ = book.ledger.sourceEnded(id)
            }
            switch event {
            case .changed: _ = book.ledger.sourceChanged(id, path: "/log/new")
            case .vanished: book.ledger.sourceVanished(id, now: now)
            case .ended: _ = book.ledger.sourceEnded(id)
            case .expired: _ = book.ledger.expired(now: now + LogLimits.vanishedRetention)
            }
            #expect(book.ledger.sources[id]?.presence == result, "\(state) \(event)")
        }
    }

    @Test func `a full ledger gives up the file that vanished first, and no other`() throws {
        var ledger = TailLedger(sourceLimit: 2)
        func find(_ inode: UInt64) -> TailedSource.ID? {
            ledger.sourceFound(identity(inode), kind: .plain, path: "/\(inode)", labels: [:], at: 0).source
        }
        let (first, second) = (find(1), find(2))
        let a = try #require(first)
        let b = try #require(second)
        let refused = find(3)
        #expect(refused == nil)
        ledger.sourceVanished(b, now: now)
        ledger.sourceVanished(a, now: now + .seconds(1))
        let third = find(3)
        let c = try #require(third)
        #expect(Set(ledger.sources.keys) == [a, c])
    }

    @Test func `pending ranges have a limit`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        for number in 0..<UInt64(LogLimits.pendingRanges) { book.cut(a, number, number + 1) }
        #expect(!book.ledger.canCut)
        #expect(book.cut(a, 1 << 20, 1 << 21) == nil)
        _ = book.ledger.acknowledged(through: 1)
        #expect(book.ledger.canCut)
    }

    @Test func `a journal gives back the ledger, and so does its snapshot`() throws {
        let book = Book()
        var generator = SeededGenerator(seed: 9)
        var ids: [TailedSource.ID] = []
        for step in 0..<500 {
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: if ids.count < 10, let id = book.find(UInt64(step)) { ids.append(id) }
            case 1:
                if let id = ids.randomElement(using: &generator) {
                    book.records += book.ledger.sourceChanged(id, path: "/p\(step)")
                }
            case 2:
                book.records += book.ledger.acknowledged(
                    through: UInt64.random(in: 0..<book.ledger.nextSequence, using: &generator))
            case 3:
                if let range = book.ledger.pending.randomElement(using: &generator) {
                    book.records += book.ledger.rangeLost(range.sequence)
                }
            case 4 where step % 5 == 0:
                if let id = ids.randomElement(using: &generator) {
                    book.records += book.ledger.sourceEnded(id)
                    ids.removeAll { $0 == id }
                }
            default:
                if let id = ids.randomElement(using: &generator), let read = book.ledger.sources[id]?.read {
                    book.cut(id, read, read + UInt64.random(in: 1...100, using: &generator))
                }
            }
            guard step % 20 == 0 else { continue }
            for records in [book.records, book.ledger.snapshot(), book.records + book.ledger.snapshot()] {
                let recovery = TailLedger.recovered(from: records)
                #expect(recovery.damagedRecords == 0)
                #expect(recovery.ledger.sources == book.ledger.sources)
                #expect(Array(recovery.ledger.pending) == Array(book.ledger.pending))
                #expect(recovery.ledger.nextSequence == book.ledger.nextSequence)
                #expect(recovery.ledger.acknowledgedSequence == book.ledger.acknowledgedSequence)
            }
        }
    }

    @Test func `a damaged record is passed over and its sequence is not given again`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        book.cut(a, 0, 10)
        book.cut(a, 10, 20)
        book.records[2] = [1, 3, 0xff]
        let recovery = book.recovered()
        #expect(recovery.damagedRecords == 1)
        #expect(recovery.unacknowledged.map(\.sequence) == [1])
        #expect(recovery.ledger.nextSequence > 3)
    }

    @Test func `records of another version or from the future are damaged, never a trap`() throws {
        let book = Book()
        let a = try #require(book.find(1))
        book.cut(a, 0, 10)
        book.records += book.ledger.acknowledged(through: 1)
        var generator = SeededGenerator(seed: 21)
        #expect(TailLedger.recovered(from: [[], [2, 1], [1, 99], [1, 1, 0, 0, 0]]).damagedRecords == 4)
        for _ in 0..<20_000 {
            var records = book.records + book.ledger.snapshot()
            let victim = Int.random(in: records.indices, using: &generator)
            let place = Int.random(in: records[victim].indices, using: &generator)
            records[victim][place] = UInt8.random(in: 0...255, using: &generator)
            if Bool.random(using: &generator) { records[victim].removeLast() }
            let recovery = TailLedger.recovered(from: records)
            #expect(recovery.ledger.nextSequence >= 1)
            #expect(recovery.unacknowledged.allSatisfy { $0.start < $0.end })
        }
    }

    @Test func `a path or labels beyond their limits do not enter`() throws {
        var ledger = TailLedger()
        let long = "/" + String(repeating: "x", count: LogLimits.pathBytes)
        let refused = ledger.sourceFound(identity(1), kind: .plain, path: long, labels: [:], at: 0).source
        #expect(refused == nil)
        let found = ledger.sourceFound(identity(1), kind: .plain, path: "/a", labels: [:], at: 0).source
        let id = try #require(found)
        let records = ledger.sourceChanged(id, path: long)
        #expect(records.isEmpty)
    }
}
