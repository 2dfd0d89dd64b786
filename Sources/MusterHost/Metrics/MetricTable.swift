package import MusterModel

/// The series of this host as one row of doubles. Whoever measures registers a set of labels once, keeps the handle,
/// and from then on writes a value by handle: a tick costs no `String`, no hash and no allocation.
///
/// A tick begins with `tickBegan()`; then values are set, series are registered and ended; then the encoder reads
/// `started`, `ended` and the samples. A slot's life, per handle:
///
///     free     -- registered --> live       (listed in `started` until the next tick)
///     live     -- registered --> live       (one more user of the same series)
///     live     -- ended      --> ended      (the last user; listed in `ended` until the next tick)
///     ended    -- registered --> live       (within the same tick: the end is taken back)
///     ended    -- tickBegan  --> free       (its generation counts up, the handle may be given out again)
///
/// Everything else (setting or ending a free, ended or refused handle) changes nothing.
package struct MetricTable: Sendable {
    /// The handle given out when the table is full. Setting it does nothing, so a collector need not care.
    package static let refused = -1

    /// Series that may be live at once; more are refused and counted.
    package let seriesMax: Int
    /// Since when the counters count that are registered from now on, in milliseconds; nil when that is not known.
    package var countersStarted: Int64?
    /// Handles registered since the tick began, in the order of registration.
    package private(set) var started: [Int] = []
    /// Handles ended since the tick began, without those that started in it too. Their labels can still be read until
    /// the next tick begins.
    package private(set) var ended: [Int] = []
    /// How many registrations found the table full.
    package private(set) var refusedCount: UInt64 = 0
    package private(set) var liveCount = 0
    /// The last value of each handle: `values[handle]`.
    package private(set) var values: [Double] = []

    private var stamps: [UInt64] = []
    private var births: [UInt64] = []
    private var retired: [Int] = []
    private var users: [Int32] = []
    private var generations: [UInt32] = []
    private var labelSets: [Labels] = []
    private var starts: [Int64?] = []
    /// Of the series that were registered with one.
    private var described: [Int: MetricFamily] = [:]
    private let families: [FamilyInterval]
    /// By handle, how many ticks lie between two samples, and the tick from which on the next is taken. Empty when
    /// every family is taken at every reading.
    private var spacings: [UInt64] = []
    private var dueTicks: [UInt64] = []
    private var freeHandles: [Int] = []
    private var handles: [Labels: Int] = [:]
    private var tick: UInt64 = 1

    package init(seriesMax: Int = Limits.seriesPerHost, families: [FamilyInterval] = []) {
        self.seriesMax = seriesMax
        self.families = families
    }

    /// A new tick: nothing is fresh, the ends of the last tick are forgotten and their handles may be reused. `missed`:
    /// ticks of the grid since the last that never began.
    package mutating func tickBegan(missed: UInt64 = 0) {
        tick &+= 1 &+ missed
        started.removeAll(keepingCapacity: true)
        ended.removeAll(keepingCapacity: true)
        guard !retired.isEmpty else { return }
        for handle in retired where users[handle] == 0 {
            handles[labelSets[handle]] = nil
            labelSets[handle] = Labels()
            if !described.isEmpty { described[handle] = nil }
            generations[handle] &+= 1
            values[handle] = 0
            freeHandles.append(handle)
        }
        retired.removeAll(keepingCapacity: true)
    }

    /// The handle of a series. The same labels give the same handle for as long as the series is live, and each
    /// registration asks for one `end`. `MetricTable.refused` when the table is full. `family` is for series whose kind
    /// is not told by their name, and which nobody knows the beginning of.
    package mutating func register(_ labels: Labels, as family: MetricFamily? = nil) -> Int {
        if let handle = handles[labels] {
            if users[handle] == 0 { revive(handle) }
            users[handle] += 1
            return handle
        }
        guard liveCount < seriesMax else {
            refusedCount += 1
            return Self.refused
        }
        let handle = freeHandles.popLast() ?? grow()
        labelSets[handle] = labels
        let isCounter =
            family == nil && countersStarted != nil && MetricKind(ofMetric: labels.metricName) == .counter
        starts[handle] = isCounter ? countersStarted : nil
        if let family { described[handle] = family }
        if !families.isEmpty {
            spacings[handle] = families.ticks(of: labels.metricName)
            dueTicks[handle] = 0
        }
        stamps[handle] = 0
        births[handle] = tick
        users[handle] = 1
        handles[labels] = handle
        liveCount += 1
        started.append(handle)
        return handle
    }

    /// A value measured in this tick.
    @inline(__always)
    package mutating func set(_ handle: Int, _ value: Double) {
        guard handle >= 0, handle < values.count else { return }
        values[handle] = value
        if !spacings.isEmpty, spacings[handle] > 1, stamps[handle] != tick {
            guard tick >= dueTicks[handle] else { return }
            dueTicks[handle] = tick &+ spacings[handle]
        }
        stamps[handle] = tick
    }

    /// One user of the series is gone; after the last one the series has ended.
    package mutating func end(_ handle: Int) {
        guard users.indices.contains(handle), users[handle] > 0 else { return }
        users[handle] -= 1
        guard users[handle] == 0 else { return }
        liveCount -= 1
        retired.append(handle)
        if births[handle] == tick {
            // Nobody has heard of it yet, so nobody need hear of its end.
            if let index = started.firstIndex(of: handle) { started.remove(at: index) }
        } else {
            ended.append(handle)
        }
    }

    /// True for a handle that is live.
    package func isLive(_ handle: Int) -> Bool { users.indices.contains(handle) && users[handle] > 0 }

    /// True for labels somebody has registered.
    package func isLive(_ labels: Labels) -> Bool { handles[labels].map { users[$0] > 0 } ?? false }

    /// True when a live handle was set since the tick began.
    package func isFresh(_ handle: Int) -> Bool { isLive(handle) && stamps[handle] == tick }

    /// The labels of a live handle or of one that ended in this tick.
    package func labels(_ handle: Int) -> Labels { labelSets.indices.contains(handle) ? labelSets[handle] : Labels() }

    /// What all series of a live handle's name have in common.
    package func family(_ handle: Int) -> MetricFamily {
        if let family = described[handle] { return family }
        let name = labels(handle).metricName
        return MetricFamily(name, MetricKind(ofMetric: name))
    }

    /// When the counter behind a live handle began to count, in milliseconds; nil when that is not known.
    package func startMilliseconds(_ handle: Int) -> Int64? { starts.indices.contains(handle) ? starts[handle] : nil }

    /// Counts the lives of a handle: (handle, generation) names one series for ever.
    package func generation(_ handle: Int) -> UInt32 { generations.indices.contains(handle) ? generations[handle] : 0 }

    /// Every value measured in this tick, by ascending handle.
    package func forEachSample(_ body: (_ handle: Int, _ labels: Labels, _ value: Double) -> Void) {
        for handle in values.indices where stamps[handle] == tick && users[handle] > 0 {
            body(handle, labelSets[handle], values[handle])
        }
    }

    /// Every live series with its last value, fresh or not, by ascending handle: what a keyframe defines.
    package func forEachSeries(_ body: (_ handle: Int, _ labels: Labels, _ value: Double) -> Void) {
        for handle in values.indices where users[handle] > 0 { body(handle, labelSets[handle], values[handle]) }
    }

    private mutating func grow() -> Int {
        values.append(0)
        stamps.append(0)
        births.append(0)
        users.append(0)
        generations.append(0)
        labelSets.append(Labels())
        starts.append(nil)
        if !families.isEmpty {
            spacings.append(1)
            dueTicks.append(0)
        }
        return values.count - 1
    }

    private mutating func revive(_ handle: Int) {
        liveCount += 1
        retired.removeAll { $0 == handle }
        if births[handle] == tick {
            started.append(handle)
        } else {
            ended.removeAll { $0 == handle }
        }
    }
}

extension MetricTable {
    /// Registers `name{labels}`.
    mutating func series(_ name: String, _ labels: (String, String)...) -> Int {
        register(Labels([("__name__", name)] + labels))
    }
}
