import MusterHost
import MusterModel
import Testing

@Suite struct CheckTableTests {
    let now = Instant(seconds: 1_000)
    var random = SystemRandomNumberGenerator()

    static func target(
        _ id: String = "i", _ kind: CheckKind = .tcp, life: ContainerLife? = nil, fall: Int = 1, port: Int = 80,
        interval: Duration = .seconds(1)
    ) -> CheckTarget {
        CheckTarget(
            instance: Instance(
                id: id, service: ExampleNames.service("web"), host: ExampleNames.host("h"), address: "127.0.0.1",
                port: port),
            policy: CheckPolicy(kind: kind, interval: interval, fall: fall), life: life)
    }

    static let alive = ContainerLife(state: .running, startedAt: Instant(seconds: 1))

    private func health(_ table: CheckTable, _ id: String = "i") -> String {
        table.instances.first { $0.id == id }.map { "\($0.health): \($0.reason)" } ?? "none"
    }

    @Test mutating func aCheckStartsWithinTheSpreadAndComesAgainAfterItsInterval() {
        var table = CheckTable()
        #expect(table.targetsReplaced([Self.target()], now: now, using: &random) == true)
        #expect(health(table) == "starting: no check has finished yet")
        let first = table.wakeAt ?? .distantFuture
        #expect(first >= now && first < now + CheckTable.startSpread)
        #expect(table.takeDue(now: first - .nanoseconds(1)).isEmpty)
        let runs = table.takeDue(now: first)
        #expect(runs.map(\.id) == ["i"])
        #expect(table.takeDue(now: first + .hours(1)).isEmpty, "a check never runs twice at one time")
        #expect(table.wakeAt == nil)
        #expect(table.resulted(runs[0], .passed("fine"), now: first, jitter: 0.1) == true)
        #expect(health(table) == "passing: fine")
        #expect(table.wakeAt == first + .milliseconds(1_100))
    }

    @Test mutating func theSameTargetsAgainAreNoNewsAndKeepTheirState() {
        var table = CheckTable()
        _ = table.targetsReplaced([Self.target()], now: now, using: &random)
        let runs = table.takeDue(now: now + .seconds(1))
        _ = table.resulted(runs[0], .passed("fine"), now: now, jitter: 0)
        #expect(table.targetsReplaced([Self.target()], now: now, using: &random) == false)
        #expect(health(table) == "passing: fine")
        #expect(table.targetsReplaced([], now: now, using: &random) == true)
        #expect(table.instances.isEmpty)
    }

    @Test mutating func aResultOfAFormerRunIsIgnored() {
        var table = CheckTable()
        _ = table.targetsReplaced([Self.target(life: Self.alive)], now: now, using: &random)
        let runs = table.takeDue(now: now + .seconds(1))
        let restarted = ContainerLife(state: .running, startedAt: Instant(seconds: 2))
        #expect(table.targetsReplaced([Self.target(life: restarted)], now: now, using: &random) == true)
        #expect(table.resulted(runs[0], .failed("old"), now: now, jitter: 0) == false)
        #expect(health(table) == "starting: no check has finished yet")
        #expect(table.takeDue(now: now + .seconds(1)).count == 1)
    }

    @Test mutating func aContainerThatStopsIsCriticalAtOnceWhateverTheFall() {
        var table = CheckTable()
        _ = table.targetsReplaced([Self.target(life: Self.alive, fall: 5)], now: now, using: &random)
        let runs = table.takeDue(now: now + .seconds(1))
        _ = table.resulted(runs[0], .passed("fine"), now: now, jitter: 0)
        var dead = Self.alive
        dead.state = .exited
        dead.exitCode = 137
        #expect(table.targetsReplaced([Self.target(life: dead, fall: 5)], now: now, using: &random) == true)
        #expect(health(table) == "critical: the container exited with code 137")
        #expect(table.wakeAt == nil)
        #expect(table.targetsReplaced([Self.target(life: dead, fall: 5)], now: now, using: &random) == false)
    }

    @Test mutating func aCheckUnderWayWhenItsContainerStopsChangesNothing() {
        var table = CheckTable()
        _ = table.targetsReplaced([Self.target(life: Self.alive)], now: now, using: &random)
        let runs = table.takeDue(now: now + .seconds(1))
        var paused = Self.alive
        paused.state = .paused
        _ = table.targetsReplaced([Self.target(life: paused)], now: now, using: &random)
        #expect(table.resulted(runs[0], .passed("late"), now: now, jitter: 0) == false)
        #expect(health(table) == "critical: the container is paused")
        #expect(table.targetsReplaced([Self.target(life: Self.alive)], now: now, using: &random) == true)
        #expect(health(table).hasPrefix("starting"))
        #expect(table.takeDue(now: now).count == 1)
    }

    @Test(arguments: [
        (Container.State.created, "the container is created but not started"), (.paused, "the container is paused"),
        (.restarting, "the container is restarting after exit code 3"), (.removing, "the container is being removed"),
        (.exited, "the container exited with code 3"), (.dead, "the container exited with code 3"),
    ])
    func everyStateButRunningIsAnObstacle(_ state: Container.State, _ words: String) {
        #expect(ContainerLife(state: state, exitCode: 3).obstacle == words)
        #expect(ContainerLife(state: .running).obstacle == nil)
    }

    @Test mutating func dockersOwnHealthIsTakenFromTheContainer() {
        var table = CheckTable()
        var life = Self.alive
        life.health = .starting
        _ = table.targetsReplaced([Self.target("i", .docker, life: life)], now: now, using: &random)
        #expect(health(table).hasPrefix("starting"))
        #expect(table.wakeAt == nil)
        life.health = .healthy
        #expect(table.targetsReplaced([Self.target("i", .docker, life: life)], now: now, using: &random) == true)
        #expect(health(table) == "passing: Docker's health check passes")
        life.health = .unhealthy
        life.healthOutput = "no database"
        #expect(table.targetsReplaced([Self.target("i", .docker, life: life)], now: now, using: &random) == true)
        #expect(health(table) == "critical: Docker's health check fails: no database")
    }

    @Test mutating func withoutACheckAnInstancePassesWhileItsContainerRuns() {
        var table = CheckTable()
        _ = table.targetsReplaced(
            [Self.target("a", .none, life: Self.alive), Self.target("b", .none)], now: now, using: &random)
        #expect(health(table, "a") == "passing: the container runs")
        #expect(health(table, "b") == "passing: no check")
    }

    @Test mutating func noMoreRunAtOneTimeThanTheLimit() {
        var table = CheckTable()
        let targets = (0..<CheckTable.concurrencyLimit + 3).map { Self.target("i\($0)", port: 1 + $0) }
        _ = table.targetsReplaced(targets, now: now, using: &random)
        let later = now + .seconds(1)
        let runs = table.takeDue(now: later)
        #expect(runs.count == CheckTable.concurrencyLimit)
        #expect(table.takeDue(now: later).isEmpty)
        #expect(table.wakeAt == nil)
        _ = table.resulted(runs[0], .passed(""), now: later, jitter: 0)
        #expect(table.wakeAt.map { $0 <= later } == true)
        #expect(table.takeDue(now: later).count == 1)
    }

    @Test mutating func noMoreTargetsAreCheckedThanTheLimit() {
        var table = CheckTable()
        let targets = (0..<Limits.instancesPerHost + 1).map { Self.target("i\($0)") }
        _ = table.targetsReplaced(targets, now: now, using: &random)
        #expect(table.instances.count == Limits.instancesPerHost)
    }
}
