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
    /// The epoch that is open.
    package private(set) var epoch: UInt32
    package var liveSeries: Int { dictionary.live.count }

    private let compressor: (any Compressor)?
    private let level: Int
    private var nextIndex: UInt32 = 0
    private var milliseconds: Int64 = 0
    private var dictionary = EncoderDictionary()
    /// Whether a ref got a value in this tick that no frame holds yet, and that value's bits.
    private var isPresent: [Bool] = []
    private var current: [UInt64] = []
    /// Defined and in no frame yet, in order of ref.
    private var pending: Deque<EncoderDictionary.Definition> = []
    private var endedRefs: [Int] = []

    /// `firstEpoch` only tells epochs apart: a number that differs from those of the process before, such as the time.
    /// With a compressor, bodies are deflated at `level` when that makes them smaller.
    package init(firstEpoch: UInt32, compressor: (any Compressor)? = nil, level: Int = 1) {
        epoch = firstEpoch
        self.compressor = compressor
        self.level = level
    }

    /// The next frame is a keyframe with an empty dictionary. Call it between ticks, every few minutes and after a
    /// frame was dropped. Handles stay valid: their series are defined again when they are next set.
    package mutating func beginEpoch() {
        epoch &+= 1
        nextIndex = 0
        dictionary = EncoderDictionary()
        isPresent = []
        current = []
        pending = []
        endedRefs = []
    }

    /// Begins a new epoch by itself when churn has used up half of what one may hold.
    package mutating func beginTick(milliseconds: Int64) {
        let isHalfUsed =
            dictionary.nextRef > MetricFrame.refsPerEpoch / 2
            || dictionary.stringCount > MetricFrame.stringsPerEpoch / 2
            || dictionary.stringBytes > MetricFrame.stringBytesPerEpoch / 2
        // Without churn a new epoch would be as full as this one.
        if isHalfUsed && dictionary.nextRef > 2 * dictionary.live.count || nextIndex > .max / 2 { beginEpoch() }
        self.milliseconds = milliseconds
    }

    /// The value of a series at this tick. `labels` are asked for only when the series is new in this epoch.
    /// Returns false when the series is refused; it stays so until the next epoch.
    @discardableResult
    package mutating func set(_ handle: Int, _ value: Double, labels: @autoclosure () -> Labels) -> Bool {
        guard handle >= 0, handle < Self.handles else {
            refusedSeries += 1
            return false
        }
        let ref: Int
        switch dictionary.known(handle) {
        case .ref(let known): ref = known
        case .refused: return false
        case .unknown:
            guard let new = define(handle, labels()) else { return false }
            ref = new
        }
        current[ref] = value.bitPattern
        isPresent[ref] = true
        return true
    }

    /// The series behind a handle has ended; the handle is free. A handle that was never set is ignored.
    package mutating func ended(_ handle: Int) {
        guard let ref = dictionary.end(handle) else { return }
        isPresent[ref] = false
        endedRefs.append(ref)
    }

    /// The frames of this tick, in order: one, or more when new definitions do not fit the first.
    package mutating func endTick() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        endedRefs.sort()
        repeat {
            var body: [UInt8] = []
            appendDefinitions(to: &body)
            let isLast = pending.isEmpty
            appendEnded(isLast ? endedRefs : [], to: &body)
            let isAllPresent = appendValues(to: &body)
            frames.append(frame(body, isAllPresent: isAllPresent, continues: !isLast))
        } while !pending.isEmpty
        endedRefs = []
        return frames
    }

    private mutating func define(_ handle: Int, _ labels: Labels) -> Int? {
        guard dictionary.live.count < Limits.seriesPerHost, dictionary.nextRef < MetricFrame.refsPerEpoch,
            LabelLimits.firstBroken(by: labels) == nil, let (ref, definition) = dictionary.define(handle, labels)
        else {
            refusedSeries += 1
            dictionary.refuse(handle)
            return nil
        }
        pending.append(definition)
        current.append(0)
        isPresent.append(false)
        return ref
    }

    private mutating func appendDefinitions(to body: inout [UInt8]) {
        var strings: [UInt8] = []
        var stringCount = 0
        var pairs: [UInt8] = []
        var count = 0
        while strings.count + pairs.count < MetricFrame.definitionBytes, let next = pending.popFirst() {
            strings += next.strings
            stringCount += next.stringCount
            pairs += next.pairs
            count += 1
        }
        dictionary.sentRefs += count
        Varint.append(UInt64(stringCount), to: &body)
        body += strings
        Varint.append(UInt64(count), to: &body)
        body += pairs
    }

    /// A ref may end in the tick that defines it, so refs end in the last frame of a tick.
    private mutating func appendEnded(_ ended: [Int], to body: inout [UInt8]) {
        Varint.append(UInt64(ended.count), to: &body)
        var before = 0
        for ref in ended {
            Varint.append(UInt64(ref - before), to: &body)
            before = ref
        }
        dictionary.forget(ended)
    }

    /// Values that no frame of this tick holds yet, of series that are defined by now. Returns whether every live
    /// series has one.
    private mutating func appendValues(to body: inout [UInt8]) -> Bool {
        let live = dictionary.live.prefix { $0 < dictionary.sentRefs }
        let present = live.filter { isPresent[$0] }
        let isAllPresent = present.count == live.count
        if !isAllPresent {
            let start = body.count
            body.append(contentsOf: repeatElement(0, count: ValueColumn.bitmapBytes(live.count)))
            for (position, ref) in live.enumerated() where isPresent[ref] {
                body[start + position >> 3] |= 1 << UInt8(position & 7)
            }
        }
        let previousBits = present.map { dictionary.previous[$0] }
        let currentBits = present.map { current[$0] }
        ValueColumn.append(previous: previousBits.span, current: currentBits.span, to: &body)
        for ref in present {
            dictionary.previous[ref] = current[ref]
            isPresent[ref] = false
        }
        return isAllPresent
    }

    private mutating func frame(_ body: [UInt8], isAllPresent: Bool, continues: Bool) -> [UInt8] {
        var flags: MetricFrame.Flags = []
        if nextIndex == 0 { flags.insert(.keyframe) }
        if isAllPresent { flags.insert(.allPresent) }
        if continues { flags.insert(.continues) }
        var packed = body
        if let compressor {
            let deflated = compressor.deflate(body, level: level)
            if deflated.count < body.count {
                packed = deflated
                flags.insert(.deflated)
            }
        }
        let header = MetricFrame.Header(flags: flags, epoch: epoch, index: nextIndex, milliseconds: milliseconds)
        nextIndex += 1
        var frame: [UInt8] = []
        frame.reserveCapacity(MetricFrame.headerBytes + packed.count)
        header.append(to: &frame)
        frame += packed
        return frame
    }
}
