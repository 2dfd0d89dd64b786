import MusterModel
import MusterRouting
import Testing

private let service = valid(ServiceName("web"))
private let host = valid(HostID("h1"))
private let other = valid(HostID("h2"))

private func instance(
    _ name: String, _ host: HostID = host, _ health: CheckState = .passing, weight: Int = 100, reason: String = ""
) -> Instance {
    Instance(
        id: name, service: service, host: host, address: "10.0.0.1", port: 80, weight: weight, health: health,
        reason: reason)
}

@Suite struct RoutingViewTests {
    private func view(
        _ instances: [Instance], _ hosts: [HostID: HostCondition] = [host: HostCondition(state: .alive, reason: "")],
        draining: Draining = Draining(), policy: RoutingPolicy = RoutingPolicy()
    ) -> RoutingView {
        RoutingView(
            service: service, version: 1, instances: instances, hosts: hosts, draining: draining, policy: policy)
    }

    @Test func everyCheckStateWithEveryHostState() {
        for health in CheckState.allCases {
            for state in HostState.allCases {
                let condition = HostCondition(state: state, reason: "no heartbeat for 2.0 s")
                let view = view([instance("a", host, health, reason: "HTTP 500")], [host: condition])
                let isRouted = (health == .passing || health == .warning) && (state == .alive || state == .suspect)
                #expect(view.instances.count == (isRouted ? 1 : 0), "\(health) on a host that is \(state)")
                #expect(view.excluded.count == (isRouted ? 0 : 1))
                #expect(!view.isPanic)
                if state == .unreachable || state == .dead {
                    #expect(view.excluded.first?.reason == "host h1 is \(state.rawValue): no heartbeat for 2.0 s")
                } else if !isRouted {
                    #expect(view.excluded.first?.reason == "\(health.rawValue): HTTP 500")
                }
            }
        }
    }

    @Test func warningsHalveTheWeightButNeverToNothing() {
        let view = view([
            instance("a", weight: 100), instance("b", host, .warning, weight: 100, reason: "HTTP 429"),
            instance("c", host, .warning, weight: 1), instance("d", host, .warning, weight: 0),
            instance("e", host, .passing, weight: 0), instance("f", host, .warning, weight: .max),
        ])
        #expect(view.instances.map(\.weight).prefix(5) == [100, 50, 1, 0, 0])
        #expect(view.instances[1].reason == "warning: HTTP 429; weight 50 instead of 100")
    }

    @Test func aSuspectOrUnknownHostKeepsItsTraffic() {
        let suspect = view([instance("a")], [host: HostCondition(state: .suspect, reason: "no heartbeat for 1.6 s")])
        #expect(suspect.instances.first?.reason == "passing; host is suspect, traffic kept: no heartbeat for 1.6 s")
        #expect(view([instance("a")], [:]).instances.first?.reason.contains("nothing is known") == true)
    }

    @Test func drainingComesFirst() {
        let draining = Draining(hosts: [other: "kernel update"], instances: ["a": "maintenance by ann"])
        let view = view(
            [instance("a"), instance("b", other, .critical), instance("c")],
            [host: HostCondition(state: .alive, reason: ""), other: HostCondition(state: .dead, reason: "")],
            draining: draining)
        #expect(view.instances.map(\.instance.id) == ["c"])
        #expect(
            view.excluded.map(\.reason) == ["drained: maintenance by ann", "host h2 is drained: kernel update"])
    }

    @Test func panicFailsOpenOnlyBelowItsShareAndNeverForTheDrained() {
        let instances = [instance("a"), instance("b", host, .critical), instance("c", host, .critical), instance("d")]
        let draining = Draining(instances: ["d": "by hand"])
        #expect(!view(instances, draining: draining, policy: RoutingPolicy(panicPercent: 33)).isPanic)
        let panic = view(instances, draining: draining, policy: RoutingPolicy(panicPercent: 34))
        #expect(panic.isPanic)
        #expect(panic.instances.map(\.instance.id) == ["a", "b", "c"])
        #expect(panic.excluded.map(\.instance.id) == ["d"])
        #expect(panic.instances[1].reason == "panic rule; otherwise critical")
        #expect(!view([instance("a", host, .critical)]).isPanic)
        #expect(view([instance("a", host, .critical)], policy: RoutingPolicy(panicPercent: 1)).isPanic)
    }
}

@Suite struct RouteTableTests {
    @Test func theVersionRisesOnlyWithTheView() {
        var table = RouteTable(firstVersion: 1_000)
        #expect(table.view(of: service) == nil)
        #expect(table.instancesChanged(service, []).isEmpty)
        #expect(table.hostChanged(host, HostCondition(state: .alive, reason: "")).isEmpty)
        #expect(table.instancesChanged(service, [instance("a"), instance("b", other)]) == [service])
        let first = table.version(of: service)
        #expect(first > 1_000)
        #expect(table.instancesChanged(service, [instance("b", other), instance("a")]).isEmpty)
        #expect(table.hostChanged(host, HostCondition(state: .alive, reason: "again")).isEmpty)
        #expect(table.version(of: service) == first)
        #expect(table.hostChanged(host, HostCondition(state: .dead, reason: "gone")) == [service])
        #expect(table.version(of: service) > first)
        #expect(table.view(of: service)?.instances.map(\.instance.id) == ["b"])
        #expect(table.hostChanged(valid(HostID("h9")), HostCondition(state: .dead, reason: "")).isEmpty)
    }

    @Test func aServiceThatIsGoneKeepsAnEmptyViewForItsWatchers() {
        var table = RouteTable(firstVersion: 0)
        _ = table.instancesChanged(service, [instance("a")])
        let version = table.version(of: service)
        #expect(table.instancesChanged(service, []) == [service])
        #expect(table.view(of: service)?.instances.isEmpty == true)
        #expect(table.version(of: service) > version)
        #expect(table.hostChanged(host, HostCondition(state: .dead, reason: "")).isEmpty)
    }

    @Test func drainingAndPolicyTouchOnlyTheViewsTheyChange() {
        let quiet = valid(ServiceName("quiet"))
        var table = RouteTable(firstVersion: 0)
        _ = table.instancesChanged(service, [instance("a", host, .warning)])
        _ = table.instancesChanged(quiet, [instance("q", other)])
        #expect(table.drainingChanged(Draining(hosts: [host: "x"])) == [service])
        #expect(table.drainingChanged(Draining()) == [service])
        #expect(table.policyChanged(RoutingPolicy(warningPercent: 10)) == [service])
        #expect(table.hostRemoved(other).count == 0)
        #expect(table.hostChanged(other, HostCondition(state: .suspect, reason: "late")) == [quiet])
        #expect(table.hostRemoved(other) == [quiet])
    }

    @Test func viewsOfServicesThatAreGoneAreBounded() {
        var table = RouteTable(firstVersion: 0)
        for number in 0...RouteTable.goneViewsMax {
            let name = valid(ServiceName("s\(number)"))
            _ = table.instancesChanged(name, [instance("a")])
            _ = table.instancesChanged(name, [])
        }
        #expect(table.viewCount <= RouteTable.goneViewsMax)
        // Whoever waits from a version of a forgotten service is answered, not kept waiting.
        #expect(table.version(of: valid(ServiceName("s0"))) == 0)
    }
}

@Suite struct RouteWatchesTests {
    private let now = Instant(seconds: 100)

    private func id(_ effect: RouteWatches.WatchEffect) -> RouteWatches.ID? {
        if case .wait(let id) = effect { id } else { nil }
    }

    @Test func onlyTheCurrentVersionWaits() {
        var watches = RouteWatches()
        for version: UInt64 in [0, 6, 8, .max] {
            #expect(
                watches.watched(service, from: version, current: 7, wait: .seconds(1), now: now) == .answerNow)
        }
        #expect(watches.watched(service, from: 7, current: 7, wait: .zero, now: now) == .answerNow)
        #expect(watches.count == 0)
        #expect(id(watches.watched(service, from: 7, current: 7, wait: .seconds(1), now: now)) != nil)
        #expect(watches.count == 1)
    }

    @Test func aChangeWakesOnlyItsService() throws {
        let quiet = valid(ServiceName("quiet"))
        var watches = RouteWatches()
        let first = try #require(id(watches.watched(service, from: 1, current: 1, wait: .seconds(60), now: now)))
        let second = try #require(id(watches.watched(service, from: 1, current: 1, wait: .seconds(60), now: now)))
        let third = try #require(id(watches.watched(quiet, from: 1, current: 1, wait: .seconds(60), now: now)))
        #expect(watches.changed(service) == [first, second])
        #expect(watches.changed(service).isEmpty)
        #expect(watches.count == 1)
        watches.cancelled(third)
        watches.cancelled(third)
        #expect(watches.changed(quiet).isEmpty)
        #expect(watches.wakeAt == nil)
    }

    @Test func aWatchEndsAtItsTimeAndNotBefore() throws {
        var watches = RouteWatches()
        let start = now + .milliseconds(200)
        let watch = try #require(id(watches.watched(service, from: 1, current: 1, wait: .seconds(2), now: start)))
        #expect(watches.wakeAt == now + .seconds(3))
        #expect(watches.tick(now: now + .seconds(2)).isEmpty)
        #expect(watches.tick(now: now + .seconds(3)) == [watch])
        #expect(watches.tick(now: now + .seconds(9)).isEmpty)
    }

    @Test func waitsAndWatchersAreBounded() {
        var watches = RouteWatches()
        _ = watches.watched(service, from: 1, current: 1, wait: .hours(50), now: now)
        #expect(watches.wakeAt == now + RouteWatches.longestWait)
        for _ in 1..<RouteWatches.watchesMax {
            _ = watches.watched(service, from: 1, current: 1, wait: .seconds(5), now: now)
        }
        guard case .refused(let reason) = watches.watched(service, from: 1, current: 1, wait: .seconds(5), now: now)
        else {
            Issue.record("watcher number \(RouteWatches.watchesMax + 1) was not refused")
            return
        }
        #expect(reason.contains("\(RouteWatches.watchesMax)"))
        #expect(watches.changed(service).count == RouteWatches.watchesMax)
        #expect(watches.count == 0)
    }
}
