package import MusterModel

/// Who waits for which service from which version.
///
/// A watch waits only when the version it has is the current one. Any other, lower or higher (a watcher that outlived a
/// coordinator's state), is answered at once. Each watch ends exactly once: by `changed`, `tick`, `cancelled`, or at
/// once in `watched`.
package struct RouteWatches: Sendable {
    package struct ID: Hashable, Comparable, Sendable {
        package let number: UInt64
        package static func < (a: ID, b: ID) -> Bool { a.number < b.number }
    }

    package enum WatchEffect: Equatable, Sendable {
        case answerNow
        /// The watcher is answered when `changed` or `tick` names its id.
        case wait(ID)
        /// For people; the watcher should come back later.
        case refused(String)
    }

    package static let watchesMax = 10_000
    /// The longest a watcher may ask to wait.
    package static let longestWait = Duration.minutes(10)

    private struct Watch {
        let service: ServiceName
        let deadline: Instant
    }

    private var watches: [ID: Watch] = [:]
    private var byService: [ServiceName: Set<ID>] = [:]
    /// Deadlines in whole seconds, so that their number is bounded by `longestWait` and not by the watchers.
    private var bySecond: [Int64: Set<ID>] = [:]
    private var lastID: UInt64 = 0

    package init() {}

    package var count: Int { watches.count }

    /// When `tick` has something to end; nil while nobody waits.
    package var wakeAt: Instant? { bySecond.keys.min().map { Instant(seconds: $0) } }

    /// Somebody who has version `version` wants to hear of the next one, for at most `wait`.
    package mutating func watched(
        _ service: ServiceName, from version: UInt64, current: UInt64, wait: Duration, now: Instant
    ) -> WatchEffect {
        guard version == current, wait > .zero else { return .answerNow }
        guard watches.count < Self.watchesMax else {
            return .refused("\(Self.watchesMax) watchers wait already, which is the limit; ask again without waiting")
        }
        lastID += 1
        let id = ID(number: lastID)
        let watch = Watch(service: service, deadline: now + min(wait, Self.longestWait))
        watches[id] = watch
        byService[service, default: []].insert(id)
        bySecond[Self.second(watch), default: []].insert(id)
        return .wait(id)
    }

    /// A service has a new version: these watches have ended and their watchers are to be answered, oldest first.
    package mutating func changed(_ service: ServiceName) -> [ID] {
        end(byService[service] ?? [])
    }

    /// Time passed: these watches have ended without a change.
    package mutating func tick(now: Instant) -> [ID] {
        let due = bySecond.filter { Instant(seconds: $0.key) <= now }
        return end(due.values.reduce(into: Set<ID>()) { $0.formUnion($1) })
    }

    /// A watcher went away.
    package mutating func cancelled(_ id: ID) { _ = end([id]) }

    private mutating func end(_ ids: Set<ID>) -> [ID] {
        for id in ids {
            guard let watch = watches.removeValue(forKey: id) else { continue }
            byService[watch.service]?.remove(id)
            if byService[watch.service]?.isEmpty == true { byService[watch.service] = nil }
            let second = Self.second(watch)
            bySecond[second]?.remove(id)
            if bySecond[second]?.isEmpty == true { bySecond[second] = nil }
        }
        return ids.sorted()
    }

    /// Rounded up: a watch never ends early.
    private static func second(_ watch: Watch) -> Int64 {
        let whole = watch.deadline.seconds
        return Instant(seconds: whole) < watch.deadline ? whole + 1 : whole
    }
}
