import MusterModel
import MusterSeries
import Testing

extension SymbolTable {
    fileprivate mutating func retained(_ text: String) throws -> UInt32 {
        let bytes = Array(text.utf8)
        let interned = intern(bytes.span)
        let symbol = try #require(interned)
        retain(symbol)
        return symbol
    }
}

@Suite struct SymbolTables {
    @Test func `texts have one number while anybody refers to them`() throws {
        var chance = Seeded(state: 3)
        var table = SymbolTable(seed: testSeed)
        let empty = table.bytes
        var model: [String: (symbol: UInt32, references: Int)] = [:]
        for step in 0..<20_000 {
            let text =
                String(repeating: "é", count: Int.random(in: 0...30, using: &chance))
                + "\(Int.random(in: 0..<300, using: &chance))"
            if Bool.random(using: &chance) || step < 2_000 {
                let symbol = try table.retained(text)
                if let known = model[text] { #expect(known.symbol == symbol) }
                model[text] = (symbol, (model[text]?.references ?? 0) + 1)
            } else if let known = model[text] {
                table.release([known.symbol])
                model[text] = known.references == 1 ? nil : (known.symbol, known.references - 1)
            }
            if step % 500 == 0 {
                #expect(table.count == model.count)
                for (text, known) in model {
                    #expect(table.texts.text(of: known.symbol) == text)
                    #expect(table.texts.symbol(for: text) == known.symbol)
                }
            }
        }
        for known in model.values { table.release(Array(repeating: known.symbol, count: known.references)) }
        #expect(table.count == 0 && table.texts.limit == 0)
        #expect(table.bytes <= empty + 40_000)
    }

    @Test func `a reader's copy never shows what came later`() throws {
        var table = SymbolTable(seed: testSeed)
        let symbols = try (0..<5_000).map { try table.retained("old-\($0)") }
        let copy = table.texts
        table.release(symbols)
        for number in 0..<6_000 { _ = try table.retained("new-\(number)") }
        for (number, symbol) in symbols.enumerated() {
            #expect(copy.text(of: symbol) == "old-\(number)")
            #expect(copy.symbol(for: "old-\(number)") == symbol)
            #expect(copy.symbol(for: "new-\(number)") == nil)
            #expect(table.texts.symbol(for: "old-\(number)") == nil)
        }
        #expect(copy.limit == 5_000)
        #expect(copy.text(of: 5_000) == "" && copy.text(of: .max) == "")
    }

    @Test func `only text of the right length gets in`() throws {
        var table = SymbolTable(seed: testSeed)
        let bad: [[UInt8]] = [
            [0xff], [0x61, 0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80],
            Array(repeating: 0x61, count: SymbolTable.maxTextBytes + 1),
        ]
        for bytes in bad { #expect(table.intern(bytes.span) == nil) }
        #expect(table.count == 0)
        for text in ["", "a", "日本語", "\u{0}", String(repeating: "x", count: SymbolTable.maxTextBytes)] {
            let symbol = try table.retained(text)
            #expect(table.texts.text(of: symbol) == text)
        }
        #expect(table.hasRoom(1_000) && !table.hasRoom(Int(UInt32.max)))
    }

    @Test func `storage of texts that are gone is used again`() throws {
        var table = SymbolTable(seed: testSeed)
        let kept = try (0..<100).map { try table.retained("kept-\($0)") }
        var most = 0
        for round in 0..<50 {
            let passing = try (0..<1_000).map { try table.retained("passing-\(round)-\($0)") }
            table.release(passing)
            most = max(most, table.bytes)
        }
        #expect(most < 300_000)
        for (number, symbol) in kept.enumerated() { #expect(table.texts.text(of: symbol) == "kept-\(number)") }
    }
}

@Suite struct PairTables {
    @Test func `pairs, postings and values follow the series`() throws {
        var chance = Seeded(state: 8)
        var symbols = SymbolTable(seed: testSeed)
        var table = PairTable(seed: testSeed)
        var model: [SymbolPair: Set<UInt32>] = [:]
        for round in 0..<40 {
            for _ in 0..<50 {
                let name = try symbols.retained("name\(Int.random(in: 0..<4, using: &chance))")
                let value = try symbols.retained("value\(Int.random(in: 0..<50, using: &chance))")
                let pair = SymbolPair(name: name, value: value)
                let series = UInt32.random(in: 0..<200, using: &chance)
                let inserted = table.insert(pair, symbols: &symbols)
                let number = try #require(inserted)
                if !table.series(of: number).contains(series) { table.add(series: series, to: number) }
                model[pair, default: []].insert(series)
                symbols.release([name, value])
            }
            var dead = NumberSet(limit: 200)
            let limit = round % 10 == 9 ? 200 : UInt32.random(in: 0..<100, using: &chance)
            for series in 0..<limit { dead.insert(series) }
            let touched = Set(model.keys).compactMap { table.number(of: $0) }
            let forgotten = table.forgotten
            table.remove(series: dead, from: touched, symbols: &symbols)
            for (pair, members) in model { model[pair] = members.filter { $0 >= limit } }
            let isAnyGone = model.values.contains { $0.isEmpty }
            model = model.filter { !$0.value.isEmpty }
            #expect((table.forgotten > forgotten) == isAnyGone)
            expect(&table, model)
            #expect(symbols.count == Set(model.keys.flatMap { [$0.name, $0.value] }).count)
        }
    }

    private func expect(_ table: inout PairTable, _ model: [SymbolPair: Set<UInt32>]) {
        #expect(table.count == model.count)
        var byName: [UInt32: Set<SymbolPair>] = [:]
        for (pair, members) in model {
            guard let number = table.number(of: pair) else {
                Issue.record("a pair is missing")
                continue
            }
            #expect(table.series(of: number) == members.sorted())
            #expect(table.pairs[Int(number)] == pair)
            byName[pair.name, default: []].insert(pair)
        }
        #expect(table.values.mapValues { numbers in Set(numbers.map { table.pairs[Int($0)] }) } == byName)
    }
}

@Suite struct FingerprintCaches {
    private func key(_ number: Int) -> Fingerprint {
        let bytes = Array("series \(number)".utf8)
        return KeyedHash.fingerprint(bytes.span, seed: testSeed)
    }

    @Test func `series are found by fingerprint until they are forgotten`() throws {
        var table = SeriesTable(seed: testSeed)
        var cache = FingerprintCache()
        var refs: [SeriesRef] = []
        for number in 0..<3_000 {
            let labels = [UInt32(number)]
            let inserted = table.insert(labels, hash: table.hash(labels), group: 0, slot: 0)
            let ref = table.ref(of: try #require(inserted))
            refs.append(ref)
            cache.insert(key(number), ref, table: table)
        }
        for number in 0..<3_000 { #expect(cache.series(of: key(number)) == refs[number]) }
        #expect(cache.series(of: key(3_000)) == nil)
        var found: [SeriesRef?] = []
        let keys = (2_990..<3_010).map(key)
        cache.series(of: keys.span) { found.append($0) }
        #expect(found == Array(refs[2_990...]) + Array(repeating: nil, count: 10))
        let full = cache.bytes
        table.remove(Array(refs[..<2_900].map(\.number)))
        cache.trim(table)
        #expect(cache.bytes < full / 8 && cache.count == 100)
        #expect(cache.series(of: key(0)) == nil && cache.series(of: key(2_950)) == refs[2_950])
        // Who is forgotten is not noted any more.
        cache.insert(key(0), refs[0], table: table)
        #expect(cache.series(of: key(0)) == nil)
    }

    @Test func `the spellings of few series cannot fill the memory`() throws {
        var table = SeriesTable(seed: testSeed)
        let inserted = table.insert([1], hash: table.hash([1]), group: 0, slot: 0)
        let ref = table.ref(of: try #require(inserted))
        var cache = FingerprintCache()
        for number in 0..<50_000 {
            cache.insert(key(number), ref, table: table)
            #expect(cache.series(of: key(number)) == ref)
        }
        #expect(cache.bytes <= 24 << 10 && cache.count <= 1_024)
    }

    @Test func `a series under a spelling can be replaced`() throws {
        var table = SeriesTable(seed: testSeed)
        var refs: [SeriesRef] = []
        for number in 0..<2 {
            let labels = [UInt32(number)]
            let inserted = table.insert(labels, hash: table.hash(labels), group: 0, slot: 0)
            refs.append(table.ref(of: try #require(inserted)))
        }
        var cache = FingerprintCache()
        cache.insert(key(1), refs[0], table: table)
        cache.insert(key(1), refs[1], table: table)
        #expect(cache.series(of: key(1)) == refs[1] && cache.count == 1)
    }
}
