import MusterModel
import MusterRollouts
import Testing

@Suite struct RolloutSpecTests {
    private indirect enum Doc: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
        case text(String)
        case list([Doc])
        case map([(String, Doc)])
        init(stringLiteral value: String) { self = .text(value) }
        init(arrayLiteral elements: Doc...) { self = .list(elements) }
        init(dictionaryLiteral elements: (String, Doc)...) { self = .map(elements) }

        var node: ConfigNode {
            let position = SourcePosition(file: "rollout.yaml", line: 1, column: 1)
            switch self {
            case .text(let text): return ConfigNode(.scalar(text, isQuoted: false), at: position)
            case .list(let elements): return ConfigNode(.sequence(elements.map(\.node)), at: position)
            case .map(let entries):
                return ConfigNode(
                    .mapping(entries.map { ConfigNode.Entry(key: $0, keyPosition: position, value: $1.node) }),
                    at: position)
            }
        }
    }

    private func problem(_ changes: [String: Doc?]) -> String {
        var entries: [String: Doc] = [
            "kind": "container", "name": "web-2", "image": "web:2", "target": ["select": ["app": "web"]],
        ]
        for (key, value) in changes { entries[key] = value }
        do {
            _ = try RolloutSpec.decode(Doc.map(entries.map { ($0.key, $0.value) }).node)
            return "no error"
        } catch {
            return error.description
        }
    }

    @Test func aWholeDocumentIsRead() throws {
        let document: Doc = [
            "kind": "container", "name": "web-2", "image": "web:2",
            "target": ["select": ["app": "web"], "hosts": ["zone": "a"], "expect": ["min": "2", "max": "9"]],
            "waves": [["hosts": "1", "bake": "5m"], ["percent": "25"]], "maxInFlight": "20%",
            "health": ["healthyFor": "10s", "deadline": "1m"], "failureBudget": "1", "onFailure": "pause",
        ]
        let spec = try RolloutSpec.decode(document.node)
        #expect(
            spec
                == RolloutSpec(
                    name: "web-2", select: ["app": "web"], hosts: ["zone": "a"], expect: 2...9, image: "web:2",
                    waves: [RolloutSpec.Wave(.hosts(1), bake: .minutes(5)), RolloutSpec.Wave(.percent(25))],
                    maxInFlight: .percent(20), health: HealthGate(healthyFor: .seconds(10), deadline: .minutes(1)),
                    failureBudget: 1, onFailure: .pause))
        #expect(problem(["maxInFlight": "3"]) == "no error")
    }

    @Test func errorsSayWhatIsAllowed() {
        #expect(problem([:]) == "no error")
        #expect(problem(["kind": "file"]).contains("allowed: container"))
        #expect(problem(["name": "a b"]).contains("'name' is \"a b\""))
        #expect(problem(["image": "a b"]).contains("'image' is \"a b\""))
        #expect(problem(["target": nil]).contains("'target' is missing"))
        #expect(problem(["target": ["select": [:]]]).contains("'target.select' is missing"))
        #expect(
            problem(["target": ["select": ["a": "b"], "expect": ["min": "5", "max": "2"]]]).contains("more than max"))
        #expect(problem(["waves": [["hosts": "1", "percent": "2"]]]).contains("'waves[0]' has no size, or two"))
        #expect(problem(["waves": []]).contains("has 0 waves"))
        #expect(problem(["maxInFlight": "0"]).contains("a share such as 10%"))
        #expect(problem(["maxInFlight": "101%"]).contains("a share such as 10%"))
        #expect(problem(["health": ["healthyFor": "1m", "deadline": "1m"]]).contains("cannot fit"))
        #expect(problem(["onFailure": "cry"]).contains("rollback, pause, stop"))
        #expect(problem(["max_in_flight": "1"]).contains("'max_in_flight' is unknown"))
        let many = Doc.list(Array(repeating: ["hosts": "1"], count: RolloutSpec.wavesMax + 1))
        #expect(problem(["waves": many]).contains("1 to \(RolloutSpec.wavesMax) waves"))
    }
}

@Suite struct RolloutPlanTests {
    private func host(
        _ name: String, image: String = "web:1", state: HostState = .alive, labels: Labels = [:],
        container: String = "web"
    ) -> RolloutInventory.Host {
        RolloutInventory.Host(
            host: valid(HostID(name)), state: state, reason: "no heartbeat for 9 s", labels: labels,
            containers: [
                Container(id: "c", name: container, image: image, labels: ["app": "web"], state: .running),
                Container(id: "d", name: "other", image: "db:1", labels: ["app": "db"], state: .running),
            ])
    }

    private func spec(_ change: (inout RolloutSpec) -> Void = { _ in }) -> RolloutSpec {
        var spec = RolloutSpec(name: "web-2", select: ["app": "web"], image: "web:2")
        change(&spec)
        return spec
    }

    @Test func hostsAreTakenInOrderAndTheOthersAreNamed() throws {
        let plan = try RolloutPlan.make(
            spec(),
            RolloutInventory(hosts: [
                host("h3"), host("h1"), host("h2", image: "web:2"), host("h4", state: .dead),
                host("h5", container: "web.muster-old-r.s"), host("h6", state: .suspect),
            ]))
        #expect(plan.hosts.map(\.host.text) == ["h1", "h3", "h6"])
        #expect(plan.hosts[0].containers == ["web"])
        #expect(plan.hosts[0].images == ["web:1"])
        #expect(plan.skipped.map(\.reason) == ["runs web:2 already", "dead: no heartbeat for 9 s"])
        #expect(plan.waves.map(\.hosts) == [[0], [1, 2]])
    }

    @Test func selectorsOfHostsAndContainersBothHaveToMatch() throws {
        let inventory = RolloutInventory(hosts: [host("h1", labels: ["zone": "a"]), host("h2", labels: ["zone": "b"])])
        let plan = try RolloutPlan.make(spec { $0.hosts = ["zone": "b"] }, inventory)
        #expect(plan.hosts.map(\.host.text) == ["h2"])
        #expect(throws: RolloutPlanError.nothingSelected(select: ["app": "no"], hosts: [:])) {
            try RolloutPlan.make(spec { $0.select = ["app": "no"] }, inventory)
        }
        #expect(throws: RolloutPlanError.nothingSelected(select: ["app": "web"], hosts: ["zone": "c"])) {
            try RolloutPlan.make(spec { $0.hosts = ["zone": "c"] }, inventory)
        }
    }

    @Test func aSurprisingNumberOfHostsStopsThePlan() {
        let inventory = RolloutInventory(hosts: (0..<5).map { host("h\($0)") })
        for expect in [6...9, 1...4] {
            #expect(throws: RolloutPlanError.unexpectedCount(found: 5, expected: expect)) {
                try RolloutPlan.make(spec { $0.expect = expect }, inventory)
            }
        }
        #expect(throws: RolloutPlanError.nobodyReachable(["h1 is unreachable: no heartbeat for 9 s"])) {
            try RolloutPlan.make(spec(), RolloutInventory(hosts: [host("h1", state: .unreachable)]))
        }
    }

    @Test(arguments: [
        (1, [RolloutSpec.Wave(.percent(1))], [1]), (3, [.init(.hosts(1)), .init(.percent(100))], [1, 2]),
        (7, [.init(.hosts(1)), .init(.percent(25))], [1, 2, 2, 2]), (100, [.init(.percent(33))], [33, 33, 33, 1]),
        (2, [.init(.hosts(50))], [2]), (3, [.init(.hosts(1))], [1, 1, 1]),
    ])
    func wavesCoverEveryHostOnce(_ hosts: Int, _ waves: [RolloutSpec.Wave], _ sizes: [Int]) throws {
        let inventory = RolloutInventory(hosts: (0..<hosts).map { host("h\($0)") })
        let plan = try RolloutPlan.make(spec { $0.waves = waves }, inventory)
        #expect(plan.waves.map(\.hosts.count) == sizes)
        #expect(plan.waves.flatMap(\.hosts) == Array(0..<hosts))
    }

    @Test(arguments: [
        (1, RolloutSpec.Wave.Size.percent(10), 1), (11, .percent(10), 2), (500, .percent(10), 20),
        (500, .percent(11), 55), (3, .hosts(9), 3), (3, .hosts(2), 2), (7, .percent(100), 7),
    ])
    func theWindowIsAtLeastOneAndAtMostAll(_ hosts: Int, _ size: RolloutSpec.Wave.Size, _ window: Int) throws {
        let inventory = RolloutInventory(hosts: (0..<hosts).map { host("h\($0)") })
        let plan = try RolloutPlan.make(spec { $0.maxInFlight = size }, inventory)
        #expect(plan.maxInFlight == window)
        #expect(plan.blastBound == min(hosts, window))
    }

    @Test func aPlanNoticesThatTheWorldMoved() throws {
        let before = RolloutInventory(hosts: [host("h1"), host("h2"), host("h3")])
        let plan = try RolloutPlan.make(spec(), before)
        #expect(plan.drift(from: before).isEmpty)
        let after = RolloutInventory(hosts: [host("h1", image: "web:9"), host("h2", container: "web2")])
        #expect(
            plan.drift(from: after) == [
                "host h1 runs web:9, planned was web:1", "host h2 has other containers than planned", "host h3 is gone",
            ])
        let other = try RolloutPlan.make(spec(), RolloutInventory(hosts: [host("h3"), host("h4")]))
        #expect(plan.overlap(with: other).map(\.text) == ["h3"])
    }
}
