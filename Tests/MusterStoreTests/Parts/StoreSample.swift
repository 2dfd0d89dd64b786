import MusterModel
import MusterSeries
import MusterStore
import MusterTransport
import Testing

/// A small store whose contents follow from numbers: each round is one checkpoint of a few groups.
enum StoreSample {
    static let directory = "/data/metrics"
    static let zlib = ZlibCompressor()
    static let groups: ClosedRange<UInt32> = 1...3
    static let rowsPerRound = 5
    static let mask: UInt64 = 0b10_0011

    /// Where a sample is.
    struct Place: Hashable {
        var group: UInt32
        var time: Int64
        var slot: Int
    }

    static func value(_ place: Place) -> UInt64 {
        (Double(place.group) * 1_000 + Double(place.slot) + Double(place.time) / 8).bitPattern
    }

    static func rows(round: Int, group: UInt32, count: Int = rowsPerRound) -> BlockRows {
        var rows = BlockRows()
        for row in 0..<count {
            let time = Int64(round) * 10_000 + Int64(row) * 10
            let slots = [0, 1, 5]
            rows.append(time: time, mask: mask, values: slots.map { value(Place(group: group, time: time, slot: $0)) })
        }
        return rows
    }

    static func block(_ rows: BlockRows, group: UInt32) throws -> [UInt8] {
        try BlockCodec.encode(rows, group: GroupID(number: group), compressor: zlib)
    }

    static func places(round: Int, rows: Int = rowsPerRound) -> Set<Place> {
        var places: Set<Place> = []
        for group in groups {
            for row in 0..<rows {
                for slot in [0, 1, 5] {
                    places.insert(Place(group: group, time: Int64(round) * 10_000 + Int64(row) * 10, slot: slot))
                }
            }
        }
        return places
    }

    static func places(rounds: some Sequence<Int>) -> Set<Place> {
        rounds.reduce(into: []) { $0.formUnion(places(round: $1)) }
    }

    static func open(
        _ io: MemoryFileIO, maxBytes: Int = 1 << 30
    ) throws -> (store: PartDirectory, recovery: PartRecovery) {
        try PartDirectory.open(
            directory: directory, io: io,
            settings: PartDirectory.Settings(maxBytes: maxBytes))
    }

    static func writePart(_ store: PartDirectory, round: Int, rows: Int = rowsPerRound) throws -> Part {
        let writer = try store.beginPart(expectedBytes: 100)
        for group in groups {
            try writer.append(try block(Self.rows(round: round, group: group, count: rows), group: group))
        }
        return try #require(try writer.finish())
    }

    static func chunk(round: Int) throws -> [UInt8] {
        var chunk = CatalogueChunk()
        let owner = chunk.add(text: "round-\(round)".utf8)
        chunk.beginGroup(GroupID(number: UInt32(round)), owner: owner)
        chunk.addSeries(slot: 0, pairs: [owner, owner])
        return try chunk.encode(compressor: zlib)
    }

    static func checkpoint(round: Int) -> Checkpoint {
        Checkpoint(
            replayFrom: StoreManifest.LogPlace(segment: UInt64(round), offset: 7),
            appliedThrough: StoreManifest.LogPlace(segment: UInt64(round), offset: 9), nextGroup: 100 + UInt32(round))
    }

    /// A whole checkpoint, without a second try at anything.
    static func runCheckpoint(_ store: PartDirectory, round: Int, rows: Int = rowsPerRound) throws {
        let part = try writePart(store, round: round, rows: rows)
        try store.appendCatalogue(try chunk(round: round))
        try store.commit(checkpoint(round: round), adding: [part])
    }

    static let mergeFour = MergePlan.Limits(retention: 80_000_000, fanIn: 4)

    static func merge(_ store: PartDirectory) throws -> PartMerge.Outcome? {
        guard let plan = MergePlan.next(store.manifest.parts, limits: mergeFour) else { return nil }
        return try PartMerge.run(plan, in: store, compressor: zlib) { _ in true }
    }
}

extension PartDirectory {
    /// Everything in the parts, each sample checked against what was written in its place.
    func samples() throws -> Set<StoreSample.Place> { try parts.reduce(into: []) { $0.formUnion(try $1.samples()) } }

    /// Rounds whose catalogue records are there, in the order of the file.
    func catalogueRounds() throws -> [Int] {
        var rounds: [Int] = []
        let damage = try readCatalogue(compressor: StoreSample.zlib) { chunk in
            rounds += chunk.groups.map { Int($0.id.number) }
        }
        #expect(damage == RecordDamage())
        return rounds
    }
}

extension Part {
    func samples() throws -> Set<StoreSample.Place> {
        var places: Set<StoreSample.Place> = []
        for entry in try index() {
            let rows = try rows(entry.block, of: entry.group, compressor: StoreSample.zlib)
            let found = StoreSample.places(in: rows, group: entry.group.number)
            #expect(places.isDisjoint(with: found), "a sample is there twice")
            places.formUnion(found)
        }
        return places
    }
}

extension StoreSample {
    static func places(in rows: BlockRows, group: UInt32) -> Set<Place> {
        var places: Set<Place> = []
        var next = 0
        for row in rows.times.indices {
            for slot in 0..<64 where rows.masks[row] >> UInt64(slot) & 1 == 1 {
                let place = Place(group: group, time: rows.times[row], slot: slot)
                #expect(rows.values[next] == value(place), "a sample that nobody wrote")
                places.insert(place)
                next += 1
            }
        }
        return places
    }
}
