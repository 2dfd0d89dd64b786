package import MusterInterchange
package import MusterModel
import Synchronization

/// Makes the scrapes that `ScrapeTargets` asks for. `run` is awaited by the wiring for as long as targets shall be
/// scraped, and `tickBegan` is called by whoever measures; `onNews` may be called from any task.
package final class Scraper: Sendable {
    /// Scrapes under way, so that the answers held in memory are bounded. The others wait.
    package static let atOnce = 32
    /// The plain format is asked for first: every target has it, and it costs the least to read.
    static let accepted = "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"

    private let client: any HTTPClient
    private let now: @Sendable () -> Instant
    private let onNews: @Sendable (ScrapeTargets.News) -> Void
    private let targets: Mutex<ScrapeTargets>
    private let starts: AsyncStream<ScrapeTargets.Start>
    private let starting: AsyncStream<ScrapeTargets.Start>.Continuation

    package init(
        grid: Duration, client: any HTTPClient, now: @escaping @Sendable () -> Instant,
        onNews: @escaping @Sendable (ScrapeTargets.News) -> Void
    ) {
        self.client = client
        self.now = now
        self.onNews = onNews
        targets = Mutex(ScrapeTargets(grid: grid))
        // At most one for each target: the next is given out after the answer to the one before.
        (starts, starting) = AsyncStream.makeStream()
    }

    package var counters: ScrapeTargets.Counters { targets.withLock { $0.counters } }
    /// Targets that are scraped, and those beyond the limit.
    package var counts: (targets: Int, omitted: Int) { targets.withLock { ($0.count, $0.omitted) } }

    package func listed(_ list: [ScrapeTarget]) { targets.withLock { $0.listed(list) } }

    /// What was scraped since the last tick; begins the scrapes that are due.
    package func tickBegan(milliseconds: Int64) -> ScrapeTargets.Tick {
        var tick = targets.withLock { $0.tickBegan(milliseconds: milliseconds) }
        for start in tick.starts { starting.yield(start) }
        tick.starts = []
        return tick
    }

    /// Runs until its task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await start in starts {
                if running >= Self.atOnce { await group.next() } else { running += 1 }
                group.addTask { await self.scrape(start) }
            }
            group.cancelAll()
        }
    }

    private func scrape(_ given: ScrapeTargets.Start) async {
        var start = given
        if start.delay > .zero {
            guard (try? await Task.sleep(for: start.delay)) != nil else { return }
        }
        let began = now()
        let outcome: ScrapeTargets.Outcome
        do throws(ScrapeFailure) {
            let response = try await answer(of: start.target)
            let type = response.header("content-type")
            outcome = .read(try start.page.read(response.body, contentType: type, target: start.target))
        } catch {
            outcome = .failed(error)
        }
        // A scrape that was cut off with its task says nothing of the target.
        guard !Task.isCancelled else { return }
        let ended = now()
        let page = start.page
        let news = targets.withLock { targets in
            targets.answered(start.id, page: page, outcome, took: ended - began, now: ended)
        }
        if let news { onNews(news) }
    }

    private func answer(of target: ScrapeTarget) async throws(ScrapeFailure) -> HTTPResponse {
        let seconds = Double(target.timeout.nanoseconds / 1_000_000) / 1e3
        let request = HTTPRequest(
            "GET", target.path,
            headers: [
                HTTPHeader("Accept", Self.accepted), HTTPHeader("X-Prometheus-Scrape-Timeout-Seconds", "\(seconds)"),
            ])
        let response: HTTPResponse
        do throws(HTTPFailure) {
            response = try await client.send(
                request, to: target.endpoint, timeout: target.timeout, maxBytes: InterchangeLimits.scrapeBytes)
        } catch {
            throw ScrapeFailure(error)
        }
        guard response.isSuccess else { throw ScrapeFailure(.status, "it answered with status \(response.status)") }
        let encoding = (response.header("content-encoding") ?? "identity").lowercased()
        guard encoding == "identity" else {
            throw ScrapeFailure(
                .unusableAnswer, "the answer is compressed (\(encoding.prefix(32))), which nobody asked for")
        }
        return response
    }
}
