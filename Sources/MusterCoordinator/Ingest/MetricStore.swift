import MusterInterchange
package import MusterModel
import MusterQuery
package import MusterSeries
package import MusterStore
import MusterTransport
import Synchronization

/// The metrics of the fleet: series and unsealed samples in memory, sealed blocks in parts. Samples are applied in the
/// order in which they became durable, so what a restart reads back is what readers saw before.
///
/// One lock, held for a frame, for some thousand pushed samples, or for taking a view; encoding, decoding and the disk
/// are outside of it. `MetricKeeper` seals, writes and drops.
package final class MetricStore: Sendable {
    /// Pushed series that are applied in one hold of the lock.
    static let seriesPerHold = 2_000
    /// More than the seconds of a day: enough for everything that an outage may bring at once.
    static let lateSecondsMax = 100_000
    /// A stream that was not heard of for so long is forgotten; should it go on, it is asked for a keyframe.
    static let streamIdle = Duration.hours(1)

    struct State: ~Copyable {
        var series: SeriesStore
        var streams: [StreamKey: Stream] = [:]
        /// Whose ticks have ceased to come.
        var silence = HostSilence()
        /// Behind the last record that was applied as a whole.
        var applied = SegmentPosition.start
        /// Who has the blocks that are in views from now on, by part.
        var sources: [UInt32: BlockSource] = [:]
        var undecodable: UInt64 = 0
        var damagedBlocks: UInt64 = 0
        /// Seconds of which samples came in late: what was handed off of them is not complete. Kept for hand-off only.
        var lateSeconds: Set<Int64> = []
    }

    /// One boot of a host.
    struct Stream {
        var series: HostSeries
        /// Where its newest keyframe stands in the log.
        var keyframe: SegmentPosition?
        var heardAt: Instant
    }

    let state: Mutex<State>
    let compressor: any Compressor
    let seed: HashSeed
    let blocks = BlockCache()
    package let retention: Duration
    /// Milliseconds; nil when nothing is handed off.
    private let lateAfter: Int64?

    /// `lateAfter`: how long after its time a sample counts as late, nil when nobody asks.
    package init(
        settings: SeriesStore.Settings, seed: HashSeed, compressor: any Compressor, lateAfter: Duration? = nil
    ) {
        self.lateAfter = lateAfter.map { $0.nanoseconds / 1_000_000 }
        self.compressor = compressor
        self.seed = seed
        retention = settings.retention
        state = Mutex(State(series: SeriesStore(settings: settings, seed: seed)))
    }

    package enum Applied: Equatable, Sendable {
        case done
        /// The stream cannot be read before its next keyframe: ask the agent for one.
        case needsKeyframe(String)
    }

    /// Whether the frames of a stream cannot be read before its next keyframe.
    func isUnreadable(_ key: StreamKey) -> Bool { state.withLock { $0.streams[key]?.keyframe == nil } }

    // MARK: Samples

    /// A frame of this stream is durable. `isKnown`: its samples are in parts, only what it defines counts.
    @discardableResult
    package func frameStored(
        _ payload: [UInt8], of key: StreamKey, at position: SegmentPosition, now: Instant, isKnown: Bool = false
    ) -> Applied {
        let (applied, undecided) = state.withLock { state in
            var stream =
                state.streams.removeValue(forKey: key)
                ?? Stream(series: HostSeries(host: key.host, compressor: compressor), heardAt: now)
            stream.heardAt = now
            defer { state.streams[key] = stream }
            state.series.timeAdvanced(to: now)
            var applied = Applied.done
            do throws(MetricFrameError) {
                let frame = try stream.series.frameReceived(payload, into: &state.series, isKnown: isKnown)
                if frame.isKeyframe { stream.keyframe = position }
                state.silence.heard(key.host, interval: frame.intervalMilliseconds, now: now)
                noteTime(frame.milliseconds, now, &state)
                noteBegun(now, &state)
            } catch {
                state.undecodable += 1
                applied = .needsKeyframe("\(error)")
            }
            let undecided = state.series.takeUndecided()
            if undecided.isEmpty { state.applied = max(state.applied, position) }
            return (applied, undecided)
        }
        if !undecided.isEmpty {
            // What becomes of them is counted by the store; nobody waits for an answer.
            settle(undecided) { _, _ in }
            state.withLock { $0.applied = max($0.applied, position) }
        }
        return applied
    }

    /// A pushed request is durable.
    package func relayed(_ batch: RelayedBatch, at position: SegmentPosition?, now: Instant) -> RelayedOutcome {
        var outcome = RelayedOutcome()
        let prints = batch.entries.map { SeriesStore.fingerprint(batch.bytes.span.extracting($0.labels), seed: seed) }
        // Entries by series, for samples that are decided later.
        var waiting: [SeriesRef: Int] = [:]
        var refs: [SeriesRef?] = []
        var next = 0
        while next < batch.entries.count {
            let end = min(next + Self.seriesPerHold, batch.entries.count)
            let undecided = state.withLock { state in
                state.series.timeAdvanced(to: now)
                state.series.series(of: prints.span.extracting(next..<end), into: &refs)
                for index in next..<end where refs[index - next] == nil {
                    // Once more by itself: an entry before it may have made the series.
                    refs[index - next] =
                        state.series.series(of: prints[index])
                        ?? Self.create(batch, batch.entries[index], prints[index], &state, &outcome)
                }
                if !batch.starts.isEmpty { Self.begin(batch, next..<end, refs, &state) }
                for index in next..<end {
                    for number in batch.entries[index].samples {
                        noteTime(batch.samples[number].milliseconds, now, &state)
                    }
                    guard let ref = refs[index - next] else { continue }
                    Self.append(batch, index, ref, &state, &outcome, &waiting)
                }
                noteBegun(now, &state)
                return state.series.takeUndecided()
            }
            settle(undecided) { result, undecided in
                guard let index = waiting[undecided.series],
                    let number = batch.number(in: batch.entries[index], milliseconds: undecided.milliseconds)
                else { return }
                outcome.add(result, number, batch, batch.entries[index])
            }
            next = end
        }
        state.withLock { state in
            if let position { state.applied = max(state.applied, position) }
            for family in batch.metadata {
                _ = state.series.setMetadata(
                    MetricMetadata(type: family.type.name, unit: family.unit, help: family.help), of: family.name)
            }
        }
        return outcome
    }

    /// Puts the zeros in at which the counters of these entries began. All before their samples: those of one exporter
    /// began together, and a time is a row.
    private static func begin(
        _ batch: RelayedBatch, _ entries: Range<Int>, _ refs: [SeriesRef?], _ state: inout State
    ) {
        for index in entries {
            guard let ref = refs[index - entries.lowerBound], let first = batch.entries[index].samples.first,
                batch.starts[first] > 0, batch.starts[first] < batch.samples[first].milliseconds
            else { continue }
            state.series.begin(ref, milliseconds: batch.starts[first])
        }
    }

    private static func append(
        _ batch: RelayedBatch, _ index: Int, _ ref: SeriesRef, _ state: inout State, _ outcome: inout RelayedOutcome,
        _ waiting: inout [SeriesRef: Int]
    ) {
        let entry = batch.entries[index]
        for number in entry.samples {
            let sample = batch.samples[number]
            // Began again within the batch.
            if !batch.starts.isEmpty, number > entry.samples.lowerBound, batch.starts[number] < sample.milliseconds,
                batch.starts[number] > batch.starts[number - 1]
            {
                state.series.begin(ref, milliseconds: batch.starts[number])
            }
            let result = state.series.append(
                ref, milliseconds: sample.milliseconds, bits: sample.value.bitPattern)
            guard result != .undecided else {
                waiting[ref] = index
                continue
            }
            outcome.add(result, number, batch, entry)
        }
    }

    private static func create(
        _ batch: RelayedBatch, _ entry: RelayedBatch.Entry, _ print: Fingerprint, _ state: inout State,
        _ outcome: inout RelayedOutcome
    ) -> SeriesRef? {
        var labels: [LabelRange] = []
        do throws(MusterInterchange.SeriesRefusal) {
            try LabelBytes.decode(batch.bytes.span, entry.labels, rules: batch.rules, into: &labels)
        } catch {
            outcome.add(error, entry)
            return nil
        }
        let slices = labels.map { label in
            LabelSlice(
                nameStart: UInt32(label.name.lowerBound), nameCount: UInt32(label.name.count),
                valueStart: UInt32(label.value.lowerBound), valueCount: UInt32(label.value.count))
        }
        guard let owner = state.series.owner(key: batch.owner(labels), kind: .relayed) else {
            outcome.add(.tooManyOwners, batch, entry)
            return nil
        }
        do throws(MusterSeries.SeriesRefusal) {
            let ref = try state.series.series(of: owner, labels: slices.span, in: batch.bytes.span)
            state.series.note(print, of: ref)
            return ref
        } catch {
            outcome.add(error, batch, entry)
            return nil
        }
    }

    /// Samples so late that a sealed block may have them: looked up outside of the lock. The blocks may change
    /// meanwhile; then it is done once more, a few times at most. `told` hears what became of each.
    private func settle(_ undecided: [UndecidedSample], told: (SampleOutcome, UndecidedSample) -> Void) {
        var left = undecided
        for _ in 0..<4 where !left.isEmpty {
            let known = knownValues(left)
            left = state.withLock { state in
                for (sample, value) in zip(left, known) {
                    let result = state.series.settle(sample, known: value)
                    if result != .undecided { told(result, sample) }
                }
                return state.series.takeUndecided()
            }
        }
        for sample in left { told(.undecided, sample) }
    }

    /// What sealed blocks have at the times of these samples. Those of a group stand together, so its blocks are
    /// decoded once.
    private func knownValues(_ samples: [UndecidedSample]) -> [UInt64?] {
        let sources = state.withLock { $0.sources }
        var group: GroupID?
        var decoded: [BlockRef: BlockRows] = [:]
        return samples.map { sample in
            if group != sample.group { decoded = [:] }
            group = sample.group
            for block in sample.blocks {
                let rows = decoded[block] ?? rows(of: block, in: sample.group, from: sources)
                decoded[block] = rows
                if let value = sample.value(in: rows) { return value }
            }
            return nil
        }
    }

    /// The host is gone: its series go stale now and not after the lookback.
    package func hostLost(_ host: HostID) {
        state.withLock { Self.end(host, in: &$0) }
    }

    /// Ends the series of the hosts whose ticks have ceased to come.
    package func endSilent(now: Instant) {
        state.withLock { state in
            for host in state.silence.takeSilent(now: now) { Self.end(host, in: &state) }
        }
    }

    /// Everything that the disk has is read back: hosts have time to come back.
    func restored(now: Instant) {
        state.withLock { state in
            state.silence.started(with: state.series.ownerKeys(.agent).compactMap { HostID($0) }, now: now)
            for key in state.streams.keys { state.streams[key]?.heardAt = now }
            state.series.timeAdvanced(to: now)
            state.series.forgetSeries()
        }
    }

    /// Forgets series of which nothing is left, and streams that nobody sends any more.
    func forget(now: Instant) {
        state.withLock { state in
            state.series.forgetSeries()
            state.streams = state.streams.filter { $0.value.heardAt > now - Self.streamIdle }
        }
    }

    private static func end(_ host: HostID, in state: inout State) {
        guard let owner = state.series.ownerRef(key: host.text) else { return }
        state.series.ownerLost(owner)
    }

    /// Remembers that something came for a time that may have been handed off already.
    private func noteTime(_ milliseconds: Int64, _ now: Instant, _ state: inout State) {
        guard let lateAfter, milliseconds < now.milliseconds - lateAfter,
            state.lateSeconds.count < Self.lateSecondsMax
        else { return }
        state.lateSeconds.insert(milliseconds / 1_000)
    }

    private func noteBegun(_ now: Instant, _ state: inout State) {
        for milliseconds in state.series.takeBegun() { noteTime(milliseconds, now, &state) }
    }

    /// Seconds since 1970 of which samples came late since the last call.
    package func takeLateSeconds() -> Set<Int64> {
        state.withLock { state in
            defer { state.lateSeconds = [] }
            return state.lateSeconds
        }
    }
}

extension RelayedBatch {
    fileprivate var rules: LabelBytes.Rules {
        var rules = LabelBytes.Rules()
        rules.isOrderRequired = isOrderRequired
        return rules
    }

    /// Whose budget a series counts against: that of the host or the target it is about.
    fileprivate func owner(_ labels: [LabelRange]) -> String {
        for wanted in ["host", "instance", "job"] {
            for label in labels where String(decoding: bytes[label.name], as: UTF8.self) == wanted {
                return wanted + "=" + String(decoding: bytes[label.value].prefix(Limits.nameBytes), as: UTF8.self)
            }
        }
        return "pushed"
    }

    /// The sample of an entry at a time.
    fileprivate func number(in entry: Entry, milliseconds: Int64) -> Int? {
        entry.samples.first { samples[$0].milliseconds == milliseconds }
    }

    /// For messages.
    func name(of entry: Entry) -> String {
        var labels: [LabelRange] = []
        guard (try? LabelBytes.decode(bytes.span, entry.labels, into: &labels)) != nil else { return "a series" }
        return LabelBytes.text(bytes.span, labels)
    }
}
