import MusterModel

/// A series of a `HotStore`. The number is used again after the series was forgotten, the generation tells the two
/// apart.
package struct SeriesID: Hashable, Sendable {
    let number: UInt32
    let generation: UInt32
}

/// One series and its samples in a `HotStore`.
struct StoredSeries: Sendable {
    /// A series without samples, its texts and its places in the index, roughly.
    static let overheadBytes = 400
    /// A chunk without its bytes.
    static let chunkOverheadBytes = 96

    let labels: Labels
    let host: HostID
    let generation: UInt32
    /// Oldest first.
    private(set) var sealed: [SampleChunk] = []
    /// The number of `sealed[0]`; chunks of a series are counted from 0.
    private(set) var firstChunk = 0
    private(set) var open = SampleChunk()
    private(set) var last: (milliseconds: Int64, bits: UInt64)?

    init(labels: Labels, host: HostID, generation: UInt32) {
        self.labels = labels
        self.host = host
        self.generation = generation
    }

    var hasEnded: Bool { last.map { $0.bits == StaleMarker.bitPattern } ?? false }

    var bytes: Int {
        var sum = Self.overheadBytes + Self.labelBytes(labels) + Self.cost(open)
        for chunk in sealed { sum += Self.cost(chunk) }
        return sum
    }

    static func labelBytes(_ labels: Labels) -> Int {
        labels.pairs.reduce(0) { $0 + 64 + $1.name.utf8.count + $1.value.utf8.count }
    }

    static func cost(_ chunk: SampleChunk) -> Int {
        chunk.count == 0 ? 0 : chunk.bytes.count + chunkOverheadBytes
    }

    /// How much the series grew, and the number of the chunk that was sealed, if one was.
    mutating func append(milliseconds: Int64, bits: UInt64) -> (grown: Int, sealed: Int?) {
        var sealedChunk: Int?
        var grown = 0
        if open.isFull {
            sealed.append(open.sealed())
            sealedChunk = firstChunk + sealed.count - 1
            open = SampleChunk()
        }
        grown -= Self.cost(open)
        open.append(milliseconds: milliseconds, bits: bits)
        grown += Self.cost(open)
        last = (milliseconds, bits)
        return (grown, sealedChunk)
    }

    /// Drops the oldest sealed chunk if that is its number. Returns its bytes.
    mutating func dropChunk(_ number: Int) -> Int? {
        guard number == firstChunk, !sealed.isEmpty else { return nil }
        firstChunk += 1
        return Self.cost(sealed.removeFirst())
    }

    /// Drops sealed chunks that end before the cutoff, and the open one too when it does. Returns bytes and chunks.
    mutating func dropChunks(before cutoff: Int64) -> (bytes: Int, chunks: Int) {
        let old = sealed.prefix { $0.lastMilliseconds < cutoff }
        var bytes = old.reduce(0) { $0 + Self.cost($1) }
        var chunks = old.count
        firstChunk += old.count
        sealed.removeFirst(old.count)
        if open.count > 0, open.lastMilliseconds < cutoff {
            bytes += Self.cost(open)
            chunks += 1
            open = SampleChunk()
        }
        return (bytes, chunks)
    }

    var isEmpty: Bool { sealed.isEmpty && open.count == 0 }

    /// Appends the samples from `from` to `to`, both included.
    func read(from: Int64, to: Int64, into samples: inout [Sample]) {
        var low = 0
        var high = sealed.count
        while low < high {
            let middle = (low + high) / 2
            if sealed[middle].lastMilliseconds < from { low = middle + 1 } else { high = middle }
        }
        while low < sealed.count, sealed[low].firstMilliseconds <= to {
            sealed[low].read(from: from, to: to, into: &samples)
            low += 1
        }
        if open.count > 0, open.lastMilliseconds >= from, open.firstMilliseconds <= to {
            open.read(from: from, to: to, into: &samples)
        }
    }
}
