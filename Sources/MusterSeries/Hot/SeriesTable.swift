/// A series of a `SeriesStore`. The number is used again after the series was forgotten; the birth, which no other
/// series has, tells the two apart.
package struct SeriesRef: Hashable, BitwiseCopyable, Sendable {
    package let number: UInt32
    package let birth: UInt32

    package init(number: UInt32, birth: UInt32) {
        self.number = number
        self.birth = birth
    }
}

/// What is known of a series, in 16 bytes.
package struct SeriesRecord: BitwiseCopyable, Sendable {
    /// 0 when nobody has the number.
    package var birth: UInt32
    /// The place of its group in the table of groups.
    package var group: UInt32
    /// Where the run of its label pairs begins.
    package var labels: UInt32
    package var labelCount: UInt8
    package var slot: UInt8
    /// Whether a catalogue has it.
    package var isCatalogued: Bool
}

/// All series by number and by labels. The labels are complete: who owns a series is no part of what it is called.
package struct SeriesTable: Sendable {
    package private(set) var records: [SeriesRecord] = []
    /// Runs of numbers of pairs, each run sorted by the symbol of the name.
    package private(set) var runs = RunArena<UInt32>()
    private var sets = ProbeTable()
    private var pool = NumberPool()
    private var births: UInt32 = 0
    private let seed: HashSeed
    package private(set) var count = 0

    package init(seed: HashSeed) { self.seed = seed }

    @inline(__always)
    package func record(of ref: SeriesRef) -> SeriesRecord? {
        guard ref.number < records.count else { return nil }
        let record = records[Int(ref.number)]
        return record.birth == ref.birth && ref.birth != 0 ? record : nil
    }

    package func ref(of number: UInt32) -> SeriesRef {
        SeriesRef(number: number, birth: records[Int(number)].birth)
    }

    /// Of the numbers of a series' pairs, in order.
    package func hash(_ pairs: [UInt32]) -> UInt32 { hash(pairs.span) }

    @inline(__always)
    private func hash(_ pairs: Span<UInt32>) -> UInt32 {
        UInt32(truncatingIfNeeded: KeyedHash.hash(pairs, seed: seed))
    }

    package func find(_ pairs: [UInt32], hash: UInt32) -> UInt32? {
        var probe = sets.probe(hash)
        while let number = sets.next(&probe) {
            let record = records[Int(number)]
            guard record.labelCount == pairs.count else { continue }
            var index = 0
            while index < pairs.count, runs.element(of: record.labels, at: index) == pairs[index] { index += 1 }
            if index == pairs.count { return number }
        }
        return nil
    }

    package func hasRoom(labels: Int) -> Bool {
        pool.limit < .max - 2 && runs.hasRoom(runs: 1, of: labels)
    }

    /// A new series; nobody has these labels. Nil when there are no numbers left.
    package mutating func insert(_ pairs: [UInt32], hash: UInt32, group: UInt32, slot: UInt8) -> UInt32? {
        guard pairs.count <= Int(UInt8.max), let place = runs.append(pairs.span), let number = pool.take() else {
            return nil
        }
        births = births == .max ? 1 : births + 1
        let record = SeriesRecord(
            birth: births, group: group, labels: place, labelCount: UInt8(pairs.count), slot: slot,
            isCatalogued: false)
        if Int(number) == records.count {
            records.appendSparing(record)
        } else {
            records[Int(number)] = record
        }
        sets.insert(number, hash: hash)
        count += 1
        return number
    }

    /// Of all series, ascending.
    package var numbers: [UInt32] {
        var found: [UInt32] = []
        found.reserveCapacity(count)
        for number in records.indices where records[number].birth != 0 { found.append(UInt32(number)) }
        return found
    }

    package mutating func setCatalogued(_ number: UInt32) { records[Int(number)].isCatalogued = true }

    package func pairs(of record: SeriesRecord) -> ArraySlice<UInt32> {
        runs.run(record.labels, count: Int(record.labelCount))
    }

    /// Forgets series that are there.
    package mutating func remove(_ numbers: [UInt32]) {
        for number in numbers {
            let record = records[Int(number)]
            let hash = runs.withRun(record.labels, count: Int(record.labelCount)) { self.hash($0) }
            sets.remove(number, hash: hash)
            runs.release(count: Int(record.labelCount))
            records[Int(number)].birth = 0
        }
        count -= numbers.count
        pool.giveBack(numbers)
        records.removeLast(records.count - Int(pool.limit))
        records.trim()
        sets.trim()
        if runs.isWasteful { rewriteRuns() }
    }

    private mutating func rewriteRuns() {
        let old = runs
        runs = RunArena()
        for number in records.indices where records[number].birth != 0 {
            let record = records[number]
            let moved = old.withRun(record.labels, count: Int(record.labelCount)) { runs.append($0) }
            // What fitted before fits when the dead are left out.
            if let moved { records[number].labels = moved }
        }
    }

    /// Room for so many series more at once.
    package mutating func reserve(_ more: Int) {
        // Small steps are left to the arrays: to be exact each time would copy everything each time.
        if more > records.count / 8 { records.reserveCapacity(records.count + more) }
        sets.reserve(count + more)
    }

    package var bytes: Int {
        records.capacity * MemoryLayout<SeriesRecord>.stride + runs.bytes + sets.bytes + pool.bytes
    }
}
