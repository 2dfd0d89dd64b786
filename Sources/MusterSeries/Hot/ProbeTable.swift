/// A hash table from 32 bits of a hash to numbers: open addressing, linear probing. It knows no keys: whoever looks up
/// compares what the candidates stand for. The top bits of the hash say where a number belongs, so the order of the
/// table is the order of hashes and growing it is a walk from front to back. In pages, for the same reason as `Paged`.
package struct ProbeTable: Sendable {
    /// Where a search is.
    package struct Probe {
        fileprivate var slot: Int
        fileprivate let hash: UInt32
    }

    private static let pageBits = 9
    private static let leastBits = pageBits

    /// 0 is free, else `hash << 32 | number + 1`.
    private var pages: [[UInt64]]
    private var bits: Int
    package private(set) var count = 0

    package init() {
        bits = Self.leastBits
        pages = Self.emptyPages(bits: bits)
    }

    private static func emptyPages(bits: Int) -> [[UInt64]] {
        (0..<(1 << (bits - pageBits))).map { _ in [UInt64](repeating: 0, count: 1 << pageBits) }
    }

    @inline(__always) private var mask: Int { 1 << bits - 1 }
    @inline(__always) private func home(_ hash: UInt32) -> Int { Int(hash >> UInt32(32 - bits)) }

    @inline(__always)
    private subscript(slot: Int) -> UInt64 {
        get { pages[slot >> Self.pageBits][slot & (1 << Self.pageBits - 1)] }
        set { pages[slot >> Self.pageBits][slot & (1 << Self.pageBits - 1)] = newValue }
    }

    @inline(__always)
    package func probe(_ hash: UInt32) -> Probe { Probe(slot: home(hash), hash: hash) }

    /// The next number with this hash, nil when there is none left.
    @inline(__always)
    package func next(_ probe: inout Probe) -> UInt32? {
        while true {
            let entry = self[probe.slot]
            guard entry != 0 else { return nil }
            probe.slot = (probe.slot + 1) & mask
            if UInt32(entry >> 32) == probe.hash { return UInt32(truncatingIfNeeded: entry) &- 1 }
        }
    }

    /// Adds a number, which is below `UInt32.max`. The caller knows that it is not there.
    package mutating func insert(_ number: UInt32, hash: UInt32) {
        if count >= (1 << bits) / 10 * 7, bits < 31 { resize(to: bits + 1) }
        place(UInt64(hash) << 32 | UInt64(number &+ 1))
        count += 1
    }

    private mutating func place(_ entry: UInt64) {
        var slot = home(UInt32(entry >> 32))
        while self[slot] != 0 { slot = (slot + 1) & mask }
        self[slot] = entry
    }

    /// Removes a number if it is there. What stands behind it moves up, so that no gap ends a search early.
    package mutating func remove(_ number: UInt32, hash: UInt32) {
        let wanted = UInt64(hash) << 32 | UInt64(number &+ 1)
        var hole = home(hash)
        while self[hole] != wanted {
            guard self[hole] != 0 else { return }
            hole = (hole + 1) & mask
        }
        var slot = hole
        while true {
            slot = (slot + 1) & mask
            let entry = self[slot]
            guard entry != 0 else { break }
            let distance = (slot - home(UInt32(entry >> 32))) & mask
            guard distance >= (slot - hole) & mask else { continue }
            self[hole] = entry
            hole = slot
        }
        self[hole] = 0
        count -= 1
    }

    /// Gives back storage after many removals.
    package mutating func trim() {
        var fitting = bits
        while fitting > Self.leastBits, count * 4 < 1 << fitting { fitting -= 1 }
        if fitting + 1 < bits { resize(to: fitting) }
    }

    /// Room for this many numbers at once, to grow one time and not twenty.
    package mutating func reserve(_ total: Int) {
        var fitting = bits
        while fitting < 31, total >= (1 << fitting) / 10 * 7 { fitting += 1 }
        if fitting > bits { resize(to: fitting) }
    }

    private mutating func resize(to newBits: Int) {
        let old = pages
        bits = newBits
        pages = Self.emptyPages(bits: bits)
        for page in old {
            for entry in page where entry != 0 { place(entry) }
        }
    }

    package var bytes: Int { pages.count * (8 << Self.pageBits + 40) }
}
