/// Distinct label sets, numbered in the order in which they were first seen: groups of an aggregation, signatures of a
/// vector match, series of an answer. A flat hash table over symbols; no string is looked at.
struct LabelSets {
    /// Of all sets, one after the other.
    private(set) var pairs: [LabelPair] = []
    /// Within `pairs`, by number.
    private(set) var sets: [Range<Int>] = []
    private var hashes: [UInt64] = []
    /// Number + 1, 0 when free; a power of two of them, at most half used.
    private var slots: [UInt32]

    init(expected: Int = 8) {
        var size = 16
        while size < 2 * expected { size *= 2 }
        slots = [UInt32](repeating: 0, count: size)
    }

    var count: Int { sets.count }

    /// Numbers a set whose pairs are sorted by `name.id`.
    mutating func number(of set: [LabelPair]) -> Int {
        let hash = Self.hash(set)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if hashes[number] == hash, pairs[sets[number]].elementsEqual(set) { return number }
            slot = (slot + 1) & mask
        }
        sets.append(pairs.count..<pairs.count + set.count)
        pairs.append(contentsOf: set)
        hashes.append(hash)
        slots[slot] = UInt32(truncatingIfNeeded: sets.count)
        if 2 * sets.count > slots.count { grow() }
        return sets.count - 1
    }

    private mutating func grow() {
        let mask = 2 * slots.count - 1
        slots = [UInt32](repeating: 0, count: mask + 1)
        for number in sets.indices {
            var slot = Int(truncatingIfNeeded: hashes[number]) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(truncatingIfNeeded: number + 1)
        }
    }

    /// Multiply and fold, pair by pair.
    private static func hash(_ set: [LabelPair]) -> UInt64 {
        var hash: UInt64 = 0x9e37_79b9_7f4a_7c15
        for pair in set {
            let word = UInt64(pair.name.id) << 32 | UInt64(pair.value.id)
            let product = (hash ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
            hash = product.high ^ product.low
        }
        return hash
    }
}

/// Which labels count: those named, or all but those named.
struct LabelProjection {
    /// Few, so a list is searched faster than a set.
    private let names: [Symbol]
    private let keepsNamed: Bool

    static func only(_ names: [Symbol]) -> LabelProjection { LabelProjection(names: names, keepsNamed: true) }
    static func without(_ names: [Symbol]) -> LabelProjection { LabelProjection(names: names, keepsNamed: false) }

    /// Replaces the contents of `projected`; the order stays.
    func apply(_ labels: Range<Int>, of pairs: [LabelPair], into projected: inout [LabelPair]) {
        projected.removeAll(keepingCapacity: true)
        if keepsNamed, names.isEmpty { return }
        for index in labels where names.contains(pairs[index].name) == keepsNamed { projected.append(pairs[index]) }
    }
}

extension [LabelPair] {
    /// Sets or, with nil, removes a label of a set sorted by `name.id`.
    mutating func set(_ name: Symbol, _ value: Symbol?) {
        let index = firstIndex { $0.name.id >= name.id } ?? endIndex
        let isPresent = index < endIndex && self[index].name == name
        switch (value, isPresent) {
        case (let value?, true): self[index].value = value
        case (let value?, false): insert(LabelPair(name: name, value: value), at: index)
        case (nil, true): remove(at: index)
        case (nil, false): break
        }
    }
}
