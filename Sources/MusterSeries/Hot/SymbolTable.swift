/// Texts by number and numbers by text, as a reader sees them. A copy stays as it is whatever the table does later.
package struct SymbolTexts: Sendable {
    struct Place: BitwiseCopyable, Sendable {
        var start: UInt32
        var count: UInt32
    }

    fileprivate var arena = RunArena<UInt8>()
    fileprivate var places = Paged<Place>()
    fileprivate var table = ProbeTable()
    fileprivate let seed: HashSeed

    fileprivate init(seed: HashSeed) { self.seed = seed }

    /// All symbols are below it.
    package var limit: UInt32 { UInt32(places.count) }

    package func symbol(for text: String) -> UInt32? {
        var text = text
        text.makeContiguousUTF8()
        return symbol(for: text.utf8.span)
    }

    package func symbol(for bytes: Span<UInt8>) -> UInt32? { symbol(for: bytes, hash: hash(bytes)) }

    fileprivate func hash(_ bytes: Span<UInt8>) -> UInt32 {
        UInt32(truncatingIfNeeded: KeyedHash.hash(bytes, seed: seed))
    }

    fileprivate func symbol(for bytes: Span<UInt8>, hash: UInt32) -> UInt32? {
        var probe = table.probe(hash)
        while let symbol = table.next(&probe) {
            let place = places[Int(symbol)]
            guard place.count == bytes.count else { continue }
            if arena.withRun(place.start, count: bytes.count, { isEqual($0, bytes) }) { return symbol }
        }
        return nil
    }

    /// UTF-8 bytes of its text.
    func byteCount(of symbol: UInt32) -> Int { symbol < places.count ? Int(places[Int(symbol)].count) : 0 }

    /// The text of a symbol that was in use when the copy was made; empty for numbers that nobody has.
    package func text(of symbol: UInt32) -> String {
        guard symbol < places.count else { return "" }
        let place = places[Int(symbol)]
        guard place.count > 0 else { return "" }
        return String(decoding: arena.run(place.start, count: Int(place.count)), as: UTF8.self)
    }
}

/// Interned texts: each is stored once, as bytes, under a number, and forgotten with its last reference. Only valid
/// UTF-8 gets in.
package struct SymbolTable: Sendable {
    /// The longest text, in UTF-8 bytes. A label's value has at most 4,096.
    package static let maxTextBytes = 4_096

    package private(set) var texts: SymbolTexts
    private var references: [UInt32] = []
    private var pool = NumberPool()
    package private(set) var count = 0

    package init(seed: HashSeed) { texts = SymbolTexts(seed: seed) }

    /// Whether so many more texts of any length can be taken in.
    package func hasRoom(_ more: Int) -> Bool {
        Int(pool.limit) + more < Int(UInt32.max) - 1 && texts.arena.hasRoom(runs: more, of: Self.maxTextBytes)
    }

    /// The symbol of a text, new or known. A new one has no reference so far and stays until it has had one: the caller
    /// retains it. Nil when the bytes are no UTF-8 or too many.
    package mutating func intern(_ bytes: Span<UInt8>) -> UInt32? {
        let hash = texts.hash(bytes)
        if let known = texts.symbol(for: bytes, hash: hash) { return known }
        guard Self.isText(bytes), let start = texts.arena.append(bytes), let symbol = pool.take() else { return nil }
        let place = SymbolTexts.Place(start: start, count: UInt32(bytes.count))
        if Int(symbol) == texts.places.count {
            texts.places.append(place)
            references.appendSparing(0)
        } else {
            texts.places[Int(symbol)] = place
            references[Int(symbol)] = 0
        }
        texts.table.insert(symbol, hash: hash)
        count += 1
        return symbol
    }

    package static func isText(_ bytes: Span<UInt8>) -> Bool {
        bytes.count <= maxTextBytes && (try? UTF8Span(validating: bytes)) != nil
    }

    /// One reference more to a symbol in use.
    package mutating func retain(_ symbol: UInt32) { references[Int(symbol)] += 1 }

    /// One reference less to each of the symbols; those without any are forgotten and their numbers used again.
    package mutating func release(_ symbols: [UInt32]) {
        var freed: [UInt32] = []
        for symbol in symbols {
            references[Int(symbol)] -= 1
            guard references[Int(symbol)] == 0 else { continue }
            let place = texts.places[Int(symbol)]
            let hash = texts.arena.withRun(place.start, count: Int(place.count)) { texts.hash($0) }
            texts.table.remove(symbol, hash: hash)
            texts.arena.release(count: Int(place.count))
            texts.places[Int(symbol)] = SymbolTexts.Place(start: 0, count: 0)
            freed.append(symbol)
        }
        guard !freed.isEmpty else { return }
        count -= freed.count
        pool.giveBack(freed)
        texts.places.truncate(to: Int(pool.limit))
        references.removeLast(references.count - Int(pool.limit))
        references.trim()
        texts.table.trim()
        if texts.arena.isWasteful { rewriteArena() }
    }

    private mutating func rewriteArena() {
        let old = texts.arena
        texts.arena = RunArena()
        for symbol in 0..<texts.places.count {
            let place = texts.places[symbol]
            guard place.count > 0 else { continue }
            let moved = old.withRun(place.start, count: Int(place.count)) { texts.arena.append($0) }
            // What fitted before fits when the dead are left out.
            if let moved { texts.places[symbol].start = moved }
        }
    }

    package var bytes: Int {
        texts.arena.bytes + texts.places.bytes + texts.table.bytes + references.capacity * 4 + pool.bytes
    }
}
