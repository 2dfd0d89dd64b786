package import MusterModel

/// The metric frames of one (host, boot) on their way into a `HotStore`: refs become series, ends become stale markers.
package struct HostSeries: Sendable {
    package let host: HostID
    package let hostLabels: Labels
    private var decoder: MetricFrameDecoder
    /// By ref; nil for a series the store refused.
    private var ids: [SeriesID?] = []
    /// Series of the epoch before a keyframe that its tick has not defined again so far.
    private var leftOver: Set<SeriesID> = []
    /// Ended in a tick that is not complete yet.
    private var ended: Set<SeriesID> = []
    /// How many refs stand for a series: two when a new one begins in the tick that ends the old.
    private var refCounts: [SeriesID: Int] = [:]

    /// `hostLabels` are added to the labels of every series, see `HotStore.series`.
    package init(host: HostID, hostLabels: Labels = Labels(), compressor: any Compressor) {
        self.host = host
        self.hostLabels = hostLabels
        decoder = MetricFrameDecoder(compressor: compressor)
    }

    /// Takes one frame, in the order of sequences and each once. Returns the number of samples stored. After an error
    /// frames are skipped (`needsKeyframe`) until the next keyframe; nothing of the frame has reached the store.
    @discardableResult
    package mutating func frameReceived(
        _ payload: [UInt8], into store: inout HotStore, now: Instant
    ) throws(MetricFrameError) -> Int {
        let tick = try decoder.decode(payload)
        if tick.isKeyframe {
            leftOver.formUnion(refCounts.keys)
            refCounts = [:]
            ids = []
        }
        for definition in tick.definitions {
            let id = store.series(definition.labels, of: host, hostLabels: hostLabels)
            ids.append(id)
            guard let id else { continue }
            refCounts[id, default: 0] += 1
            leftOver.remove(id)
            // Ended and defined again within a tick: it goes on.
            ended.remove(id)
        }
        for ref in tick.ended {
            guard let id = ids[ref] else { continue }
            ids[ref] = nil
            let others = (refCounts[id] ?? 1) - 1
            refCounts[id] = others == 0 ? nil : others
            if others == 0 { ended.insert(id) }
        }
        let stored = append(tick, to: &store, now: now)
        if tick.isComplete { endSeries(at: tick.milliseconds, in: &store) }
        return stored
    }

    private func append(_ tick: MetricTick, to store: inout HotStore, now: Instant) -> Int {
        let earliest = (now - store.settings.retention).milliseconds
        let latest = (now + store.settings.futureTolerance).milliseconds
        guard (earliest...latest).contains(tick.milliseconds) else {
            store.counters.outsideTime += UInt64(tick.values.count)
            return 0
        }
        var stored = 0
        for value in tick.values {
            guard let id = ids[value.ref] else { continue }
            let outcome = store.append(id, milliseconds: tick.milliseconds, bits: value.bitPattern)
            if outcome == .stored { stored += 1 }
        }
        return stored
    }

    private mutating func endSeries(at milliseconds: Int64, in store: inout HotStore) {
        for id in ended { store.end(id, milliseconds: milliseconds) }
        for id in leftOver { store.end(id, milliseconds: milliseconds) }
        ended = []
        leftOver = []
    }
}
