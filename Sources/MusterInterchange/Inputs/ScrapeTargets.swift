package import MusterModel

/// Which endpoints are scraped, when, and what became of it. Times are ticks of the grid on which everything is
/// measured; the loop that owns the machine calls `tickBegan` at each, starts the scrapes it gets, and says how each
/// went with `answered`. What a scrape found belongs to the first tick after it.
///
///     waiting --tickBegan, when due--> running --answered--> waiting (its reading is given out by the next tick)
///     any     --listed without it----> gone (all its series end with the next tick; an answer to come is not heard)
///
/// A target that fails has its series ended with the next tick and begins anew with the scrape after it; only `up` and
/// the other series of `ScrapeReport` go on.
package struct ScrapeTargets: Sendable {
    /// A target that goes on failing is spoken of again after this long, and one that flaps not more often than that.
    static let newsInterval = (change: Duration.minutes(1), reminder: Duration.minutes(10))

    /// A scrape to be made.
    package struct Start: Sendable {
        package var id: UInt64
        package var target: ScrapeTarget
        /// What the target told so far; it comes back with the answer.
        package var page: ScrapePage
        /// How long to wait first, so that not all scrapes begin in the same moment.
        package var delay: Duration
    }

    /// How a scrape went.
    package enum Outcome: Sendable {
        case read(ScrapePage.Read)
        case failed(ScrapeFailure)
    }

    /// What follows from a tick.
    package struct Tick: Sendable {
        /// Targets all of whose series end.
        package var gone: [UInt64] = []
        package var readings: [(id: UInt64, reading: SeriesReading)] = []
        package var starts: [Start] = []
    }

    /// What people should hear.
    package enum News: Equatable, Sendable {
        case failing(ScrapeTarget, ScrapeFailure)
        case recovered(ScrapeTarget)
    }

    package struct Counters: Equatable, Sendable {
        package var scrapes: UInt64 = 0
        package var samples: UInt64 = 0
        package var failures: [ScrapeFailure.Reason: UInt64] = [:]
        package var refusedSeries: [SeriesRefusal.Reason: UInt64] = [:]
        package var duplicates: UInt64 = 0
        package var timestamps: UInt64 = 0
        /// Scrapes that were due while the one before was still running.
        package var skipped: UInt64 = 0

        package init() {}
    }

    private struct Entry: Sendable {
        let id: UInt64
        let target: ScrapeTarget
        /// Ticks between two scrapes, and which of them.
        let spacing: Int64
        let phase: Int64
        let delay: Duration
        var page: ScrapePage? = ScrapePage()
        var isKnown = false
        /// As of the last scrape that succeeded; 0 after one that failed.
        var series = 0
        var saidFailing = false
        var saidAt = Instant.distantPast
    }

    package private(set) var counters = Counters()
    /// Targets beyond the limit, left out.
    package private(set) var omitted = 0
    private let grid: Duration
    private let maxSeries: Int
    private var entries: [UInt64: Entry] = [:]
    /// In the order they were listed.
    private var ids: [ScrapeTarget: UInt64] = [:]
    private var nextID: UInt64 = 0
    private var gone: [UInt64] = []
    private var readings: [(id: UInt64, reading: SeriesReading)] = []
    private var lastTick: Int64?

    /// `grid`: the time between two ticks. `maxSeries`: of all targets together.
    package init(grid: Duration, maxSeries: Int = Limits.seriesPerHost) {
        self.grid = max(.milliseconds(1), grid)
        self.maxSeries = maxSeries
    }

    package var count: Int { entries.count }

    /// The targets from now on, all of them. One that is the same as before goes on; of two that are the same one is
    /// scraped.
    package mutating func listed(_ targets: [ScrapeTarget]) {
        var wanted: [ScrapeTarget: UInt64] = [:]
        omitted = 0
        for target in targets where wanted[target] == nil {
            guard wanted.count < InterchangeLimits.scrapeTargets else {
                omitted += 1
                continue
            }
            wanted[target] = ids[target] ?? begin(target)
        }
        for (target, id) in ids where wanted[target] == nil {
            if entries.removeValue(forKey: id)?.isKnown == true { gone.append(id) }
            readings.removeAll { $0.id == id }
        }
        gone.sort()
        ids = wanted
    }

    private mutating func begin(_ target: ScrapeTarget) -> UInt64 {
        nextID += 1
        let step = grid.nanoseconds
        let spacing = max(1, (target.interval.nanoseconds + step / 2) / step)
        let hash = target.hash
        // Well within the tick, so that a quick answer is of the tick after it every time.
        let delay = Int64(hash >> 33) % max(1, min(step, 1_000_000_000) / 4)
        entries[nextID] = Entry(
            id: nextID, target: target, spacing: spacing, phase: Int64(hash & 0xffff_ffff) % spacing,
            delay: .nanoseconds(delay))
        return nextID
    }

    /// `milliseconds`: the tick's place on the grid, on the wall clock. Ticks that were missed make a scrape due all
    /// the same; a clock that was set back delays none.
    package mutating func tickBegan(milliseconds: Int64) -> Tick {
        defer {
            gone = []
            readings = []
        }
        guard !entries.isEmpty || !gone.isEmpty else { return Tick() }
        let number = milliseconds / max(1, grid.nanoseconds / 1_000_000)
        let last = min(lastTick ?? number - 1, number - 1)
        lastTick = number
        var tick = Tick(gone: gone, readings: readings)
        for id in entries.keys.sorted() {
            guard let entry = entries[id],
                Self.cycle(number, entry) > Self.cycle(last, entry)
            else { continue }
            guard let page = entry.page else {
                counters.skipped += 1
                continue
            }
            entries[id]?.page = nil
            tick.starts.append(Start(id: id, target: entry.target, page: page, delay: entry.delay))
        }
        return tick
    }

    private static func cycle(_ number: Int64, _ entry: Entry) -> Int64 {
        // Rounded down for ticks before 1970 as well.
        let (quotient, rest) = (number - entry.phase).quotientAndRemainder(dividingBy: entry.spacing)
        return rest < 0 ? quotient - 1 : quotient
    }

    /// A scrape is over. `page` is the one that was given out, having read the answer. Nil when there is nothing to
    /// say.
    package mutating func answered(
        _ id: UInt64, page: consuming ScrapePage, _ outcome: Outcome, took: Duration, now: Instant
    ) -> News? {
        guard var entry = entries[id] else { return nil }
        counters.scrapes += 1
        let lost = Self.lost(page, outcome)
        let outcome = limited(outcome, entry)
        var reading = SeriesReading()
        if !entry.isKnown { reading.started = ScrapeReport.starts(entry.target) }
        entry.isKnown = true
        switch outcome {
        case .read(let read):
            count(read)
            reading.ended = read.reading.ended
            reading.started += read.reading.started
            reading.values = ScrapeReport.values(isUp: true, took: took, samples: read.samples) + read.reading.values
            entry.series = read.reading.values.count
            entry.page = page
        case .failed(let failure):
            counters.failures[failure.reason, default: 0] += 1
            reading.ended = lost
            reading.values = ScrapeReport.values(isUp: false, took: took, samples: 0)
            entry.series = 0
            entry.page = ScrapePage()
        }
        readings.append((id, reading))
        let news = Self.news(of: &entry, outcome, now: now)
        entries[id] = entry
        return news
    }

    /// The rows that were given out before this answer, which end when it is none.
    private static func lost(_ page: borrowing ScrapePage, _ outcome: Outcome) -> [Int] {
        guard case .read(let read) = outcome else { return page.abandoned }
        let new = Set(read.reading.started.map(\.row))
        return page.abandoned.filter { !new.contains($0) } + read.reading.ended
    }

    private func limited(_ outcome: Outcome, _ entry: Entry) -> Outcome {
        guard case .read(let read) = outcome else { return outcome }
        let others = entries.values.reduce(0) { $0 + ($1.id == entry.id ? 0 : $1.series) }
        guard others + read.reading.values.count <= maxSeries else {
            return .failed(
                ScrapeFailure(
                    .hostLimit,
                    "its \(read.samples) series and the \(others) of other targets are more than the \(maxSeries) "
                        + "allowed on one host"))
        }
        return outcome
    }

    private mutating func count(_ read: ScrapePage.Read) {
        counters.samples += UInt64(read.reading.values.count)
        counters.duplicates += UInt64(read.duplicates)
        counters.timestamps += UInt64(read.timestamps)
        for (reason, count) in read.refusals.counts { counters.refusedSeries[reason, default: 0] += UInt64(count) }
    }

    private static func news(of entry: inout Entry, _ outcome: Outcome, now: Instant) -> News? {
        let age = now - entry.saidAt
        switch outcome {
        case .read:
            guard entry.saidFailing, age >= newsInterval.change else { return nil }
            (entry.saidFailing, entry.saidAt) = (false, now)
            return .recovered(entry.target)
        case .failed(let failure):
            guard age >= (entry.saidFailing ? newsInterval.reminder : newsInterval.change) else { return nil }
            (entry.saidFailing, entry.saidAt) = (true, now)
            return .failing(entry.target, failure)
        }
    }
}
