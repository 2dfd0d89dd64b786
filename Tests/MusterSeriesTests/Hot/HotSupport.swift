import MusterModel
import MusterSeries

let testSeed = HashSeed(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)

/// Expressions by the standard library's engine, compiled for each text: for tests only.
struct RegexCompiler: PatternCompiler {
    struct Compiled: Pattern {
        let expression: String
        func isFullMatch(_ text: String) -> Bool { (try? Regex(expression).wholeMatch(in: text)) != nil }
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern { Compiled(expression: expression) }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        throw PatternError(expression: expression, reason: "nothing is searched here")
    }
}

/// Sealed blocks of a test, as a disk would have them. They stay when a part is dropped: older views read on.
struct TestDisk {
    private(set) var parts: [UInt32: [(group: GroupID, rows: BlockRows)]] = [:]

    mutating func write(_ rows: BlockRows, of group: GroupID, part: UInt32) -> BlockRef {
        parts[part, default: []].append((group, rows))
        return BlockRef(
            part: part, offset: UInt32(parts[part, default: []].count - 1), length: 1, rows: UInt32(rows.rowCount),
            from: rows.times.first ?? 0, to: rows.times.last ?? 0)
    }

    func read(_ ref: BlockRef) -> BlockRows { parts[ref.part]?[Int(ref.offset)].rows ?? BlockRows() }

    /// Writes the blocks of some parts into another one, one block for each group.
    mutating func merge(_ old: Set<UInt32>, into part: UInt32) -> [(GroupID, BlockRef)] {
        let blocks = old.sorted().flatMap { parts[$0] ?? [] }
        return Dictionary(grouping: blocks, by: \.group).map { group, pieces in
            (group, write(BlockRows.merged(pieces.map(\.rows)), of: group, part: part))
        }
    }

    /// Seals everything that the store hands out.
    mutating func seal(_ store: inout SeriesStore, _ choice: SealChoice = .all, part: UInt32) {
        for head in store.takeSealable(choice) {
            store.sealed(head.group, [write(head.rows(), of: head.group, part: part)])
        }
    }
}

/// What a view shows: samples by labels.
typealias Content = [Labels: [Int64: UInt64]]

extension SeriesView {
    /// The samples of one selection. Times have to ascend.
    func content(_ index: Int = 0, disk: TestDisk) -> Content {
        let decoded = decode(selections[index]) { (_, ref, _) throws(Never) in disk.read(ref) }
        return content(of: decoded)
    }

    func content(of decoded: DecodedSeries) -> Content {
        var content: Content = [:]
        for entry in decoded.entries {
            var samples: [Int64: UInt64] = [:]
            var last: Int64?
            for index in entry.samples {
                if let last, last >= decoded.times[index] { samples[.min] = 0 }
                last = decoded.times[index]
                samples[decoded.times[index]] = decoded.bits[index]
            }
            content[labels(decoded.pairs[entry.labels])] = samples
        }
        return content
    }

    private func labels(_ pairs: ArraySlice<SymbolPair>) -> Labels {
        Labels(pairs.map { (text(of: $0.name), text(of: $0.value)) })
    }
}

extension SeriesStore {
    mutating func content(disk: TestDisk = TestDisk(), from: Int64 = .min, to: Int64 = .max) -> Content {
        view([SeriesRequest(matchers: [], from: from, to: to)]).content(disk: disk)
    }

    /// Ends everything and drops all parts, so that nothing is left.
    mutating func forgetEverything() {
        var disk = TestDisk()
        for owner in ownerKeys {
            if let ref = self.owner(key: owner, kind: .relayed) { ownerLost(ref) }
        }
        disk.seal(&self, part: 1)
        partsDropped([1])
    }

    private var ownerKeys: [String] { cardinality(limit: .max).owners.map(\.name) }
}

extension Span<UInt8> {
    var array: [UInt8] { indices.map { self[$0] } }
}
