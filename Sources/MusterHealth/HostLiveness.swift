package import MusterModel

/// Whether the coordinator hears from its hosts.
///
/// Transitions, by the time since the host was last heard (heartbeat or welcome):
///
///     (unknown) --heartbeat, connected-------------------------------> alive
///     (unknown) --restored-------------------------------------------> suspect, with a longer grace
///     alive ----`suspectAfter` of silence, or disconnected-----------> suspect
///     suspect --`unreachableAfter` of silence (after the grace)------> unreachable
///     unreachable --`deadAfter` of silence---------------------------> dead
///     any ------heartbeat, connected---------------------------------> alive
///     any ------removed----------------------------------------------> (unknown)
///
/// A tick that comes later than promised by more than `pauseTolerated` means that this process slept (SIGSTOP, a
/// starved machine): heartbeats may wait unread in sockets. Every host is then given the time that was slept, so nobody
/// is accused of a silence that nobody could have heard through.
package struct HostLiveness: Sendable {
    package struct Settings: Equatable, Sendable {
        package var suspectAfter = Duration.milliseconds(1_500)
        package var unreachableAfter = Duration.seconds(3)
        package var deadAfter = Duration.seconds(60)
        /// How long a host that was restored from storage stays suspect before it counts as unreachable: agents come
        /// back with up to `Limits.reconnectCeiling` of jitter.
        package var restoreGrace = Limits.reconnectCeiling + .seconds(5)
        /// The longest this machine may go without a tick while it knows a host.
        package var tickInterval = Duration.milliseconds(500)
        package var pauseTolerated = Duration.seconds(1)
        package var hostsMax = 20_000

        package init() {}
    }

    /// A host went from one state to another.
    package struct Change: Equatable, Sendable {
        package let host: HostID
        /// Nil when the host was not known.
        package let from: HostState?
        package let to: HostState
        /// For people, true at the moment of the change.
        package let reason: String
    }

    /// What is known of one host, for listings.
    package struct Status: Equatable, Sendable {
        package let host: HostID
        package let state: HostState
        package let reason: String
        /// When the state was entered.
        package let since: Instant
        /// Nil when this coordinator never heard from it and storage did not know either.
        package let lastSeen: Instant?
    }

    private enum Silence: Equatable {
        case connected
        case disconnected(String)
        case restored
    }

    private struct Entry {
        var state: HostState
        var since: Instant
        /// The true time, for people.
        var lastSeen: Instant?
        /// What deadlines count from: `lastSeen` plus what this process slept through since.
        var silentFrom: Instant
        var silence: Silence
    }

    package let settings: Settings
    /// Heartbeats of hosts that were not admitted because `hostsMax` are known.
    package private(set) var refusedHosts: UInt64 = 0
    /// How often this process was found to have slept.
    package private(set) var pauses: UInt64 = 0
    private var entries: [HostID: Entry] = [:]
    /// When the loop said it would be back.
    private var promised: Instant?

    package init(settings: Settings = Settings()) { self.settings = settings }

    /// When the loop has to call `tick`; nil while no host is known.
    package var wakeAt: Instant? { promised }

    package var count: Int { entries.count }

    // MARK: Events

    /// A heartbeat of an authenticated host came in.
    package mutating func heartbeatReceived(from host: HostID, now: Instant) -> Change? {
        observe(now)
        return heard(host, now)
    }

    /// A host was welcomed on a new connection.
    package mutating func connected(_ host: HostID, now: Instant) -> Change? {
        observe(now)
        return heard(host, now)
    }

    /// The last connection of a host ended. `reason` is for people: `connection reset by peer`.
    package mutating func disconnected(_ host: HostID, reason: String, now: Instant) -> Change? {
        observe(now)
        guard var entry = entries[host] else { return nil }
        entry.silence = .disconnected(reason)
        let from = entry.state
        if from == .alive {
            entry.state = .suspect
            entry.since = now
        }
        entries[host] = entry
        return from == entry.state ? nil : change(host, entry, from: from, now)
    }

    /// Storage knows this host from before the coordinator restarted. Ignored when the host was heard already.
    package mutating func restored(_ host: HostID, lastSeen: Instant?, now: Instant) -> Change? {
        observe(now)
        guard entries[host] == nil, admit() else { return nil }
        let silentFrom = now + settings.restoreGrace - settings.unreachableAfter
        let entry = Entry(
            state: .suspect, since: now, lastSeen: lastSeen, silentFrom: silentFrom, silence: .restored)
        entries[host] = entry
        schedule(now)
        return change(host, entry, from: nil, now)
    }

    /// An operator removed or revoked the host.
    package mutating func removed(_ host: HostID) {
        entries[host] = nil
        if entries.isEmpty { promised = nil }
    }

    /// Time passed. Returns what changed, hosts in order.
    package mutating func tick(now: Instant) -> [Change] {
        observe(now)
        var changes: [Change] = []
        for (host, entry) in entries where entry.state != .dead {
            let state = judged(entry, now)
            guard state != entry.state else { continue }
            var entered = entry
            entered.state = state
            entered.since = now
            entries[host] = entered
            changes.append(change(host, entered, from: entry.state, now))
        }
        schedule(now)
        return changes.sorted { $0.host < $1.host }
    }

    // MARK: Reading

    package func state(of host: HostID) -> HostState? { entries[host]?.state }

    package func status(of host: HostID, now: Instant) -> Status? {
        entries[host].map { status(host, $0, now) }
    }

    /// Every host, in order of its id.
    package func statuses(now: Instant) -> [Status] {
        entries.map { status($0.key, $0.value, now) }.sorted { $0.host < $1.host }
    }

    // MARK: Decisions

    private mutating func heard(_ host: HostID, _ now: Instant) -> Change? {
        guard var entry = entries[host] else {
            guard admit() else { return nil }
            let entry = Entry(state: .alive, since: now, lastSeen: now, silentFrom: now, silence: .connected)
            entries[host] = entry
            schedule(now)
            return change(host, entry, from: nil, now)
        }
        let from = entry.state
        entry.lastSeen = now
        entry.silentFrom = now
        entry.silence = .connected
        if from != .alive {
            entry.state = .alive
            entry.since = now
        }
        entries[host] = entry
        return from == .alive ? nil : change(host, entry, from: from, now)
    }

    private mutating func admit() -> Bool {
        guard entries.count < settings.hostsMax else {
            refusedHosts += 1
            return false
        }
        return true
    }

    /// States only get worse here; getting better takes a heartbeat.
    private func judged(_ entry: Entry, _ now: Instant) -> HostState {
        let silence = now - entry.silentFrom
        if silence >= settings.deadAfter { return .dead }
        if silence >= settings.unreachableAfter || entry.state == .unreachable { return .unreachable }
        if silence >= settings.suspectAfter || entry.state == .suspect { return .suspect }
        return .alive
    }

    private mutating func observe(_ now: Instant) {
        guard let promised, now - promised > settings.pauseTolerated else { return }
        let slept = now - promised
        pauses += 1
        for host in entries.keys {
            guard let silentFrom = entries[host]?.silentFrom else { continue }
            // Never past `now`: what was heard after the promise is not shifted into the future, except for the
            // grace of restored hosts, which lies there by intent.
            entries[host]?.silentFrom = max(silentFrom, min(silentFrom + slept, max(now, silentFrom)))
        }
        schedule(now)
    }

    private mutating func schedule(_ now: Instant) {
        promised = entries.isEmpty ? nil : now + settings.tickInterval
    }

    // MARK: Words

    private func change(_ host: HostID, _ entry: Entry, from: HostState?, _ now: Instant) -> Change {
        Change(host: host, from: from, to: entry.state, reason: reason(entry, now))
    }

    private func status(_ host: HostID, _ entry: Entry, _ now: Instant) -> Status {
        Status(
            host: host, state: entry.state, reason: reason(entry, now), since: entry.since, lastSeen: entry.lastSeen)
    }

    private func reason(_ entry: Entry, _ now: Instant) -> String {
        let seen = entry.lastSeen.map { "; last seen \(Self.timeOfDay($0, now: now))" } ?? ""
        switch (entry.state, entry.silence) {
        case (.alive, _): return "heartbeats arrive"
        case (_, .restored): return "last known before the coordinator restarted\(seen)"
        case (_, .disconnected(let reason)): return "disconnected: \(reason)\(seen)"
        case (_, .connected):
            return "no heartbeat for \(Self.seconds(now - (entry.lastSeen ?? entry.silentFrom)))\(seen)"
        }
    }

    /// `3.2 s` below a minute, `2m5s` above.
    private static func seconds(_ duration: Duration) -> String {
        let tenths = max(0, duration.nanoseconds / 100_000_000)
        guard tenths >= 600 else { return "\(tenths / 10).\(tenths % 10) s" }
        return Duration.seconds(tenths / 10).shortText
    }

    /// `12:00:01` within a day, the whole date before that. UTC.
    private static func timeOfDay(_ instant: Instant, now: Instant) -> String {
        let text = instant.description
        guard now - instant < .hours(24) else { return text }
        return String(text.dropFirst(11).prefix(8))
    }
}
