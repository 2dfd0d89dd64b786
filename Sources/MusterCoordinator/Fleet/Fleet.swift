package import MusterCatalog
package import MusterHealth
package import MusterModel
package import MusterRouting
import Synchronization

/// The fleet as the coordinator knows it: who is alive, who offers what, who gets traffic. One lock holds the three
/// machines, every event goes in through a method here, and whoever waits for a route is woken from here. Nothing that
/// blocks happens under the lock.
package final class Fleet: Sendable {
    /// Told outside the lock, in no particular order, of what changed.
    package struct Change: Sendable {
        package var liveness: [HostLiveness.Change] = []
        package var services: [ServiceName] = []
    }

    private struct State {
        var catalog: Catalog
        var liveness: HostLiveness
        var routes: RouteTable
        var watches = RouteWatches()
        /// Watches that have not ended; one gets its continuation a moment after it begins.
        var waiting: [RouteWatches.ID: CheckedContinuation<Void, Never>?] = [:]
        /// Hosts whose stored snapshot is older than the catalogue's.
        var unstored: Set<HostID> = []
    }

    private let state: Mutex<State>

    /// `now` also begins the versions of this process: milliseconds since 1970 are above whatever an earlier one gave.
    package init(liveness: HostLiveness.Settings, now: Instant) {
        let firstVersion = UInt64(max(0, now.milliseconds))
        state = Mutex(
            State(
                catalog: Catalog(firstVersion: firstVersion), liveness: HostLiveness(settings: liveness),
                routes: RouteTable(firstVersion: firstVersion)))
    }

    // MARK: Events

    /// What storage knew when the coordinator stopped.
    package func restored(_ snapshots: [(snapshot: HostSnapshot, hash: UInt64, storedAt: Instant)], now: Instant) {
        update { state in
            var change = Change()
            for (snapshot, hash, storedAt) in snapshots {
                guard let effect = try? state.catalog.snapshotRestored(snapshot, hash: hash, storedAt: storedAt) else {
                    continue
                }
                if let suspect = state.liveness.restored(snapshot.host, lastSeen: storedAt, now: now) {
                    change.liveness.append(suspect)
                }
                change.services += effect.changedServices
            }
            state.catalog.warmUpStarted(until: now + state.liveness.settings.restoreGrace)
            return change
        }
    }

    package func connected(_ host: HostID, now: Instant) {
        update { state in Change(liveness: state.liveness.connected(host, now: now).map { [$0] } ?? []) }
    }

    package func heartbeat(from host: HostID, now: Instant) {
        update { state in
            Change(liveness: state.liveness.heartbeatReceived(from: host, now: now).map { [$0] } ?? [])
        }
    }

    package func disconnected(_ host: HostID, reason: String, now: Instant) {
        update { state in
            Change(liveness: state.liveness.disconnected(host, reason: reason, now: now).map { [$0] } ?? [])
        }
    }

    package func snapshotReceived(_ snapshot: HostSnapshot, hash: UInt64, now: Instant) throws(CatalogError) {
        var failure: CatalogError?
        update { state in
            do throws(CatalogError) {
                let effect = try state.catalog.snapshotReceived(snapshot, hash: hash, now: now)
                if effect.isHostChanged { state.unstored.insert(snapshot.host) }
                return Change(services: effect.changedServices)
            } catch {
                failure = error
                return Change()
            }
        }
        if let failure { throw failure }
    }

    /// An operator revoked the host: it is forgotten, and so are its instances.
    package func removed(_ host: HostID) {
        update { state in
            let effect = state.catalog.hostRemoved(host)
            state.liveness.removed(host)
            state.unstored.insert(host)
            let routed = state.routes.hostRemoved(host)
            return Change(services: effect.changedServices + routed)
        }
    }

    package func needsSnapshot(of host: HostID, boot: BootID, hash: UInt64) -> Bool {
        state.withLock { $0.catalog.needsSnapshot(of: host, boot: boot, hash: hash) }
    }

    /// Time passed. Answers which hosts went from one state to another.
    @discardableResult
    package func tick(now: Instant) -> [HostLiveness.Change] {
        let change = update { state in
            let changes = state.liveness.tick(now: now)
            return Change(liveness: changes)
        }
        let due = state.withLock { state in
            state.watches.tick(now: now).compactMap { state.waiting.removeValue(forKey: $0) ?? nil }
        }
        for waiter in due { waiter.resume() }
        return change.liveness
    }

    /// The one place where an event's consequences are carried on: liveness and catalogue change the routes, changed
    /// routes wake their watchers.
    @discardableResult
    private func update(_ event: (inout State) -> Change) -> Change {
        let (change, woken) = state.withLock { state in
            let change = event(&state)
            var changed: [ServiceName] = []
            for service in change.services {
                changed += state.routes.instancesChanged(service, state.catalog.instances(of: service))
            }
            for host in change.liveness {
                changed += state.routes.hostChanged(
                    host.host, HostCondition(state: host.to, reason: host.reason))
            }
            let woken = changed.flatMap { state.watches.changed($0) }
                .compactMap { state.waiting.removeValue(forKey: $0) ?? nil }
            return (change, woken)
        }
        for waiter in woken { waiter.resume() }
        return change
    }

    // MARK: Storage

    /// The snapshots that storage has not seen, nil for a host that is gone; they count as stored from now on.
    package func takeUnstored() -> [(host: HostID, snapshot: HostSnapshot?)] {
        state.withLock { state in
            defer { state.unstored = [] }
            return state.unstored.sorted().map { ($0, state.catalog.host($0)?.snapshot) }
        }
    }

    /// Storage did not take these; they will be offered again.
    package func storeFailed(_ hosts: [HostID]) {
        state.withLock { $0.unstored.formUnion(hosts) }
    }

    // MARK: Reading

    package struct HostView: Sendable {
        package var snapshot: HostSnapshot
        package var status: HostLiveness.Status?
    }

    package func hosts(now: Instant) -> [HostView] {
        state.withLock { state in
            state.catalog.hosts.map { host in
                HostView(
                    snapshot: host.snapshot, status: state.liveness.status(of: host.snapshot.host, now: now))
            }
        }
    }

    package func status(of host: HostID, now: Instant) -> HostLiveness.Status? {
        state.withLock { $0.liveness.status(of: host, now: now) }
    }

    package func snapshot(of host: HostID) -> HostSnapshot? { state.withLock { $0.catalog.host(host)?.snapshot } }
    package var containers: [Catalog.HostContainer] { state.withLock { $0.catalog.containers } }
    package var services: [Catalog.Service] { state.withLock { $0.catalog.services } }
    package func isWarmingUp(now: Instant) -> Bool { state.withLock { $0.catalog.isWarmingUp(now: now) } }

    /// Nil when nobody ever offered the service.
    package func route(_ service: ServiceName) -> RoutingView? { state.withLock { $0.routes.view(of: service) } }

    package enum WatchEnd: Equatable, Sendable {
        /// The route differs from the version that was asked from, the time is over, or the watcher went away.
        case look
        case refused(String)
    }

    /// How many wait for a route.
    package var watching: Int { state.withLock { $0.waiting.count } }

    /// Returns when the route of the service is no longer at `version`, or after `wait`.
    package func routeChanged(
        _ service: ServiceName, from version: UInt64, wait: Duration, now: Instant
    ) async -> WatchEnd {
        let (effect, isWaiting) = state.withLock { state in
            let effect = state.watches.watched(
                service, from: version, current: state.routes.version(of: service), wait: wait, now: now)
            if case .wait(let id) = effect { state.waiting[id] = .some(nil) }
            return (effect, effect != .answerNow)
        }
        guard isWaiting, case .wait(let id) = effect else {
            if case .refused(let reason) = effect { return .refused(reason) }
            return .look
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // The watch may have ended between the two locks; then nobody would ever resume it.
                    guard state.waiting[id] != nil else { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.watches.cancelled(id)
                return state.waiting.removeValue(forKey: id) ?? nil
            }
            waiter?.resume()
        }
        return .look
    }
}
