package import MusterModel

/// The metric frames of one (host, boot) on their way into a `SeriesStore`: refs become series, ends become stale
/// markers.
package struct HostSeries: Sendable {
    /// What a frame was.
    package struct Report: Equatable, Sendable {
        package var isKeyframe: Bool
        package var milliseconds: Int64
        /// From one tick to the next, in milliseconds.
        package var intervalMilliseconds: Int64
        /// Ticks of the grid before this one that the agent did not measure.
        package var missedTicks: UInt64
        package var outcome = TickOutcome()
    }

    /// Refs whose series the store refused.
    private static let refused = SeriesRef(number: .max, birth: 0)

    package let host: HostID
    private var decoder: MetricFrameDecoder
    /// By ref.
    private var series: [SeriesRef] = []
    /// Series of the epoch before a keyframe that its tick has not defined again so far.
    private var leftOver: Set<SeriesRef> = []
    /// Ended in a tick that is not complete yet.
    private var ended: Set<SeriesRef> = []
    /// How many refs stand for a series: two when a new one begins in the tick that ends the old.
    private var refCounts: [SeriesRef: Int] = [:]

    package init(host: HostID, compressor: any Compressor) {
        self.host = host
        decoder = MetricFrameDecoder(compressor: compressor)
    }

    /// Takes one frame, in the order of sequences and each once. `isKnown`: the store has its samples already, only
    /// what it defines counts. After an error frames are skipped (`needsKeyframe`) until the next keyframe; nothing of
    /// the frame has reached the store.
    @discardableResult
    package mutating func frameReceived(
        _ payload: [UInt8], into store: inout SeriesStore, isKnown: Bool = false
    ) throws(MetricFrameError) -> Report {
        let tick = try decoder.decode(payload)
        if tick.isKeyframe {
            leftOver.formUnion(refCounts.keys)
            refCounts = [:]
            series = []
        }
        for family in tick.families {
            _ = store.setMetadata(
                MetricMetadata(type: family.kind.typeName, unit: family.unit, help: family.help), of: family.name)
        }
        define(tick, in: &store, isKnown: isKnown)
        end(tick.ended)
        var report = Report(
            isKeyframe: tick.isKeyframe, milliseconds: tick.milliseconds,
            intervalMilliseconds: tick.intervalMilliseconds, missedTicks: tick.missedTicks)
        if !isKnown { report.outcome = append(tick, to: &store) }
        if tick.isComplete { endSeries(at: tick.milliseconds, in: &store, isKnown: isKnown) }
        return report
    }

    private mutating func define(_ tick: MetricTick, in store: inout SeriesStore, isKnown: Bool) {
        guard !tick.definitions.isEmpty else { return }
        let owner = store.owner(key: host.text, kind: .agent)
        var labels = LabelBuffer()
        for definition in tick.definitions {
            labels.removeAll()
            labels.append("host", host.text)
            for label in definition.labels.pairs where label.name != "host" { labels.append(label.name, label.value) }
            // What is refused is counted by the store, and its samples are left out.
            guard let owner, let ref = try? store.series(of: owner, labels) else {
                series.append(Self.refused)
                continue
            }
            series.append(ref)
            refCounts[ref, default: 0] += 1
            leftOver.remove(ref)
            // Ended and defined again within a tick: it goes on.
            ended.remove(ref)
            if !isKnown, let start = definition.startMilliseconds, start < tick.milliseconds {
                store.begin(ref, milliseconds: start)
            }
        }
    }

    private mutating func end(_ refs: [UInt32]) {
        for number in refs {
            let ref = series[Int(number)]
            guard ref != Self.refused else { continue }
            series[Int(number)] = Self.refused
            let others = (refCounts[ref] ?? 1) - 1
            refCounts[ref] = others == 0 ? nil : others
            if others == 0 { ended.insert(ref) }
        }
    }

    /// A hot path: no more than two arrays for a tick.
    private func append(_ tick: MetricTick, to store: inout SeriesStore) -> TickOutcome {
        var refs: [SeriesRef] = []
        var bits = tick.bits
        refs.reserveCapacity(tick.refs.count)
        for number in tick.refs { refs.append(series[Int(number)]) }
        if refs.contains(Self.refused) {
            let kept = refs.indices.filter { refs[$0] != Self.refused }
            bits = kept.map { bits[$0] }
            refs = kept.map { refs[$0] }
        }
        return store.appendTick(milliseconds: tick.milliseconds, refs: refs.span, bits: bits.span)
    }

    private mutating func endSeries(at milliseconds: Int64, in store: inout SeriesStore, isKnown: Bool) {
        if !isKnown {
            for ref in ended { store.end(ref, milliseconds: milliseconds) }
            for ref in leftOver { store.end(ref, milliseconds: milliseconds) }
        }
        ended = []
        leftOver = []
    }
}

extension MetricKind {
    /// As Prometheus's metadata says it.
    fileprivate var typeName: String { self == .untyped ? "unknown" : "\(self)" }
}
