import MusterInterchange
import MusterModel
import Testing

private func at(_ seconds: Int64) -> Instant { Instant(seconds: seconds) }

/// A machine, what its rows are called, and a clock of whole seconds.
private struct World {
    var machine: ScrapeTargets
    var rows: [UInt64: ReadRows] = [:]
    var second: Int64 = 1_700_000_000
    var running: [ScrapeTargets.Start] = []
    var news: [String] = []

    init(maxSeries: Int = 10_000, _ targets: ScrapeTarget...) {
        machine = ScrapeTargets(grid: .seconds(1), maxSeries: maxSeries)
        machine.listed(targets)
    }

    /// A tick; returns `name value` of what it says, with the target's path when there are several.
    mutating func tick(after seconds: Int64 = 1) -> [String] {
        second += seconds
        let tick = machine.tickBegan(milliseconds: second * 1_000)
        running += tick.starts
        var said: [String] = []
        for id in tick.gone {
            said += (rows.removeValue(forKey: id)?.live.values.map { "\($0.metricName) gone" } ?? [])
        }
        for (id, reading) in tick.readings {
            said += rows[id, default: ReadRows()].take(reading).map { series, value in
                let name = series.prefix { $0 != "{" }
                return "\(name) " + (StaleMarker.isMarker(value) ? "stale" : GoFloat.general(value))
            }
        }
        return said.sorted()
    }

    /// Answers the scrapes that were started; nil fails them.
    mutating func answer(_ text: String?, took: Duration = .milliseconds(250)) {
        for var start in running {
            let outcome: ScrapeTargets.Outcome
            do throws(ScrapeFailure) {
                guard let text else { throw ScrapeFailure(.unreachable, "refused") }
                outcome = .read(try start.page.read(Array(text.utf8), contentType: nil, target: start.target))
            } catch {
                outcome = .failed(error)
            }
            switch machine.answered(start.id, page: start.page, outcome, took: took, now: at(second)) {
            case .failing(let target, let failure)?: news.append("\(target.path) \(failure)")
            case .recovered(let target)?: news.append("\(target.path) recovered")
            case nil: break
            }
        }
        running = []
    }
}

private let up = ["scrape_duration_seconds 0.25", "scrape_samples_scraped 1", "up 1"]
private let down = ["scrape_duration_seconds 0.25", "scrape_samples_scraped 0", "up 0"]

@Suite struct ScrapeMachines {
    @Test func `what a scrape found is said at the tick after it, once`() {
        var world = World(target())
        #expect(world.tick() == [] && world.running.count == 1)
        world.answer("a 5\n")
        #expect(world.tick() == ["a 5"] + up)
        world.answer("a 6\n")
        #expect(world.tick() == ["a 6"] + up)
        // No answer yet: nothing is said, and nothing ends.
        #expect(world.tick() == [] && world.machine.counters.skipped == 1)
        world.answer("b 7\n")
        #expect(world.tick() == ["a stale", "b 7"] + up)
        #expect(world.machine.counters.scrapes == 3 && world.machine.counters.samples == 3)
    }

    @Test func `a target that fails is down at once, its series end, and it begins anew`() {
        var world = World(target())
        _ = world.tick()
        world.answer("a 5\nb 6\n")
        _ = world.tick()
        world.answer(nil)
        #expect(world.tick() == ["a stale", "b stale"] + down)
        world.answer(nil)
        #expect(world.tick() == down)
        world.answer("a 7\n")
        #expect(world.tick() == ["a 7"] + up)
        world.answer("a x\n")
        #expect(world.tick() == ["a stale"] + down)
        #expect(world.machine.counters.failures == [.unreachable: 2, .malformed: 1])
    }

    @Test func `a target that is not listed any more ends whole, whatever is under way`() {
        let (one, two) = (target("/1"), target("/2"))
        var world = World(one, two)
        _ = world.tick()
        world.answer("a 5\n")
        #expect(world.tick().count == 8)
        // Scrapes of both are running; one is taken from the list and its answer is not heard.
        world.machine.listed([two])
        #expect(world.machine.count == 1)
        world.answer("a 6\n")
        #expect(
            world.tick()
                == (["a 6", "a gone", "scrape_duration_seconds gone", "scrape_samples_scraped gone", "up gone"] + up)
                .sorted())
        // An answer that came, and then the target went: the answer is not said.
        world.answer("a 7\n")
        world.machine.listed([])
        #expect(world.tick().allSatisfy { $0.hasSuffix("gone") })
        #expect(world.tick().isEmpty && world.machine.count == 0)
        // One that never answered has nothing to end.
        world.machine.listed([one])
        world.machine.listed([])
        #expect(world.tick().isEmpty)
    }

    @Test func `the same target goes on when the list changes, a changed one is another`() {
        var world = World(target("/1"))
        _ = world.tick()
        world.answer("a 5\n")
        world.machine.listed([target("/0"), target("/1"), target("/1")])
        #expect(world.machine.count == 2)
        #expect(world.tick() == ["a 5"] + up)
        world.running = []
        world.machine.listed([target("/1", labels: ["x": "y"])])
        #expect(world.tick().filter { $0.hasSuffix("gone") }.count == 4)
    }

    @Test func `each target has its place in the interval, and keeps it`() {
        let targets = (0..<60).map { target("/\($0)", interval: .seconds(10)) }
        var machine = ScrapeTargets(grid: .seconds(1))
        machine.listed(targets)
        var places: [String: [Int64]] = [:]
        var perTick: [Int] = []
        for second in Int64(1_700_000_000)..<1_700_000_030 {
            let tick = machine.tickBegan(milliseconds: second * 1_000)
            perTick.append(tick.starts.count)
            for start in tick.starts {
                places[start.target.path, default: []].append(second)
                #expect(start.delay >= .zero && start.delay < .milliseconds(250))
                _ = machine.answered(
                    start.id, page: start.page, .failed(.init(.status, "x")), took: .zero, now: at(second))
            }
        }
        #expect(
            places.count == 60
                && places.values.allSatisfy { $0.count == 3 && $0[1] == $0[0] + 10 && $0[2] == $0[0] + 20 })
        #expect(Set(places.values.map { $0[0] % 10 }).count >= 8)
        #expect((perTick.max() ?? 60) < 20)
        // Another process finds the same places.
        var again = ScrapeTargets(grid: .seconds(1))
        again.listed(targets.reversed())
        let tick = again.tickBegan(milliseconds: 1_700_000_000_000)
        #expect(Set(tick.starts.map(\.target.path)) == Set(places.filter { $0.value[0] == 1_700_000_000 }.keys))
    }

    @Test func `missed ticks and a clock that is set back delay no scrape`() {
        var world = World(target(interval: .seconds(10)))
        var first: Int64 = 0
        for _ in 0..<10 where world.running.isEmpty {
            _ = world.tick()
            first = world.second
        }
        world.answer("a 1\n")
        // The due tick is missed: the one after it makes up for it.
        #expect(world.tick(after: 9) == ["a 1"] + up && world.running.isEmpty)
        _ = world.tick(after: 3)
        #expect(world.running.count == 1)
        world.answer("a 2\n")
        // An hour back: within an interval it is due again.
        _ = world.tick(after: -3_600)
        for _ in 0..<10 where world.running.isEmpty { _ = world.tick() }
        #expect(world.running.count == 1 && (world.second - first) % 10 == 0)
    }

    @Test func `targets together have as many series as a host may have`() {
        var world = World(maxSeries: 5, target("/1"), target("/2"))
        _ = world.tick()
        world.answer("a 1\nb 2\nc 3\n")
        let said = world.tick()
        #expect(said.filter { $0 == "up 1" }.count == 1 && said.filter { $0 == "up 0" }.count == 1)
        #expect(said.filter { $0.hasPrefix("a ") } == ["a 1"])
        #expect(world.machine.counters.failures == [.hostLimit: 1])
        #expect(world.news.count == 1 && world.news[0].contains("more than the 5 allowed on one host"))
        // With fewer both fit; then the one that grew gives up all it had, what it dropped in that scrape too.
        world.answer("a 1\nb 2\n")
        #expect(world.tick().filter { $0 == "up 1" }.count == 2)
        world.answer("a 1\nc 3\nd 4\n")
        let grown = world.tick()
        #expect(grown.filter { $0 == "up 0" }.count == 1)
        #expect(grown.filter { $0 == "b stale" }.count == 2 && grown.filter { $0 == "a stale" }.count == 1)
        #expect(grown.filter { $0 == "c 3" }.count == 1)
    }

    @Test func `there is a limit of targets, and those beyond it are counted`() {
        var machine = ScrapeTargets(grid: .seconds(1))
        machine.listed((0..<InterchangeLimits.scrapeTargets + 7).map { target("/\($0)") })
        #expect(machine.count == InterchangeLimits.scrapeTargets && machine.omitted == 7)
        machine.listed([target()])
        #expect(machine.count == 1 && machine.omitted == 0)
    }

    @Test func `people hear of a failure at once, of a long one now and then, and of a flapping one not each time`() {
        var world = World(target(interval: .seconds(30)))
        func run(_ text: String?, _ count: Int) {
            for _ in 0..<count {
                while world.running.isEmpty { _ = world.tick() }
                world.answer(text)
            }
        }
        run("a 1\n", 3)
        #expect(world.news.isEmpty)
        run(nil, 1)
        #expect(world.news == ["/metrics refused"])
        run(nil, 19)
        #expect(world.news.count == 1)
        run(nil, 1)
        #expect(world.news.count == 2)
        run("a 1\n", 1)
        #expect(world.news.count == 2)
        run("a 1\n", 1)
        #expect(world.news.last == "/metrics recovered")
        for _ in 0..<10 {
            run(nil, 1)
            run("a 1\n", 1)
        }
        // 20 changes in ten minutes, spoken of once a minute at most.
        #expect(world.news.count <= 3 + 10 && world.news.count > 4)
    }

    @Test func `without targets a tick does nothing`() {
        var machine = ScrapeTargets(grid: .seconds(1))
        let tick = machine.tickBegan(milliseconds: 1_000)
        #expect(tick.gone.isEmpty && tick.readings.isEmpty && tick.starts.isEmpty)
    }

    /// Targets come, go, answer, fail and hang at random; rows are held to their rules by `ReadRows`.
    @Test func `a random life keeps every rule of readings`() {
        for seed in UInt64(1)...8 {
            var generator = SplitMix(seed: seed)
            var world = World(maxSeries: 40)
            let all = (0..<8).map { target("/\($0)", interval: .seconds(Int64($0 % 3) + 1), maxSeries: 12) }
            for _ in 0..<300 {
                if UInt8.random(in: 0...9, using: &generator) == 0 {
                    world.machine.listed(all.filter { _ in Bool.random(using: &generator) })
                }
                _ = world.tick(after: Int64.random(in: 1...2, using: &generator))
                let (now, later) = (
                    world.running.filter { _ in UInt8.random(in: 0...3, using: &generator) > 0 }, world.running
                )
                world.running = now
                let names = (0..<14).filter { _ in Bool.random(using: &generator) }
                world.answer(
                    UInt8.random(in: 0...5, using: &generator) == 0
                        ? nil : names.map { "m\($0) 1\n" }.joined())
                world.running = later.filter { start in !now.contains { $0.id == start.id } }
                let live = world.rows.values.reduce(0) { $0 + $1.live.count }
                #expect(live <= 40 + 3 * 8)
            }
            world.machine.listed([])
            _ = world.tick()
            #expect(world.rows.values.allSatisfy { $0.live.isEmpty }, "seed \(seed)")
            #expect(world.machine.counters.scrapes > 300)
        }
    }
}
