import DequeModule
package import MusterModel

/// The samples of the last hours, in memory.
///
/// Bounded three ways: `retention` (time), `maxBytes` (an estimate of the memory used, kept within a few per cent for
/// chunks), `seriesPerHost`. When the bytes are used up the oldest chunks go first; when there is nothing left to drop,
/// samples are refused. Everything refused or dropped is counted in `counters`.
package struct HotStore: Sendable {
    package struct Settings: Sendable {
        package var retention: Duration
        package var maxBytes: Int
        package var seriesPerHost: Int
        /// Samples this far ahead of the coordinator's clock are taken; later ones would lock out true ones for long.
        package var futureTolerance: Duration

        package init(
            retention: Duration = .hours(2), maxBytes: Int = 512 << 20, seriesPerHost: Int = Limits.seriesPerHost,
            futureTolerance: Duration = .minutes(10)
        ) {
            self.retention = retention
            self.maxBytes = maxBytes
            self.seriesPerHost = seriesPerHost
            self.futureTolerance = futureTolerance
        }
    }

    /// What happened to a sample.
    package enum Outcome: Equatable, Sendable {
        case stored
        /// The newest sample of the series once more, to the bit; nothing to do.
        case duplicate
        /// Older than the newest sample of the series.
        case older
        /// Another value for the newest timestamp.
        case conflicting
        /// The series was forgotten (it had ended and its samples were past the retention).
        case unknownSeries
        /// The bytes are used up by what cannot be dropped.
        case full
    }

    package struct Counters: Equatable, Sendable {
        package var stored: UInt64 = 0
        package var duplicate: UInt64 = 0
        package var older: UInt64 = 0
        package var conflicting: UInt64 = 0
        package var unknownSeries: UInt64 = 0
        package var full: UInt64 = 0
        /// Past the retention or too far ahead of the clock when they came in.
        package var outsideTime: UInt64 = 0
        package var refusedSeries: UInt64 = 0
        package var chunksPastRetention: UInt64 = 0
        package var chunksOverBytes: UInt64 = 0

        package init() {}
    }

    private struct SealedChunk: Sendable {
        var id: SeriesID
        var number: Int
    }

    package let settings: Settings
    package var counters = Counters()
    /// The memory used, as an estimate.
    package private(set) var bytes = 0
    private var series: [StoredSeries?] = []
    /// Numbers free to be used again and the generation they get.
    private var free: [SeriesID] = []
    private var numbers: [Labels: UInt32] = [:]
    private var index = LabelIndex()
    private var seriesCounts: [HostID: Int] = [:]
    /// In the order in which they were sealed, which is about the order of their times. May name chunks that are gone.
    private var sealedChunks: Deque<SealedChunk> = []

    package init(settings: Settings = Settings()) { self.settings = settings }

    package var seriesCount: Int { numbers.count }
    package func seriesCount(of host: HostID) -> Int { seriesCounts[host] ?? 0 }

    /// The series with these labels, new or known. The host's labels are added; a label of the series wins over one of
    /// the host, except `host`, which is always the host's id. Nil (and counted) when the host has too many series or
    /// the bytes are used up.
    package mutating func series(_ labels: Labels, of host: HostID, hostLabels: Labels = Labels()) -> SeriesID? {
        var full = hostLabels.merging(labels)
        full["host"] = host.text
        if let number = numbers[full], let known = series[Int(number)] {
            return SeriesID(number: number, generation: known.generation)
        }
        guard seriesCount(of: host) < settings.seriesPerHost, makeRoom() else {
            counters.refusedSeries += 1
            return nil
        }
        let id = free.popLast() ?? SeriesID(number: UInt32(series.count), generation: 0)
        let new = StoredSeries(labels: index.insert(full, number: id.number), host: host, generation: id.generation)
        if Int(id.number) == series.count { series.append(new) } else { series[Int(id.number)] = new }
        numbers[new.labels] = id.number
        seriesCounts[host, default: 0] += 1
        bytes += new.bytes
        return id
    }

    @discardableResult
    package mutating func append(_ id: SeriesID, milliseconds: Int64, value: Double) -> Outcome {
        append(id, milliseconds: milliseconds, bits: value.bitPattern)
    }

    mutating func append(_ id: SeriesID, milliseconds: Int64, bits: UInt64) -> Outcome {
        guard id.number < series.count, let known = series[Int(id.number)]?.generation, known == id.generation else {
            counters.unknownSeries += 1
            return .unknownSeries
        }
        if let last = series[Int(id.number)]?.last, milliseconds <= last.milliseconds {
            if milliseconds < last.milliseconds {
                counters.older += 1
                return .older
            }
            if bits == last.bits {
                counters.duplicate += 1
                return .duplicate
            }
            counters.conflicting += 1
            return .conflicting
        }
        guard makeRoom() else {
            counters.full += 1
            return .full
        }
        counters.stored += 1
        guard let change = series[Int(id.number)]?.append(milliseconds: milliseconds, bits: bits) else { return .full }
        bytes += change.grown
        if let number = change.sealed { sealedChunks.append(SealedChunk(id: id, number: number)) }
        return .stored
    }

    /// Marks the series as ended at a time. Nothing happens when it has ended, or has a sample then or later.
    package mutating func end(_ id: SeriesID, milliseconds: Int64) {
        guard let last = lastMilliseconds(id), last < milliseconds, !hasEnded(id) else { return }
        append(id, milliseconds: milliseconds, value: StaleMarker.value)
    }

    /// The host is not heard from: its series end just after their newest samples. What it sends later goes on behind.
    package mutating func hostLost(_ host: HostID) {
        for (number, known) in series.enumerated() {
            guard let known, known.host == host, let last = known.last, last.milliseconds < .max else { continue }
            end(SeriesID(number: UInt32(number), generation: known.generation), milliseconds: last.milliseconds + 1)
        }
    }

    /// Drops what is past the retention, and series that have ended and have no samples left. Call it every minute.
    package mutating func expire(now: Instant) {
        let cutoff = (now - settings.retention).milliseconds
        for number in series.indices {
            guard let dropped = series[number]?.dropChunks(before: cutoff) else { continue }
            bytes -= dropped.bytes
            counters.chunksPastRetention += UInt64(dropped.chunks)
            guard let known = series[number], known.isEmpty, known.hasEnded else { continue }
            forget(number, known)
        }
        sealedChunks.removeAll { chunk in
            guard let known = series[Int(chunk.id.number)] else { return true }
            return known.generation != chunk.id.generation || chunk.number < known.firstChunk
        }
    }

    private mutating func forget(_ number: Int, _ known: StoredSeries) {
        bytes -= known.bytes
        index.remove(known.labels, number: UInt32(number))
        numbers[known.labels] = nil
        seriesCounts[known.host, default: 0] -= 1
        if seriesCounts[known.host] == 0 { seriesCounts[known.host] = nil }
        series[number] = nil
        free.append(SeriesID(number: UInt32(number), generation: known.generation &+ 1))
    }

    /// Drops the oldest chunks until there is room. False when there is none to be had.
    private mutating func makeRoom() -> Bool {
        while bytes >= settings.maxBytes {
            guard let oldest = sealedChunks.popFirst() else { return false }
            guard series[Int(oldest.id.number)]?.generation == oldest.id.generation,
                let dropped = series[Int(oldest.id.number)]?.dropChunk(oldest.number)
            else { continue }
            bytes -= dropped
            counters.chunksOverBytes += 1
        }
        return true
    }

    func lastMilliseconds(_ id: SeriesID) -> Int64? { stored(id)?.last?.milliseconds }
    func hasEnded(_ id: SeriesID) -> Bool { stored(id)?.hasEnded ?? true }

    private func stored(_ id: SeriesID) -> StoredSeries? {
        guard id.number < series.count, let known = series[Int(id.number)], known.generation == id.generation else {
            return nil
        }
        return known
    }
}

// Questions.
extension HotStore {
    /// The series that match all matchers, with their samples from `from` to `to` (milliseconds, both included; stale
    /// markers too), in no order. Series without a sample there are left out. Stops as soon as it has found more than
    /// `maxSeries` series or `maxSamples` samples: a caller that gets more than it asked for has to refuse.
    package func select(
        _ matchers: [LabelMatcher], from: Int64, to: Int64, maxSeries: Int = .max, maxSamples: Int = .max
    ) -> [SeriesSamples] {
        guard from <= to else { return [] }
        var found: [SeriesSamples] = []
        var total = 0
        for known in matching(matchers) {
            var samples: [Sample] = []
            known.read(from: from, to: to, into: &samples)
            guard !samples.isEmpty else { continue }
            total += samples.count
            found.append(SeriesSamples(labels: known.labels, samples: samples))
            if found.count > maxSeries || total > maxSamples { break }
        }
        return found
    }

    /// Sorted names of the labels of matching series; of all series without matchers.
    package func labelNames(_ matchers: [LabelMatcher] = []) -> [String] {
        guard !matchers.isEmpty else { return index.names }
        return Set(matching(matchers).flatMap { $0.labels.pairs.map(\.name) }).sorted()
    }

    /// Sorted values of a label of matching series; of all series without matchers.
    package func labelValues(_ name: String, _ matchers: [LabelMatcher] = []) -> [String] {
        guard !matchers.isEmpty else { return index.values(of: name) }
        return Set(matching(matchers).compactMap { $0.labels[name] }).sorted()
    }

    /// Label sets of matching series, at most `limit`.
    package func labelSets(_ matchers: [LabelMatcher], limit: Int) -> [Labels] {
        Array(matching(matchers).lazy.map(\.labels).prefix(limit))
    }

    private func matching(_ matchers: [LabelMatcher]) -> some Sequence<StoredSeries> {
        let candidates = index.candidates(matchers) ?? series.indices.map(UInt32.init)
        let optional = matchers.filter { $0.isMatch("") }
        return candidates.lazy.compactMap { series[Int($0)] }.filter { known in
            optional.allSatisfy { $0.isMatch(known.labels) }
        }
    }
}
