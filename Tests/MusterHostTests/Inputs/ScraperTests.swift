import Foundation
import MusterHost
import MusterInterchange
import MusterModel
import MusterTestKit
import MusterTransport
import NIOPosix
import Synchronization
import Testing

/// A scraper and the table its readings end up in; a tick is a tenth of a second of a clock of its own.
private struct Scraping {
    let scraper: Scraper
    let news: Recorded
    var table = MetricTable()
    var rows: [UInt64: SourcedSeries] = [:]
    var milliseconds: Int64 = 1_700_000_000_000

    final class Recorded: Sendable {
        private let all = Mutex<[ScrapeTargets.News]>([])
        func add(_ news: ScrapeTargets.News) { all.withLock { $0.append(news) } }
        var list: [ScrapeTargets.News] { all.withLock { $0 } }
    }

    /// What is measured by this tick, and the stale marker for what ended with it.
    mutating func tick() -> [String: Double] {
        milliseconds += 100
        table.tickBegan()
        let tick = scraper.tickBegan(milliseconds: milliseconds)
        for id in tick.gone {
            var gone = rows.removeValue(forKey: id)
            gone?.ended(&table)
        }
        for (id, reading) in tick.readings { rows[id, default: SourcedSeries()].apply(reading, to: &table) }
        var said = table.samples
        for handle in table.ended { said[table.labels(handle).description] = StaleMarker.value }
        return said
    }

    /// Ticks until something is said; gives all of what was said with it.
    mutating func awaited(
        _ what: String, within bound: Duration = .seconds(40), _ isThere: ([String: Double]) -> Bool
    ) async throws -> [String: Double] {
        var found: [String: Double] = [:]
        try await eventually(what, within: bound) {
            found = tick()
            return isThere(found)
        }
        return found
    }

    /// What people were told first; it comes a moment after the reading.
    func toldFailure() async throws -> ScrapeFailure {
        try await eventually("people are told", within: .seconds(40)) { !news.list.isEmpty }
        guard case .failing(_, let failure)? = news.list.first else {
            throw NeverHappened("what was told is no failure: \(news.list)")
        }
        return failure
    }

    /// Runs the scraper for the length of a test.
    static func run(
        _ targets: [ScrapeTarget], _ test: (inout Scraping) async throws -> Void
    ) async throws {
        let news = Recorded()
        let scraper = Scraper(
            grid: .milliseconds(100), client: NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton),
            now: testClock, onNews: { news.add($0) })
        scraper.listed(targets)
        let running = Task { await scraper.run() }
        var scraping = Scraping(scraper: scraper, news: news)
        do {
            try await test(&scraping)
        } catch {
            running.cancel()
            await running.value
            throw error
        }
        running.cancel()
        await running.value
    }
}

/// A server whose pages a test writes.
private final class Pages: Sendable {
    private struct Door: HTTPAdmission {
        func refusal(ofHead head: HTTPRequest) -> HTTPResponse? { nil }
        func tooLarge(_ head: HTTPRequest) -> HTTPResponse { HTTPResponse(status: 413) }
        func busy(_ head: HTTPRequest) -> HTTPResponse { HTTPResponse(status: 429) }
    }

    private let listener: HTTPListener
    private let pages = Mutex<[String: HTTPResponse]>([:])
    private let seen = Mutex<[HTTPRequest]>([])
    private let serving = Mutex<Task<Void, Never>?>(nil)

    init() async throws {
        listener = try await HTTPListener.bind(
            .init(), admission: Door(), group: MultiThreadedEventLoopGroup.singleton)
        let task = Task { [listener, weak self] in
            for await call in listener.calls {
                guard let self else { return }
                seen.withLock { $0.append(call.request) }
                // A page that is not there hangs.
                if let page = pages.withLock({ $0[call.request.target] }) { call.answer(page) }
            }
        }
        serving.withLock { $0 = task }
    }

    var requests: [HTTPRequest] { seen.withLock { $0 } }

    func set(_ path: String, _ text: String, status: Int = 200, _ headers: HTTPHeader...) {
        pages.withLock { $0[path] = HTTPResponse(status: status, headers: headers, body: Array(text.utf8)) }
    }

    func close() async { await listener.close() }

    func target(
        _ path: String = "/metrics", timeout: Duration = .seconds(5), maxSeries: Int = 1_000, honorsLabels: Bool = false
    ) -> ScrapeTarget {
        ScrapeTarget(
            endpoint: .tcp(host: "127.0.0.1", port: listener.port), path: path,
            labels: TargetLabels(["job": "j", "instance": "i"], honorsLabels: honorsLabels),
            interval: .milliseconds(100), timeout: timeout, maxSeries: maxSeries)
    }
}

private let up = "up{instance=\"i\",job=\"j\"}"

@Suite(.serialized) struct ScraperTests {
    @Test func `an endpoint's series are measured, and end when it goes away`() async throws {
        let pages = try await Pages()
        pages.set("/metrics", "# TYPE a counter\na{job=\"x\"} 5\nb 6\n", HTTPHeader("Content-Type", "text/plain"))
        try await Scraping.run([pages.target()]) { scraping in
            let first = try await scraping.awaited("it is up") { $0[up] == 1 }
            #expect(
                first["a{exported_job=\"x\",instance=\"i\",job=\"j\"}"] == 5
                    && first["b{instance=\"i\",job=\"j\"}"] == 6)
            #expect(first["scrape_samples_scraped{instance=\"i\",job=\"j\"}"] == 2)
            let took = try #require(first["scrape_duration_seconds{instance=\"i\",job=\"j\"}"])
            #expect(took > 0 && took < 5)
            pages.set("/metrics", "b 7\n")
            let second = try await scraping.awaited("b moves") { $0["b{instance=\"i\",job=\"j\"}"] == 7 }
            let gone = try #require(second["a{exported_job=\"x\",instance=\"i\",job=\"j\"}"])
            #expect(StaleMarker.isMarker(gone))
            await pages.close()
            let third = try await scraping.awaited("it is down") { $0[up] == 0 }
            #expect(StaleMarker.isMarker(try #require(third["b{instance=\"i\",job=\"j\"}"])))
            #expect(scraping.table.liveCount == 3)
            scraping.scraper.listed([])
            let last = try await scraping.awaited("all of it ends") { $0[up].map(StaleMarker.isMarker) == true }
            #expect(last.count == 3 && scraping.table.liveCount == 0)
            let failure = try await scraping.toldFailure()
            #expect(failure.reason == .unreachable && failure.detail.contains("onnection refused"))
        }
        let request = try #require(pages.requests.first)
        let asked = Dictionary(request.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        #expect(request.method == "GET" && asked["accept"]?.hasPrefix("text/plain;version=0.0.4") == true)
        #expect(asked["x-prometheus-scrape-timeout-seconds"] == "5.0" && asked["accept-encoding"] == nil)
    }

    @Test(
        arguments: [
            ("/status", .status, "status 503"), ("/hangs", .timedOut, "no answer within 200ms"),
            ("/large", .unusableAnswer, "more than the 16777216 bytes"),
            ("/gzip", .unusableAnswer, "compressed (gzip)"),
            ("/page", .malformed, "line 1, column 1"), ("/many", .tooManySeries, "more than the 3 series allowed"),
            ("/open", .malformed, "# EOF"),
        ] as [(String, ScrapeFailure.Reason, String)])
    func `whatever goes wrong is a failed scrape with its reason`(
        path: String, reason: ScrapeFailure.Reason, words: String
    ) async throws {
        let pages = try await Pages()
        pages.set("/status", "a 1\n", status: 503)
        pages.set("/gzip", "a 1\n", HTTPHeader("Content-Encoding", "gzip"))
        pages.set("/page", "<html>")
        pages.set("/many", "a 1\nb 1\nc 1\nd 1\n")
        pages.set("/open", "a 1\n", HTTPHeader("Content-Type", "application/openmetrics-text; version=1.0.0"))
        if path == "/large" {
            pages.set("/large", String(repeating: "#\n", count: InterchangeLimits.scrapeBytes / 2 + 1))
        }
        let timeout = path == "/hangs" ? Duration.milliseconds(200) : .seconds(5)
        try await Scraping.run([pages.target(path, timeout: timeout, maxSeries: 3)]) { scraping in
            let said = try await scraping.awaited("it is down") { $0[up] == 0 }
            #expect(said.count == 3 && said["scrape_samples_scraped{instance=\"i\",job=\"j\"}"] == 0)
            #expect(scraping.scraper.counters.failures[reason] ?? 0 > 0)
            let failure = try await scraping.toldFailure()
            #expect(failure.reason == reason && failure.detail.contains(words), "\(failure)")
        }
        await pages.close()
    }

    @Test func `a target that hangs keeps no other waiting`() async throws {
        let pages = try await Pages()
        pages.set("/good", "a 1\n")
        let hanging = (0..<10).map { pages.target("/hangs\($0)", timeout: .seconds(30)) }
        try await Scraping.run(hanging + [pages.target("/good", honorsLabels: true)]) { scraping in
            for _ in 0..<5 { _ = try await scraping.awaited("the good one goes on") { $0[up] == 1 } }
            #expect(scraping.scraper.counters.failures.isEmpty && scraping.scraper.counters.skipped > 10)
        }
        await pages.close()
    }

    // MARK: Real peers

    private static let exporter = ["/usr/bin/prometheus-node-exporter", "/usr/local/bin/node_exporter"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    private static let isRequired = ProcessInfo.processInfo.environment["MUSTER_REQUIRE_PEERS"] == "1"

    @Test(.enabled(if: exporter != nil || isRequired, "prometheus-node-exporter is not installed"))
    func `node_exporter is scraped whole`() async throws {
        let binary = try #require(
            Self.exporter, "MUSTER_REQUIRE_PEERS=1, and prometheus-node-exporter is not installed")
        // A few ports, in case one is taken.
        for port in [19_871, 23_871, 28_871] {
            let exporter = Process()
            exporter.executableURL = URL(fileURLWithPath: binary)
            exporter.arguments = ["--web.listen-address=127.0.0.1:\(port)"]
            exporter.standardError = FileHandle.nullDevice
            exporter.standardOutput = FileHandle.nullDevice
            try exporter.run()
            defer {
                exporter.terminate()
                exporter.waitUntilExit()
            }
            let target = ScrapeTarget(
                endpoint: .tcp(host: "127.0.0.1", port: port), path: "/metrics",
                labels: TargetLabels(["job": "j", "instance": "i"]), interval: .milliseconds(100),
                timeout: .seconds(10),
                maxSeries: 10_000)
            var isDone = false
            try await Scraping.run([target]) { scraping in
                let said = try await scraping.awaited("it is up, or its port was taken") {
                    $0[up] == 1 || !exporter.isRunning
                }
                guard exporter.isRunning, said[up] == 1 else { return }
                #expect(said.count > 200 && scraping.scraper.counters.refusedSeries.isEmpty)
                #expect(said["node_load1{instance=\"i\",job=\"j\"}"] != nil)
                #expect(said["scrape_samples_scraped{instance=\"i\",job=\"j\"}"] == Double(said.count - 3))
                let kinds = Set(scraping.table.started.map { scraping.table.family($0).kind })
                #expect(kinds.isSuperset(of: [.counter, .gauge, .summary]))
                let seconds = try #require(
                    scraping.table.started.first {
                        scraping.table.labels($0).metricName == "node_cpu_seconds_total"
                    })
                #expect(scraping.table.family(seconds).help.hasPrefix("Seconds the CPUs spent"))
                let again = try await scraping.awaited("it is up again") { $0[up] == 1 }
                #expect(again.count > 200)
                isDone = true
            }
            if isDone { return }
        }
        Issue.record("node_exporter could not be started")
    }

    @Test(.enabled(if: DockerDaemon.obstacle == nil, "needs dockerd, busybox-static and root"))
    func `a container that asks for it is scraped at its own address`() async throws {
        let daemon = try await DockerDaemon.shared()
        let mark = "s\(UInt32.random(in: 0 ..< .max))"
        let serve = "/busybox echo 'app_jobs{kind=\"a\"} 7' > /www/metrics; exec /busybox httpd -f -p 8080 -h /www"
        try await daemon.run(
            "scraped-\(mark)", "web:1", labels: ["test": mark, "prometheus.io/scrape": "true"],
            [.init("Entrypoint", .array(["/busybox", "sh", "-c", serve].map { .string($0) }))])
        do {
            let ids = try await daemon.api.containerIDs(labels: [LabelSelector("test", mark)])
            let inspected = try await daemon.api.inspect(container: try #require(ids.first))
            let observed = try #require(inspected.flatMap { ObservedContainer(inspected: $0) })
            let found = ContainerScrapes.targets(
                of: [observed], services: [:],
                policy: .init(interval: .milliseconds(100), timeout: .seconds(5), maxSeries: 10))
            #expect(found.complaints.isEmpty)
            try await Scraping.run(found.targets) { scraping in
                let labels = "instance=\"scraped-\(mark)\",job=\"scraped-\(mark)\""
                _ = try await scraping.awaited("it is up") { $0["up{\(labels)}"] == 1 }
                _ = try await scraping.awaited("its metric is there") { $0["app_jobs{\(labels),kind=\"a\"}"] == 7 }
                try await daemon.clear(LabelSelector("test", mark))
                _ = try await scraping.awaited("it is down") { $0["up{\(labels)}"] == 0 }
            }
        } catch {
            try await daemon.clear(LabelSelector("test", mark))
            throw error
        }
    }
}
