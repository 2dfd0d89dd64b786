/// A label as two symbols.
package struct SymbolPair: Hashable, BitwiseCopyable, Sendable {
    package var name: UInt32
    package var value: UInt32

    package init(name: UInt32, value: UInt32) {
        self.name = name
        self.value = value
    }
}

/// Every label that some series has, once, under a number, with the series that have it (its postings). A series is
/// the numbers of its labels, four bytes for each.
package struct PairTable: Sendable {
    /// What a reader needs of a label.
    package private(set) var pairs = Paged<SymbolPair>()
    package private(set) var lists: [PostingList] = []
    /// From the symbol of a label's name to the pairs with that name, in the order in which they came.
    package private(set) var values: [UInt32: [UInt32]] = [:]
    /// Rises when pairs are forgotten: numbers of pairs that somebody noted before may mean others now.
    package private(set) var forgotten: UInt64 = 0
    private var table = ProbeTable()
    private var pool = NumberPool()
    private let seed: HashSeed
    /// Of `lists` and `values`, beside the arrays and the dictionary themselves.
    private var heapBytes = 0
    package private(set) var count = 0

    package init(seed: HashSeed) { self.seed = seed }

    @inline(__always)
    private func hash(_ pair: SymbolPair) -> UInt32 {
        let word = UInt64(pair.name) << 32 | UInt64(pair.value)
        return UInt32(truncatingIfNeeded: KeyedHash.hash(word, seed: seed))
    }

    package func number(of pair: SymbolPair) -> UInt32? { number(of: pair, hash: hash(pair)) }

    @inline(__always)
    private func number(of pair: SymbolPair, hash: UInt32) -> UInt32? {
        var probe = table.probe(hash)
        while let number = table.next(&probe) {
            if pairs[Int(number)] == pair { return number }
        }
        return nil
    }

    package func hasRoom(_ more: Int) -> Bool { Int(pool.limit) + more < Int(UInt32.max) - 1 }

    /// The number of a pair, new or known. A new one holds a reference to both symbols. Nil when there are no numbers
    /// left.
    package mutating func insert(_ pair: SymbolPair, symbols: inout SymbolTable) -> UInt32? {
        let hash = hash(pair)
        if let known = number(of: pair, hash: hash) { return known }
        guard let number = pool.take() else { return nil }
        symbols.retain(pair.name)
        symbols.retain(pair.value)
        if Int(number) == pairs.count {
            pairs.append(pair)
            lists.appendSparing(PostingList())
        } else {
            pairs[Int(number)] = pair
            lists[Int(number)] = PostingList()
        }
        table.insert(number, hash: hash)
        let before = values[pair.name]?.capacity ?? 0
        values[pair.name, default: []].append(number)
        heapBytes += ((values[pair.name]?.capacity ?? 0) - before) * 4
        count += 1
        return number
    }

    /// A series has the label.
    @inline(__always)
    package mutating func add(series: UInt32, to pair: UInt32) {
        heapBytes -= lists[Int(pair)].bytes
        lists[Int(pair)].add(series)
        heapBytes += lists[Int(pair)].bytes
    }

    /// Ascending numbers of the series with the label.
    package mutating func series(of pair: UInt32) -> [UInt32] { lists[Int(pair)].numbers() }

    /// Takes series out of the postings of these pairs, which are all that the series have. Pairs that nobody has any
    /// more are forgotten, with their symbols.
    package mutating func remove(series dead: NumberSet, from touched: [UInt32], symbols: inout SymbolTable) {
        var freed: [UInt32] = []
        for pair in touched {
            heapBytes -= lists[Int(pair)].bytes
            lists[Int(pair)].remove(dead)
            heapBytes += lists[Int(pair)].bytes
            if lists[Int(pair)].count == 0 { freed.append(pair) }
        }
        guard !freed.isEmpty else { return }
        forgotten += 1
        forget(freed, symbols: &symbols)
    }

    private mutating func forget(_ freed: [UInt32], symbols: inout SymbolTable) {
        var gone = NumberSet(limit: pairs.count)
        var names: Set<UInt32> = []
        var released: [UInt32] = []
        for number in freed {
            let pair = pairs[Int(number)]
            table.remove(number, hash: hash(pair))
            gone.insert(number)
            names.insert(pair.name)
            released.append(pair.name)
            released.append(pair.value)
        }
        for name in names {
            heapBytes -= (values[name]?.capacity ?? 0) * 4
            values[name]?.removeAll { gone.contains($0) }
            if values[name]?.isEmpty == true { values[name] = nil } else { values[name]?.trim() }
            heapBytes += (values[name]?.capacity ?? 0) * 4
        }
        symbols.release(released)
        count -= freed.count
        pool.giveBack(freed)
        pairs.truncate(to: Int(pool.limit))
        lists.removeLast(lists.count - Int(pool.limit))
        lists.trim()
        table.trim()
    }

    package var bytes: Int {
        pairs.bytes + table.bytes + pool.bytes + lists.capacity * MemoryLayout<PostingList>.stride + heapBytes
            + values.count * 64
    }
}
