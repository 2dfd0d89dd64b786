import MusterCatalog
import MusterModel
import Testing

@Suite struct CatalogTests {
    private let host = valid(HostID("h1"))
    private let other = valid(HostID("h2"))
    private let web = valid(ServiceName("web"))
    private let database = valid(ServiceName("db"))
    private let boot = BootID(high: 1, low: 1)
    private let now = Instant(seconds: 5_000)

    private func instance(_ service: ServiceName, _ host: HostID, _ port: Int, _ health: CheckState = .passing)
        -> Instance
    {
        Instance(
            id: "\(host):\(service):\(port)", service: service, host: host, address: "10.0.0.1", port: port,
            health: health)
    }

    private func snapshot(
        _ host: HostID, _ sequence: UInt64, boot: BootID? = nil, _ instances: [Instance] = [],
        containers: [Container] = []
    ) -> HostSnapshot {
        HostSnapshot(
            host: host, boot: boot ?? self.boot, sequence: sequence, name: host.text, agentVersion: "1",
            containers: containers, instances: instances)
    }

    private func container(_ name: String) -> Container {
        Container(id: name, name: name, image: "web:1", state: .running)
    }

    @Test func theNewestSnapshotOfABootHolds() throws {
        var catalog = Catalog(firstVersion: 100)
        let first = try catalog.snapshotReceived(snapshot(host, 5, [instance(web, host, 80)]), hash: 1, now: now)
        #expect(first == CatalogEffect(isToBeStored: true, isHostChanged: true, changedServices: [web]))
        for sequence: UInt64 in [1, 4, 5] {
            #expect(try catalog.snapshotReceived(snapshot(host, sequence), hash: 2, now: now) == .ignored)
        }
        #expect(catalog.instances(of: web).count == 1)
        let second = try catalog.snapshotReceived(snapshot(host, 6, []), hash: 3, now: now)
        #expect(second.changedServices == [web])
        #expect(catalog.instances(of: web).isEmpty)
        #expect(catalog.services.isEmpty)
    }

    @Test func anotherBootReplacesWhateverItsSequence() throws {
        var catalog = Catalog(firstVersion: 0)
        _ = try catalog.snapshotReceived(snapshot(host, 900, [instance(web, host, 80)]), hash: 1, now: now)
        let reborn = snapshot(host, 1, boot: BootID(high: 2, low: 2), [instance(web, host, 81)])
        #expect(try catalog.snapshotReceived(reborn, hash: 2, now: now).changedServices == [web])
        #expect(catalog.instances(of: web).map(\.port) == [81])
    }

    @Test func aServiceGetsANewVersionOnlyWhenItsOwnInstancesChange() throws {
        var catalog = Catalog(firstVersion: 100)
        _ = try catalog.snapshotReceived(
            snapshot(host, 1, [instance(web, host, 80), instance(database, host, 5_432)]), hash: 1, now: now)
        let webVersion = catalog.version(of: web)
        let databaseVersion = catalog.version(of: database)
        #expect(webVersion > 100)
        // Another order, another sequence, another container: no service changed.
        let same = try catalog.snapshotReceived(
            snapshot(
                host, 2, [instance(database, host, 5_432), instance(web, host, 80)], containers: [container("a")]),
            hash: 2, now: now)
        #expect(same.changedServices.isEmpty)
        #expect(same.isHostChanged)
        // One check changed.
        let critical = try catalog.snapshotReceived(
            snapshot(host, 3, [instance(web, host, 80, .critical), instance(database, host, 5_432)]), hash: 3, now: now)
        #expect(critical.changedServices == [web])
        #expect(catalog.version(of: web) > webVersion)
        #expect(catalog.version(of: database) == databaseVersion)
        // Another host's instance.
        _ = try catalog.snapshotReceived(snapshot(other, 1, [instance(database, other, 5_432)]), hash: 4, now: now)
        #expect(catalog.version(of: database) > databaseVersion)
        #expect(catalog.instances(of: database).map(\.host) == [host, other])
        #expect(catalog.services.map(\.name) == [database, web])
        let quiet = try catalog.snapshotReceived(
            snapshot(other, 2, [instance(database, other, 5_432)]), hash: 5, now: now)
        #expect(quiet == CatalogEffect(isToBeStored: true, isHostChanged: false, changedServices: []))
    }

    @Test func removalTakesTheInstancesWithIt() throws {
        var catalog = Catalog(firstVersion: 0)
        _ = try catalog.snapshotReceived(snapshot(host, 1, [instance(web, host, 80)]), hash: 1, now: now)
        _ = try catalog.snapshotReceived(snapshot(other, 1, [instance(web, other, 80)]), hash: 1, now: now)
        let version = catalog.version(of: web)
        #expect(catalog.hostRemoved(host).changedServices == [web])
        #expect(catalog.hostRemoved(host) == .ignored)
        #expect(catalog.instances(of: web).map(\.host) == [other])
        #expect(catalog.version(of: web) > version)
        #expect(catalog.host(host) == nil)
        // Not a memory of the removed: the same snapshot is taken again.
        #expect(try catalog.snapshotReceived(snapshot(host, 1), hash: 1, now: now).isHostChanged)
    }

    @Test func aDifferentHashOrBootAsksForASnapshot() throws {
        var catalog = Catalog(firstVersion: 0)
        #expect(catalog.needsSnapshot(of: host, boot: boot, hash: 7))
        _ = try catalog.snapshotReceived(snapshot(host, 1), hash: 7, now: now)
        #expect(!catalog.needsSnapshot(of: host, boot: boot, hash: 7))
        #expect(catalog.needsSnapshot(of: host, boot: boot, hash: 8))
        #expect(catalog.needsSnapshot(of: host, boot: BootID(high: 9, low: 9), hash: 7))
    }

    @Test func lastKnownGoodIsServedWhileWarmingUp() throws {
        var catalog = Catalog(firstVersion: 50)
        catalog.warmUpStarted(until: now + .seconds(30))
        #expect(!catalog.isWarmingUp(now: now))
        for id in [host, other] {
            let effect = try catalog.snapshotRestored(
                snapshot(id, 9, [instance(web, id, 80)]), hash: 1, storedAt: now - .hours(1))
            #expect(effect.changedServices == [web])
            #expect(!effect.isToBeStored)
        }
        #expect(catalog.isWarmingUp(now: now))
        #expect(catalog.instances(of: web).count == 2)
        #expect(catalog.host(host)?.isRestored == true)
        // The same snapshot from the agent itself: heard, although nothing about the service changed.
        let heard = try catalog.snapshotReceived(snapshot(host, 9, [instance(web, host, 80)]), hash: 1, now: now)
        #expect(heard.changedServices.isEmpty)
        #expect(heard.isToBeStored)
        #expect(catalog.awaitedHosts == [other])
        #expect(try catalog.snapshotRestored(snapshot(host, 1), hash: 2, storedAt: now) == .ignored)
        #expect(!catalog.isWarmingUp(now: now + .seconds(30)))
        _ = catalog.hostRemoved(other)
        #expect(!catalog.isWarmingUp(now: now))
    }

    @Test func listingsAreInOrder() throws {
        var catalog = Catalog(firstVersion: 0)
        _ = try catalog.snapshotReceived(
            snapshot(other, 1, containers: [container("b"), container("a")]), hash: 1, now: now)
        _ = try catalog.snapshotReceived(snapshot(host, 1, containers: [container("c")]), hash: 1, now: now)
        #expect(catalog.hosts.map(\.snapshot.host) == [host, other])
        #expect(catalog.containers.map(\.container.name) == ["c", "a", "b"])
    }

    @Test func badSnapshotsAreRefusedAndChangeNothing() throws {
        var catalog = Catalog(firstVersion: 0)
        _ = try catalog.snapshotReceived(snapshot(host, 1, [instance(web, host, 80)]), hash: 1, now: now)
        let many = (0...Limits.containersPerHost).map { container("c\($0)") }
        #expect(throws: CatalogError.tooManyContainers(host: host, count: many.count, limit: Limits.containersPerHost))
        {
            try catalog.snapshotReceived(snapshot(host, 2, containers: many), hash: 2, now: now)
        }
        let crowd = (0...Limits.instancesPerHost).map { instance(web, host, $0) }
        #expect(throws: CatalogError.tooManyInstances(host: host, count: crowd.count, limit: Limits.instancesPerHost)) {
            try catalog.snapshotReceived(snapshot(host, 2, crowd), hash: 2, now: now)
        }
        let foreign = instance(web, other, 80)
        #expect(throws: CatalogError.foreignInstance(host: host, instance: foreign.id, claimed: other)) {
            try catalog.snapshotReceived(snapshot(host, 2, [foreign]), hash: 2, now: now)
        }
        let twice = instance(web, host, 80)
        #expect(throws: CatalogError.repeatedInstance(host: host, instance: twice.id)) {
            try catalog.snapshotReceived(snapshot(host, 2, [twice, twice]), hash: 2, now: now)
        }
        #expect(catalog.instances(of: web).count == 1)
        #expect(catalog.host(host)?.snapshot.sequence == 1)
    }

    @Test func hostsAreBounded() throws {
        var catalog = Catalog(firstVersion: 0)
        for number in 0..<Catalog.hostsMax {
            _ = try catalog.snapshotReceived(snapshot(valid(HostID("n\(number)")), 1), hash: 1, now: now)
        }
        #expect(throws: CatalogError.tooManyHosts(limit: Catalog.hostsMax)) {
            try catalog.snapshotReceived(snapshot(host, 1), hash: 1, now: now)
        }
        #expect(try catalog.snapshotReceived(snapshot(valid(HostID("n1")), 2), hash: 2, now: now).isToBeStored)
    }

    @Test func versionsNeverFallWhenGoneServicesAreForgotten() throws {
        var catalog = Catalog(firstVersion: 10)
        _ = try catalog.snapshotReceived(snapshot(other, 1, [instance(web, other, 80)]), hash: 1, now: now)
        let kept = catalog.version(of: web)
        var highest: UInt64 = 0
        let rounds = Catalog.goneServicesMax / 4_000 + 1
        for round in 0..<rounds {
            let services = (0..<4_000).map { valid(ServiceName("s\(round)-\($0)")) }
            let instances = services.map { instance($0, host, 80) }
            _ = try catalog.snapshotReceived(
                snapshot(host, UInt64(round) + 1, instances), hash: 1, now: now)
            highest = max(highest, catalog.version(of: services[0]))
        }
        _ = catalog.hostRemoved(host)
        #expect(catalog.version(of: valid(ServiceName("s0-0"))) >= highest)
        #expect(catalog.version(of: web) == kept)
    }

    @Test func anyOrderOfTheSameSnapshotsGivesTheSameCatalog() throws {
        var generator = SplitMix(seed: 7)
        for _ in 0..<50 {
            var snapshots: [HostSnapshot] = []
            for id in [host, other] {
                for sequence: UInt64 in 1...6 {
                    let ports = (0..<Int.random(in: 0...3, using: &generator)).map { $0 + 80 }
                    let states = CheckState.allCases
                    snapshots.append(
                        snapshot(
                            id, sequence,
                            ports.map { instance(web, id, $0, states[Int.random(in: 0..<4, using: &generator)]) }))
                }
            }
            var reference = Catalog(firstVersion: 0)
            for snapshot in snapshots { _ = try reference.snapshotReceived(snapshot, hash: 0, now: now) }
            var shuffled = Catalog(firstVersion: 0)
            for snapshot in (snapshots + snapshots).shuffled(using: &generator) {
                let before = shuffled.instances(of: web)
                let version = shuffled.version(of: web)
                let effect = try shuffled.snapshotReceived(snapshot, hash: 0, now: now)
                #expect((shuffled.instances(of: web) != before) == effect.changedServices.contains(web))
                #expect((shuffled.version(of: web) > version) == effect.changedServices.contains(web))
            }
            #expect(shuffled.instances(of: web) == reference.instances(of: web))
        }
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
