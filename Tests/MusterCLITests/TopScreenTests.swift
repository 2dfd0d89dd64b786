import Foundation
import MusterCLI
import MusterModel
import Synchronization
import Testing

@Suite struct TopScreens {
    private func host(_ name: String, cpu: Double? = nil, memory: Double? = nil, state: String = "alive")
        -> TopPicture.Host
    {
        var host = TopPicture.Host(
            id: "id-\(name)", name: name, state: state, reason: state == "alive" ? "" : "silent",
            lastSeen: noon.description)
        host.cpuPercent = cpu
        host.memoryPercent = memory
        host.containers = 1
        host.runningContainers = 1
        return host
    }

    private func container(_ name: String, cpu: Double? = nil, memory: Double? = nil) -> TopPicture.Container {
        var container = TopPicture.Container(id: "c-\(name)", host: "id-a", name: name, state: "running")
        container.cpuPercent = cpu
        container.memoryBytes = memory
        return container
    }

    private func screen(
        _ hosts: [TopPicture.Host], _ containers: [TopPicture.Container] = [], by order: TopPicture.Order = .cpu,
        rows: Int? = nil, warnings: [String] = []
    ) -> TopScreen {
        let picture = TopPicture(
            time: noon.description, hosts: hosts, containers: containers, warnings: warnings)
        return TopScreen(picture, at: noon, order: order, rows: rows)
    }

    private func many(_ hosts: Int, _ containers: Int) -> TopScreen {
        screen(
            (0..<hosts).map { host("host-\($0)", cpu: Double($0)) },
            (0..<containers).map { container("container-\($0)", cpu: Double($0)) })
    }

    private func firsts(_ lines: [String]) -> [String] { lines.map { String($0.prefix { $0 != " " }) } }

    // MARK: Order

    @Test(
        arguments: [
            (.cpu, ["b", "c", "a", "d"]), (.memory, ["c", "a", "b", "d"]), (.name, ["a", "b", "c", "d"]),
        ] as [(TopPicture.Order, [String])])
    func `rows are in the order that was asked for, the unmeasured last`(
        _ order: TopPicture.Order, _ names: [String]
    ) {
        let rows =
            [
                ("d", nil, nil), ("a", 1, 50), ("c", 5, 90), ("b", 9, 10),
            ] as [(String, Double?, Double?)]
        let lines = screen(
            rows.map { host($0.0, cpu: $0.1, memory: $0.2) }, rows.map { container($0.0, cpu: $0.1, memory: $0.2) },
            by: order
        ).lines(.screen(100), now: noon, isLive: true)
        #expect(firsts(Array(lines[3..<7])) == names)
        #expect(firsts(Array(lines[9..<13])) == names)
    }

    @Test func `equals are in the order of their names`() {
        let lines = screen(["c", "a", "b"].map { host($0, cpu: 1) }).lines(.screen(100), now: noon, isLive: true)
        #expect(firsts(Array(lines[3..<6])) == ["a", "b", "c"])
    }

    // MARK: Widths

    @Test func `eighty columns show what fits, by importance`() {
        let lines = screen([host("a", cpu: 12.34, memory: 99)], [container("web", cpu: 3, memory: 1_024)])
            .lines(.screen(80), now: noon, isLive: true)
        #expect(
            lines == [
                "12:00:00Z 1 host (1 alive), 1 container (1 running), by cpu; ^C ends",
                "",
                "HOST  STATE    CPU  MEMORY  DISK  LOAD1  NET IN/S  NET OUT/S  CONTAINERS  SERIES",
                "a     alive  12.3%   99.0%     -      -         -          -           1       -",
                "",
                "CONTAINER  STATE     CPU  MEMORY  HOST  NET IN/S  NET OUT/S",
                "web        running  3.0%    1KiB  a            -          -",
            ])
    }

    @Test func `twenty columns show the names, the states and the load`() {
        let lines = screen([host("a", cpu: 12.34)], [container("web", cpu: 3)])
            .lines(.screen(20), now: noon, isLive: true)
        #expect(
            lines == [
                "12:00:00Z 1 host (1…", "", "HOST  STATE    CPU", "a     alive  12.3%", "", "CONTAINER  STATE",
                "web        running",
            ])
    }

    @Test func `two hundred columns show everything`() {
        let lines = screen([host("a", cpu: 1)]).lines(.screen(200), now: noon, isLive: true)
        #expect(lines[2].hasSuffix("SERIES  SEEN  FULLEST"))
    }

    @Test func `nothing leaves the screen, whatever its size`() {
        var alone = screen(
            [host(String(repeating: "h", count: 50), cpu: 1, state: "dead"), host("b")], [container("web", cpu: 3)],
            warnings: [String(repeating: "w", count: 300)])
        alone.pictureFailed(String(repeating: "f", count: 300))
        for width in 1...130 {
            for height in 0...14 {
                let lines = alone.lines(.screen(width, height), now: noon, isLive: true)
                #expect(lines.count <= height && lines.allSatisfy { $0.count <= width }, "\(width)x\(height)")
            }
        }
    }

    // MARK: Heights

    @Test func `a small screen is shared and what is cut is counted`() {
        let lines = many(10, 10).lines(.screen(100, 12), now: noon, isLive: true)
        #expect(lines.count == 12)
        #expect(
            firsts(lines) == [
                "12:00:00Z", "", "HOST", "host-9", "host-8", "…", "", "CONTAINER", "container-9", "container-8",
                "container-7", "…",
            ])
        #expect(lines[5] == "… 8 more hosts" && lines[11] == "… 7 more containers")
    }

    @Test func `what one table does not need the other one gets`() {
        let few = many(1, 20).lines(.screen(100, 12), now: noon, isLive: true)
        #expect(few.count == 12 && few[2].hasPrefix("HOST") && few.last == "… 15 more containers")
        let lone = many(20, 1).lines(.screen(100, 12), now: noon, isLive: true)
        #expect(lone.count == 12 && lone[8] == "… 15 more hosts" && lone[10].hasPrefix("CONTAINER"))
        #expect(lone.last?.hasPrefix("container-0") == true)
    }

    @Test(arguments: 0...24)
    func `every height is used as far as there are rows`(_ height: Int) {
        let lines = many(30, 30).lines(.screen(100, height), now: noon, isLive: true)
        #expect(lines.count <= height)
        if height >= 4 { #expect(lines.count >= height - 2) }
        if height >= 4 { #expect(lines[3].hasPrefix("host-29")) }
    }

    @Test func `rows can be limited, and without a screen are not`() {
        let picture = many(30, 30)
        #expect(picture.lines(.paper, now: noon, isLive: false).count == 65)
        let five = screen((0..<30).map { host("h\($0)", cpu: 1) }, rows: 5)
        #expect(five.lines(.paper, now: noon, isLive: false).count == 8)
    }

    // MARK: What is wrong

    @Test func `hosts that are not alive are named with their reason`() {
        let lines = screen([host("a", cpu: 1), host("b", state: "dead"), host("c", state: "suspect")])
            .lines(.screen(80, hasColour: true), now: noon, isLive: true)
        #expect(lines[0].contains("3 hosts (1 alive, 1 dead, 1 suspect)"))
        #expect(lines[1] == "\u{1B}[31mNot alive: b dead (silent), c suspect (silent)\u{1B}[0m")
    }

    @Test func `a picture that cannot be refreshed says how old it is until it can`() {
        var screen = screen([host("a", cpu: 1)])
        screen.pictureFailed("the coordinator\u{1B} is away")
        let old = screen.lines(.screen(80), now: noon + .seconds(6), isLive: true)
        #expect(old[1] == #"6s old, cannot be refreshed: the coordinator\u{1b} is away"#)
        #expect(old[4].hasPrefix("a "))
        #expect(screen.lines(.screen(80), now: noon + .seconds(600), isLive: true)[1].hasPrefix("10m old"))
        #expect(screen.lines(.screen(80), now: noon - .seconds(600), isLive: true)[1].hasPrefix("0s old"))
        screen.pictureTaken(TopPicture(time: noon.description, hosts: [], containers: []), at: noon + .seconds(8))
        let fresh = screen.lines(.screen(80), now: noon + .seconds(8), isLive: true)
        #expect(fresh == ["12:00:00Z 0 hosts, 0 containers (0 running), by cpu; ^C ends", "", "No host has joined."])
    }

    @Test func `what hosts say cannot steer the terminal`() {
        let evil = "\u{1B}[2J\n"
        var first = host("a", cpu: 1)
        first.name = evil
        first.state = evil
        first.reason = evil
        first.fullestMount = evil
        let lines = screen([first], [container(evil)], warnings: [evil]).lines(.screen(200), now: noon, isLive: true)
        #expect(lines.allSatisfy { !$0.contains("\u{1B}") && !$0.contains("\n") })
    }

    @Test func `what is nearly used up is coloured`() {
        let lines = screen([host("a", cpu: 96, memory: 86), host("b", cpu: 84, memory: 1)])
            .lines(.screen(80, hasColour: true), now: noon, isLive: true)
        #expect(lines[3].contains("\u{1B}[31m96.0%") && lines[3].contains("\u{1B}[33m86.0%"))
        #expect(!lines[4].contains("\u{1B}[31m") && !lines[4].contains("\u{1B}[33m"))
    }
}

@Suite struct Redrawings {
    private final class Written: Sendable {
        private let texts = Mutex<[String]>([])
        var all: [String] { texts.withLock { $0 } }
        func write(_ text: String) { texts.withLock { $0.append(text) } }
    }

    private func picture(_ name: String) -> TopPicture {
        TopPicture(
            time: noon.description,
            hosts: [.init(id: name, name: name, state: "alive", reason: "", lastSeen: noon.description)],
            containers: [])
    }

    /// What is written for these events, each frame by the name of its host.
    private func written(_ events: [ScreenEvent], width: Int = 80) async -> [String] {
        let written = Written()
        let redrawing = Redrawing(
            terminal: { .screen(width, 10) }, now: { noon }, write: { written.write($0) },
            stop: { written.write("stopped") })
        let (stream, feed) = AsyncStream.makeStream(of: ScreenEvent.self)
        for event in events { feed.yield(event) }
        feed.finish()
        await redrawing.run(TopScreen(picture("first"), at: noon, order: .cpu, rows: nil), stream)
        return written.all.map { text in
            switch text {
            case Redrawing.enter: "enter"
            case Redrawing.leave: "leave"
            case "stopped": "stopped"
            default: ["first", "second"].first { text.contains($0 + " ") } ?? text
            }
        }
    }

    @Test func `the terminal is entered once and left whatever ends it`() async {
        #expect(await written([]) == ["enter", "first", "leave"])
        #expect(await written([.ended, .resized]) == ["enter", "first", "leave"])
    }

    @Test func `every event is drawn`() async {
        #expect(
            await written([.resized, .pictureTaken(picture("second")), .pictureFailed("away"), .ended])
                == ["enter", "first", "first", "second", "second", "leave"])
    }

    @Test func `who stops it has his terminal back until he continues it`() async {
        #expect(
            await written([.suspended, .ended]) == ["enter", "first", "leave", "stopped", "enter", "first", "leave"])
    }

    @Test func `leaving undoes entering, the last thing first`() {
        #expect(Redrawing.enter == "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l")
        #expect(Redrawing.leave == "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l")
    }

    @Test func `a frame overwrites what is there and never scrolls`() {
        #expect(Redrawing.frame(["a", "b"]) == "\u{1B}[Ha\u{1B}[K\r\nb\u{1B}[K\u{1B}[J")
        #expect(Redrawing.frame([]) == "\u{1B}[H\u{1B}[J")
    }
}
