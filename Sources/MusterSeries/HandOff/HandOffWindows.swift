package import MusterModel

/// What another engine has been given, by windows of time, and what it gets next.
///
/// The samples themselves stay in the store, so nothing is kept twice and an outage costs a few numbers: the windows
/// that are still to be given. A window is given whole, and again when its sending broke or when samples came late;
/// engines take an identical sample twice without harm.
///
///     open --its end and `delay` have passed--> pending
///     pending --`next`, given whole--> given
///     pending --refused for good--> given, and counted
///     pending --older than what the store keeps--> lost, and counted
///     given --a sample came late--> pending
///
/// The newest pending window goes first, so that after an outage the engine shows the present at once; the backlog
/// follows newest first, one window every `backlogInterval`.
package struct HandOffWindows: Sendable, Equatable {
    package struct Settings: Sendable, Equatable {
        /// Length of a window.
        package var width = Duration.seconds(10)
        /// How long after its end a window is given: samples of that time are still on their way.
        package var delay = Duration.seconds(3)
        package var backlogInterval = Duration.milliseconds(250)
        package var firstRetry = Duration.seconds(1)
        package var longestRetry = Duration.minutes(2)

        package init() {}
    }

    /// Separate ranges of pending windows that are kept; late samples scattered over more join neighbours that were
    /// given already.
    package static let rangesMax = 1_000

    package struct Counters: Sendable, Equatable {
        package var given: UInt64 = 0
        package var refused: UInt64 = 0
        /// Older than what the store keeps before they could be given.
        package var lost: UInt64 = 0
        package var failures: UInt64 = 0
    }

    package let settings: Settings
    package private(set) var counters = Counters()
    /// Numbers of windows, ascending and apart. Window `n` is `n * width ..< (n + 1) * width`, in milliseconds since
    /// 1970.
    package private(set) var pending: [ClosedRange<Int64>]
    /// The first window that is still open.
    package private(set) var open: Int64
    private var retry = Duration.zero
    private var notBefore = Instant.distantPast
    private var backlogNotBefore = Instant.distantPast

    /// Begins with the window that is open now; `restoring` goes on where a process before it was.
    package init(_ settings: Settings = Settings(), now: Instant, restoring stored: Stored? = nil) {
        self.settings = settings
        let width = max(1, settings.width.nanoseconds / 1_000_000)
        let current = now.milliseconds / width
        pending = []
        open = current
        // A stored state of another width, or from the future, would name other times.
        guard let stored, stored.width == width, stored.open <= current else { return }
        open = stored.open
        pending = stored.pending.filter { $0.upperBound < stored.open }
    }

    /// What has to outlive the process.
    package struct Stored: Codable, Sendable, Equatable {
        package var width: Int64
        package var open: Int64
        package var pending: [ClosedRange<Int64>]
    }

    package var stored: Stored { Stored(width: width, open: open, pending: pending) }

    private var width: Int64 { max(1, settings.width.nanoseconds / 1_000_000) }

    /// Windows that wait to be given.
    package var backlog: Int64 { pending.reduce(0) { $0 + $1.upperBound - $1.lowerBound + 1 } }

    /// One window to give: samples from `from` up to and including `to`.
    package struct Work: Sendable, Equatable {
        package var window: Int64
        package var from: Int64
        package var to: Int64
    }

    // MARK: Events

    /// Closes the windows whose time has come. `keptFrom` is the oldest time the store still has, in milliseconds.
    package mutating func timePassed(now: Instant, keptFrom: Int64) {
        let closed = (now - settings.delay).milliseconds / width
        if closed > open {
            add(open...closed - 1)
            open = closed
        }
        let first = keptFrom / width
        while let oldest = pending.first, oldest.lowerBound < first {
            let lost = min(oldest.upperBound, first - 1)
            counters.lost += UInt64(lost - oldest.lowerBound + 1)
            if lost == oldest.upperBound { pending.removeFirst() } else { pending[0] = lost + 1...oldest.upperBound }
        }
    }

    /// A sample came into a window that may have been given already.
    package mutating func sampleCameLate(at milliseconds: Int64) {
        let window = milliseconds / width
        if window < open { add(window...window) }
    }

    /// What to give now; nil when there is nothing or it is not time yet.
    package func next(now: Instant) -> Work? {
        guard now >= notBefore, let newest = pending.last?.upperBound else { return nil }
        guard newest == open - 1 || now >= backlogNotBefore else { return nil }
        return Work(window: newest, from: newest * width, to: (newest + 1) * width - 1)
    }

    package mutating func given(_ window: Int64, now: Instant) {
        counters.given += 1
        done(window, now)
    }

    /// The engine will never take it; asking again would be a storm.
    package mutating func refused(_ window: Int64, now: Instant) {
        counters.refused += 1
        done(window, now)
    }

    /// The engine cannot take it now. `retryAfter` is what it asked for; `jitter` from 0 to below 1 spreads retries.
    package mutating func failed(retryAfter: Duration?, jitter: Double, now: Instant) {
        counters.failures += 1
        retry = retry == .zero ? settings.firstRetry : min(retry * 2, settings.longestRetry)
        let spread = retry * (0.5 + 0.5 * min(max(0, jitter), 1))
        notBefore = now + max(spread, min(retryAfter ?? .zero, settings.longestRetry))
    }

    // MARK: Ranges

    private mutating func done(_ window: Int64, _ now: Instant) {
        retry = .zero
        notBefore = .distantPast
        if window != open - 1 { backlogNotBefore = now + settings.backlogInterval }
        guard let index = pending.lastIndex(where: { $0.contains(window) }) else { return }
        let range = pending.remove(at: index)
        if range.upperBound > window { pending.insert(window + 1...range.upperBound, at: index) }
        if range.lowerBound < window { pending.insert(range.lowerBound...window - 1, at: index) }
        bound()
    }

    private mutating func add(_ range: ClosedRange<Int64>) {
        var joined = range
        var index = pending.count
        while index > 0, pending[index - 1].lowerBound > range.lowerBound { index -= 1 }
        pending.insert(range, at: index)
        if index > 0, pending[index - 1].upperBound >= joined.lowerBound - 1 {
            joined = pending[index - 1].lowerBound...max(joined.upperBound, pending[index - 1].upperBound)
            pending.remove(at: index - 1)
            index -= 1
        }
        while index + 1 < pending.count, pending[index + 1].lowerBound <= joined.upperBound + 1 {
            joined = joined.lowerBound...max(joined.upperBound, pending[index + 1].upperBound)
            pending.remove(at: index + 1)
        }
        pending[index] = joined
        bound()
    }

    /// The two oldest ranges become one: what lay between them is given once more.
    private mutating func bound() {
        guard pending.count > Self.rangesMax else { return }
        let first = pending.removeFirst()
        pending[0] = first.lowerBound...pending[0].upperBound
    }
}
