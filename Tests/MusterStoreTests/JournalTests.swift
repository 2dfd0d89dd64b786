import MusterModel
import MusterStore
import Testing

struct JournalTests {
    static let path = "/state/steps"
    let io = MemoryFileIO()

    static func open(_ io: any FileIO) throws -> (journal: Journal, recovery: Journal.Recovery) {
        try io.makeDirectories("/state")
        return try Journal.open(path: path, io: io)
    }

    static func record(_ number: UInt64) -> [UInt8] {
        Sample.payload(number, Int(number % 50)) + [UInt8(number & 0xFF)]
    }

    @Test func recordsComeBackInOrder() throws {
        let (journal, recovery) = try Self.open(io)
        #expect(recovery == Journal.Recovery())
        try journal.append([Self.record(1), [], Self.record(2)])
        try journal.append([Self.record(3)])
        try journal.sync()
        #expect(try Self.open(io).recovery.records == [Self.record(1), [], Self.record(2), Self.record(3)])
    }

    @Test func aSnapshotReplacesEverythingAndTheJournalGoesOn() throws {
        let journal = try Self.open(io).journal
        for number in 1...100 as ClosedRange<UInt64> { try journal.append([Self.record(number)]) }
        let before = journal.bytes
        try journal.compact([Self.record(500)])
        #expect(journal.bytes < before)
        try journal.append([Self.record(501)])
        try journal.sync()
        #expect(try Self.open(io).recovery.records == [Self.record(500), Self.record(501)])
        #expect(io.fileCount == 1)
    }

    /// What the journal may hold: the last synced state with any of the appends after it, or the snapshot that was
    /// being written.
    private struct Model {
        var synced: [[UInt8]] = []
        var appended: [[UInt8]] = []
        var snapshot: [[UInt8]]?
    }

    @Test func deathBehindAnyCallLeavesTheOldOrTheNewAndNothingElse() throws {
        try sweepDeaths {
            Model()
        } work: { io, model in
            let journal = try Self.open(io).journal
            for round in 0..<3 as Range<UInt64> {
                for number in 0..<4 as Range<UInt64> {
                    let record = Self.record(round * 10 + number)
                    model.appended.append(record)
                    try journal.append([record])
                    guard number % 2 == 1 else { continue }
                    try journal.sync()
                    model.synced = model.appended
                }
                model.snapshot = [Self.record(100 + round)]
                try journal.compact(model.snapshot ?? [])
                model = Model(synced: model.snapshot ?? [], appended: model.snapshot ?? [])
            }
        } check: { io, model, place in
            let (journal, recovery) = try Self.open(io)
            let found = recovery.records
            // Of what was not synced any part may have survived, in order.
            let survived = Set(found)
            let isOld =
                found.starts(with: model.synced) && survived.isSubset(of: model.appended)
                && found == model.appended.filter { survived.contains($0) }
            #expect(isOld || found == model.snapshot, "\(place)")
            #expect(recovery.quarantined == nil, "\(place)")
            try journal.append([[42]])
            try journal.sync()
            io.kill()
            #expect(try Self.open(io).recovery.records == found + [[42]], "not usable \(place)")
        }
    }

    @Test func aFailingCallIsToldAndCompactionIsTheWayOut() throws {
        for ending in Ending.allCases {
            var at = 1
            var isThrough = false
            while !isThrough {
                let io = MemoryFileIO(seed: UInt64(at))
                io.inject(MemoryFileIO.Fault(at: at, effect: .fails(.inputOutput)))
                let journal = try {
                    do { return try Self.open(io).journal } catch { return try Self.open(io).journal }
                }()
                var kept: [[UInt8]] = []
                for number in 0..<6 as Range<UInt64> {
                    let next = kept + [Self.record(number)]
                    do {
                        try journal.append([Self.record(number)])
                        try journal.sync()
                    } catch {
                        // As its owner does: what it knows goes into a new file.
                        do { try journal.compact(next) } catch { try journal.compact(next) }
                    }
                    kept = next
                    if number == 3 { do { try journal.compact(kept) } catch { try journal.compact(kept) } }
                }
                isThrough = io.operationCount < at
                ending.happen(to: io, seed: UInt64(at))
                #expect(try Self.open(io).recovery.records == kept, "call \(at), \(ending)")
                at += 1
            }
        }
    }

    @Test func aSuspectJournalTakesNothingUntilItIsCompacted() throws {
        let journal = try Self.open(io).journal
        try journal.append([[1]])
        io.inject(MemoryFileIO.Fault(at: io.operationCount + 1, operation: .sync, effect: .fails(.inputOutput)))
        #expect(throws: StoreError.self) { try journal.sync() }
        #expect(journal.isSuspect)
        #expect { try journal.append([[2]]) } throws: { ($0 as? StoreError)?.cause == .suspect }
        #expect { try journal.sync() } throws: { ($0 as? StoreError)?.cause == .suspect }
        try journal.compact([[1]])
        #expect(!journal.isSuspect)
        try journal.append([[2]])
        try journal.sync()
        #expect(try Self.open(io).recovery.records == [[1], [2]])
    }

    @Test func aFlippedBitCostsAtMostTheRecordItIsIn() throws {
        let journal = try Self.open(io).journal
        let records = (1...5).map { Self.record($0) }
        try journal.append(records)
        try journal.sync()
        let content = try #require(io.content(Self.path))
        for bit in 0..<(content.count * 8) {
            let io = MemoryFileIO()
            try io.makeDirectory("/state")
            io.setContent(Self.path, content)
            io.flipBit(Self.path, offset: bit / 8, bit: bit % 8)
            let recovery = try Self.open(io).recovery
            #expect(recovery.records.count >= (bit / 8 < 80 ? 5 : 4), "bit \(bit)")
            #expect(recovery.records.allSatisfy { records.contains($0) }, "bit \(bit)")
            if bit / 8 >= 80 { #expect(recovery.damagedRegions + recovery.trimmedBytes > 0, "bit \(bit)") }
        }
    }

    @Test func aFileCutOffAnywhereKeepsEveryWholeRecord() throws {
        let journal = try Self.open(io).journal
        let records = (1...5).map { Self.record($0) }
        try journal.append(records)
        let content = try #require(io.content(Self.path))
        for length in 0...content.count {
            let io = MemoryFileIO()
            try io.makeDirectory("/state")
            io.setContent(Self.path, Array(content[..<length]))
            let (journal, recovery) = try Self.open(io)
            #expect(records.starts(with: recovery.records))
            if length == content.count { #expect(recovery.records == records) }
            try journal.append([[9]])
            try journal.sync()
            #expect(try Self.open(io).recovery.records == recovery.records + [[9]], "length \(length)")
        }
    }

    @Test func aFileThatCannotBeReadIsMovedAsideAndNamed() throws {
        _ = try Self.open(io)
        io.setContent(Self.path, [UInt8](repeating: 7, count: 300))
        let recovery = try Self.open(io).recovery
        let aside = try #require(recovery.quarantined)
        #expect(io.content(aside) == [UInt8](repeating: 7, count: 300))
        #expect(try Self.open(io).recovery == Journal.Recovery())
    }

    @Test func theLimitsOfRecordAndFileAreReachedAndRefused() throws {
        try io.makeDirectories("/state")
        let journal = try Journal.open(path: Self.path, io: io, maxBytes: 4 << 20).journal
        let largest = [UInt8](repeating: 1, count: Journal.recordBytes)
        #expect { try journal.append([largest + [1]]) } throws: { ($0 as? StoreError)?.cause == .tooLarge }
        var count = 0
        #expect {
            while true {
                try journal.append([largest])
                count += 1
            }
        } throws: {
            ($0 as? StoreError)?.cause == .budget
        }
        #expect(count == 3)
        #expect(journal.bytes <= 4 << 20)
        try journal.compact([largest])
        try journal.append([largest])
        try journal.sync()
        #expect(try Self.open(io).recovery.records.count == 2)
    }
}

struct TwoSlotStateTests {
    static let path = "/state/cursor"

    static func open(_ io: any FileIO) throws -> (state: TwoSlotState, recovery: TwoSlotState.Recovery) {
        try io.makeDirectories("/state")
        return try TwoSlotState.open(path: path, io: io)
    }

    @Test func theLastValueComesBack() throws {
        let io = MemoryFileIO()
        #expect(try Self.open(io).recovery == TwoSlotState.Recovery())
        for number in 1...20 as ClosedRange<UInt64> {
            let state = try Self.open(io).state
            #expect(state.generation == number - 1)
            try state.write(Sample.payload(number, Int(300 - number * 10)))
            #expect(try Self.open(io).recovery.value == Sample.payload(number, Int(300 - number * 10)))
        }
        #expect(io.fileCount == 2)
        #expect(io.openCount == 0)
    }

    @Test func deathBehindAnyCallLeavesTheOldOrTheNewValue() throws {
        try sweepDeaths {
            (old: [UInt8]?.none, new: [UInt8]?.none)
        } work: { io, values in
            let state = try Self.open(io).state
            for number in 1...6 as ClosedRange<UInt64> {
                values.new = Sample.payload(number, Int(100 - number * 7))
                try state.write(values.new ?? [])
                values.old = values.new
            }
        } check: { io, values, place in
            let (state, recovery) = try Self.open(io)
            #expect(recovery.value == values.old || recovery.value == values.new, "\(place)")
            #expect(recovery.damagedSlots <= 1, "\(place)")
            try state.write([1])
            #expect(try Self.open(io).recovery.value == [1], "\(place)")
        }
    }

    @Test(arguments: [StoreError.Cause.inputOutput, .diskFull])
    func aFailingCallKeepsTheOldValueAndTheNextWriteSucceeds(cause: StoreError.Cause) throws {
        for ending in Ending.allCases {
            for at in 1...40 {
                let io = MemoryFileIO(seed: UInt64(at))
                io.inject(MemoryFileIO.Fault(at: at, effect: .fails(cause)))
                let state = try { do { return try Self.open(io).state } catch { return try Self.open(io).state } }()
                for number in 1...5 as ClosedRange<UInt64> {
                    do {
                        try state.write(Sample.payload(number, 50))
                    } catch {
                        try state.write(Sample.payload(number, 50))
                    }
                }
                ending.happen(to: io, seed: UInt64(at))
                #expect(try Self.open(io).recovery.value == Sample.payload(5, 50), "call \(at), \(ending)")
            }
        }
    }

    @Test func damageToOneSlotFallsBackToTheOther() throws {
        let original = MemoryFileIO()
        let state = try Self.open(original).state
        try state.write([1, 1, 1])
        try state.write([2, 2, 2])
        let slots = [
            try #require(original.content(Self.path + ".0")), try #require(original.content(Self.path + ".1")),
        ]
        for slot in [0, 1] {
            for bit in 0..<(slots[slot].count * 8) {
                let io = MemoryFileIO()
                try io.makeDirectory("/state")
                for index in [0, 1] { io.setContent("\(Self.path).\(index)", slots[index]) }
                io.flipBit("\(Self.path).\(slot)", offset: bit / 8, bit: bit % 8)
                let (state, recovery) = try Self.open(io)
                let value = try #require(recovery.value)
                #expect(slot == 1 && value == [1, 1, 1] || value == [2, 2, 2], "slot \(slot) bit \(bit)")
                try state.write([3])
                #expect(try Self.open(io).recovery.value == [3])
            }
        }
    }

    @Test func damageToBothSlotsIsToldApartFromAFirstStart() throws {
        let io = MemoryFileIO()
        try io.makeDirectory("/state")
        io.setContent(Self.path + ".0", [1, 2, 3])
        io.setContent(Self.path + ".1", [])
        let (state, recovery) = try Self.open(io)
        #expect(recovery.value == nil && recovery.damagedSlots == 2)
        try state.write([5])
        #expect(try Self.open(io).recovery.value == [5])
    }

    @Test func aValueOverTheLimitIsRefusedAndChangesNothing() throws {
        let io = MemoryFileIO()
        let state = try Self.open(io).state
        try state.write([UInt8](repeating: 1, count: TwoSlotState.valueBytes))
        #expect {
            try state.write([UInt8](repeating: 2, count: TwoSlotState.valueBytes + 1))
        } throws: {
            ($0 as? StoreError)?.cause == .tooLarge
        }
        #expect(try Self.open(io).recovery.value?.first == 1)
    }
}
