import MusterCoordinator
import MusterHealth
import MusterModel
import MusterRouting
import MusterTestKit
import Testing

/// Events in, routes and woken watchers out.
struct FleetTests {
    private let fleet = Fleet(liveness: HostLiveness.Settings(), now: Thing.start)
    private let web = Thing.service("web")
    private let host = Thing.host("a")

    /// Host `a` is alive and offers these.
    private func offer(_ instances: [Instance], sequence: UInt64 = 1, at now: Instant = Thing.start) throws {
        fleet.connected(host, now: now)
        try fleet.snapshotReceived(
            Thing.snapshot("a", sequence: sequence, instances: instances), hash: sequence, now: now)
    }

    @Test
    func whatAHostOffersIsRoutedWhileTheHostIsHeard() throws {
        try offer([Thing.instance("web", on: "a")])
        #expect(fleet.route(web)?.instances.map(\.instance.id) == ["a:web:80"])
        #expect(fleet.hosts(now: Thing.start).first?.status?.state == .alive)
        // Ticks come as promised: only the host is silent.
        var now = Thing.start
        for _ in 0..<40 {
            now = now + .milliseconds(100)
            _ = fleet.tick(now: now)
        }
        #expect(fleet.status(of: host, now: now)?.state == .unreachable)
        #expect(fleet.route(web)?.instances.isEmpty == true)
        #expect(fleet.route(web)?.excluded.first?.reason.contains("a") == true)
        fleet.heartbeat(from: host, now: now)
        #expect(fleet.route(web)?.instances.count == 1)
    }

    @Test
    func aDisconnectedHostIsSuspectAndKeepsItsTraffic() throws {
        try offer([Thing.instance("web", on: "a")])
        fleet.disconnected(host, reason: "connection reset by peer", now: Thing.start)
        let status = fleet.status(of: host, now: Thing.start)
        #expect(status?.state == .suspect)
        #expect(status?.reason.contains("connection reset by peer") == true)
        #expect(fleet.route(web)?.instances.count == 1)
    }

    @Test
    func aRevokedHostIsGoneAndItsLateEndBringsNothingBack() throws {
        try offer([Thing.instance("web", on: "a")])
        _ = fleet.takeUnstored()
        fleet.removed(host)
        #expect(fleet.route(web)?.instances.isEmpty ?? true)
        #expect(fleet.hosts(now: Thing.start).isEmpty)
        let unstored = fleet.takeUnstored()
        #expect(unstored.map(\.host) == [host])
        #expect(unstored.first?.snapshot == nil)
        fleet.disconnected(host, reason: "revoked", now: Thing.start)
        #expect(fleet.status(of: host, now: Thing.start) == nil)
    }

    @Test
    func snapshotsAreOfferedToStorageUntilItTakesThem() throws {
        try offer([Thing.instance("web", on: "a")])
        #expect(fleet.takeUnstored().map(\.host) == [host])
        #expect(fleet.takeUnstored().isEmpty)
        fleet.storeFailed([host])
        #expect(fleet.takeUnstored().first?.snapshot?.host == host)
    }

    @Test
    func afterARestartHostsAreAsLastKnownUntilTheyReport() throws {
        let stored = Thing.snapshot("a", instances: [Thing.instance("web", on: "a")])
        let before = Thing.start - .seconds(30)
        fleet.restored([(stored, hash: 5, storedAt: before)], now: Thing.start)
        #expect(fleet.isWarmingUp(now: Thing.start))
        #expect(fleet.status(of: host, now: Thing.start)?.state == .suspect)
        #expect(fleet.status(of: host, now: Thing.start)?.lastSeen == before)
        #expect(fleet.route(web)?.instances.count == 1)
        // The same snapshot by its hash need not be sent again.
        #expect(!fleet.needsSnapshot(of: host, boot: Thing.boot, hash: 5))
        #expect(fleet.needsSnapshot(of: host, boot: Thing.boot, hash: 6))
        try offer([Thing.instance("web", on: "a")], sequence: 2)
        #expect(!fleet.isWarmingUp(now: Thing.start))
        // What was restored is stored already.
        #expect(fleet.takeUnstored().count <= 1)
    }

    @Test
    func versionsGoOnAboveThoseOfAnEarlierProcess() throws {
        try offer([Thing.instance("web", on: "a")])
        let version = try #require(fleet.route(web)?.version)
        #expect(version >= UInt64(Thing.start.milliseconds))
        let later = Fleet(liveness: HostLiveness.Settings(), now: Thing.start + .seconds(60))
        later.connected(host, now: Thing.start + .seconds(60))
        try later.snapshotReceived(
            Thing.snapshot("a", instances: [Thing.instance("web", on: "a")]), hash: 1, now: Thing.start + .seconds(60))
        #expect(try #require(later.route(web)?.version) > version)
    }

    // MARK: Watches

    private func watch(_ service: String, wait: Duration = .seconds(60)) -> Task<Fleet.WatchEnd, Never> {
        let version = fleet.route(Thing.service(service))?.version ?? 0
        return Task {
            await fleet.routeChanged(
                Thing.service(service), from: version, wait: wait, now: Thing.start)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func aWatchWakesForItsServiceOnly() async throws {
        let both = [Thing.instance("web", on: "a"), Thing.instance("db", on: "a")]
        try offer(both)
        let (forWeb, forDatabase) = (watch("web"), watch("db"))
        try await eventually("both wait") { fleet.watching == 2 }
        try offer([Thing.instance("web", on: "a", port: 81), both[1]], sequence: 2)
        #expect(await forWeb.value == .look)
        #expect(fleet.watching == 1)
        try offer([Thing.instance("web", on: "a", port: 81)], sequence: 3)
        #expect(await forDatabase.value == .look)
        #expect(fleet.watching == 0)
    }

    @Test(.timeLimit(.minutes(1)))
    func aWatchFromAnotherVersionIsAnsweredAtOnceAndOneThatWaitsEndsInTime() async throws {
        try offer([Thing.instance("web", on: "a")])
        #expect(await fleet.routeChanged(web, from: 1, wait: .seconds(60), now: Thing.start) == .look)
        let current = try #require(fleet.route(web)?.version)
        #expect(await fleet.routeChanged(web, from: current, wait: .zero, now: Thing.start) == .look)
        let waiting = watch("web", wait: .seconds(5))
        try await eventually("it waits") { fleet.watching == 1 }
        _ = fleet.tick(now: Thing.start + .seconds(4))
        #expect(fleet.watching == 1)
        _ = fleet.tick(now: Thing.start + .seconds(6))
        #expect(await waiting.value == .look)
    }

    @Test(.timeLimit(.minutes(1)))
    func aWatcherThatGoesAwayLeavesNothingBehind() async throws {
        try offer([Thing.instance("web", on: "a")])
        let waiting = (0..<50).map { _ in watch("web") }
        try await eventually("all wait") { fleet.watching == 50 }
        for task in waiting { task.cancel() }
        for task in waiting { #expect(await task.value == .look) }
        #expect(fleet.watching == 0)
        // Cancelled before it began to wait.
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await fleet.routeChanged(
                web, from: fleet.route(web)?.version ?? 0, wait: .seconds(60), now: Thing.start)
        }
        #expect(await late.value == .look)
        #expect(fleet.watching == 0)
    }
}
