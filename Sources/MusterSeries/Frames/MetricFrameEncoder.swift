import DequeModule
package import MusterModel

/// Turns an agent's ticks into frames. One for each agent; the order of the calls of a tick:
/// `beginTick`, any number of `ended` and `set`, `endTick`.
///
/// Series are known by the caller's handle: a small number (an index of its table), which it may use again for another
/// series after `ended`. A series without a `set` in a tick has no sample in that tick.
package struct MetricFrameEncoder: Sendable {
    /// The largest handle, so that a wrong one cannot ask for gigabytes.
    package static let handles = 16 * Limits.seriesPerHost

    /// Series that were refused because they break a limit of `Limits` or of `MetricFrame`: each counts once an epoch.
    package private(set) var refusedSeries: UInt64 = 0
    /// The number of the next frame.
    package private(set) var nextNumber: UInt64
    package var liveSeries: Int { column.liveCount + pending.count }

    private let compressor: (any Compressor)?
    private let level: Int
    private let interval: Int64
    private var isKeyframeDue = true
    private var milliseconds: Int64 = 0
    private var missed: UInt64 = 0
    /// After the last frame.
    private var clock: MetricFrame.Clock
    private var dictionary = EncoderDictionary()
    private var column = MetricColumn()
    /// Refs that got a value in this tick that no frame holds yet, and those values' bits by ref.
    private var isSet: [UInt64] = []
    private var current: [UInt64] = []
    /// Defined and in no frame yet, in order of ref.
    private var pending: Deque<EncoderDictionary.Definition> = []
    private var endedRefs: [Int] = []

    /// `interval`: of the grid, in milliseconds. `firstNumber`: see `beginEpoch`. With a compressor, bodies that define
    /// series are deflated at `level` when that makes them smaller.
    package init(interval: Int64, firstNumber: UInt64, compressor: (any Compressor)? = nil, level: Int = 6) {
        self.interval = min(max(interval, MetricFrame.intervals.lowerBound), MetricFrame.intervals.upperBound)
        nextNumber = firstNumber
        clock = MetricFrame.Clock(interval: self.interval)
        self.compressor = compressor
        self.level = level
    }

    /// The next frame is a keyframe with an empty dictionary. Call it between ticks, every few minutes and after a
    /// frame was dropped. Handles stay valid: their series are defined again when they are next set.
    ///
    /// `number`: of that frame, if it is not to go on from the frame before. Frames of one lineage never share a
    /// number, so a reader that sees the frame with the next one has missed nothing; the sequence under which the frame
    /// travels is such a number.
    package mutating func beginEpoch(number: UInt64? = nil) {
        nextNumber = number ?? nextNumber
        isKeyframeDue = true
        dictionary = EncoderDictionary()
        column = MetricColumn()
        isSet = []
        current = []
        pending = []
        endedRefs = []
    }

    /// `missed`: ticks of the grid since the tick before that were not measured. Begins a new epoch by itself when
    /// churn has used up half of what one may hold.
    package mutating func beginTick(milliseconds: Int64, missed: UInt64 = 0) {
        let isHalfUsed =
            dictionary.nextRef > MetricFrame.refsPerEpoch / 2
            || dictionary.stringCount > MetricFrame.stringsPerEpoch / 2
            || dictionary.stringBytes > MetricFrame.stringBytesPerEpoch / 2
        // Without churn a new epoch would be as full as this one.
        if isHalfUsed && dictionary.nextRef > 2 * column.liveCount { beginEpoch() }
        self.milliseconds = milliseconds
        self.missed = missed
    }

    /// The value of a series at this tick. `series` is asked for only when it is new in this epoch.
    /// Returns false when the series is refused; it stays so until the next epoch.
    @discardableResult
    package mutating func set(_ handle: Int, _ value: Double, _ series: @autoclosure () -> MetricSeries) -> Bool {
        guard handle >= 0, handle < Self.handles else {
            refusedSeries += 1
            return false
        }
        let ref: Int
        switch dictionary.known(handle) {
        case .ref(let known): ref = known
        case .refused: return false
        case .unknown:
            guard let new = define(handle, series()) else { return false }
            ref = new
        }
        current[ref] = value.bitPattern
        isSet[ref >> 6] |= 1 << UInt64(ref & 63)
        return true
    }

    /// The series behind a handle has ended; the handle is free. A handle that was never set is ignored.
    package mutating func ended(_ handle: Int) {
        guard let ref = dictionary.end(handle) else { return }
        isSet[ref >> 6] &= ~(1 << UInt64(ref & 63))
        endedRefs.append(ref)
    }

    /// The frames of this tick, in order: one, or more when new definitions do not fit the first.
    package mutating func endTick() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        endedRefs.sort()
        repeat {
            var flags: MetricFrame.Flags = []
            var body: [UInt8] = []
            if !pending.isEmpty || !endedRefs.isEmpty {
                flags.insert(.dictionary)
                appendDefinitions(to: &body)
                appendEnded(pending.isEmpty ? endedRefs : [], to: &body)
            }
            appendValues(to: &body)
            if !pending.isEmpty { flags.insert(.continues) }
            frames.append(frame(body, flags))
        } while !pending.isEmpty
        endedRefs = []
        return frames
    }

    private mutating func define(_ handle: Int, _ series: MetricSeries) -> Int? {
        guard liveSeries < Limits.seriesPerHost, dictionary.nextRef < MetricFrame.refsPerEpoch,
            series.brokenLimit == nil, let (ref, definition) = dictionary.define(handle, series)
        else {
            refusedSeries += 1
            dictionary.refuse(handle)
            return nil
        }
        pending.append(definition)
        current.append(0)
        if ref & 63 == 0 { isSet.append(0) }
        return ref
    }

    private mutating func appendDefinitions(to body: inout [UInt8]) {
        var tables = EncoderDictionary.Definition()
        var families = 0
        var starts = 0
        var count = 0
        while tables.bytes < MetricFrame.definitionBytes, let next = pending.popFirst() {
            tables.strings += next.strings
            tables.stringCount += next.stringCount
            tables.family += next.family
            tables.start += next.start
            tables.series += next.series
            families += next.family.isEmpty ? 0 : 1
            starts += next.start.isEmpty ? 0 : 1
            count += 1
        }
        column.define(count)
        for (count, bytes) in [
            (tables.stringCount, tables.strings), (families, tables.family), (starts, tables.start),
            (count, tables.series),
        ] {
            Varint.append(UInt64(count), to: &body)
            body += bytes
        }
    }

    /// A ref may end in the tick that defines it, so refs end in the last frame of a tick.
    private mutating func appendEnded(_ ended: [Int], to body: inout [UInt8]) {
        Varint.append(UInt64(ended.count), to: &body)
        var before = 0
        for ref in ended {
            Varint.append(UInt64(ref - before), to: &body)
            before = ref
            _ = column.end(ref)
        }
    }

    /// Values that no frame of this tick holds yet, of series that are defined by now.
    private mutating func appendValues(to body: inout [UInt8]) {
        var present = column.live
        for word in present.indices {
            present[word] &= isSet[word]
            isSet[word] &= ~present[word]
        }
        column.append(present: present, values: current, to: &body)
    }

    private mutating func frame(_ body: [UInt8], _ contents: MetricFrame.Flags) -> [UInt8] {
        var flags = contents
        if isKeyframeDue { flags.insert(.keyframe) }
        if milliseconds != clock.next || missed > 0 { flags.insert(.irregular) }
        var packed = body
        if let compressor, flags.contains(.dictionary), body.count >= MetricFrame.deflateFromBytes {
            let deflated = compressor.deflate(body, level: level)
            if deflated.count < body.count {
                packed = deflated
                flags.insert(.deflated)
            }
        }
        if isKeyframeDue { flags.remove(.irregular) }
        let now = MetricFrame.Clock(
            milliseconds: milliseconds, interval: interval, continues: flags.contains(.continues))
        let header = MetricFrame.Header(flags: flags, number: nextNumber, clock: now, missed: missed)
        var frame: [UInt8] = []
        frame.reserveCapacity(24 + packed.count)
        header.append(to: &frame, before: clock)
        frame += packed
        nextNumber &+= 1
        clock = now
        missed = 0
        isKeyframeDue = false
        return frame
    }
}
