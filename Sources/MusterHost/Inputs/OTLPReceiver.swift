package import MusterInterchange
package import MusterModel
import Synchronization

/// Takes exports of OTLP metrics and gives out, at each tick, the newest value of each series. What speaks HTTP is the
/// wiring's: it hands requests in and sends the answers.
package final class OTLPReceiver: Sendable {
    package struct Options: Sendable {
        package var maxSeries = 10_000
        /// Samples taken in a second, whatever the interval of the ticks.
        package var samplesPerSecond = 50_000
        /// A series nothing comes for ends after this long: exporters push every minute and may miss a few.
        package var idle = Duration.minutes(5)

        package init() {}
    }

    package struct Counters: Equatable, Sendable {
        package var requests: UInt64 = 0
        package var points: UInt64 = 0
        package var refusedRequests: [OTLPRequest.Refusal: UInt64] = [:]
        package var refusedPoints: [SeriesRefusal.Reason: UInt64] = [:]
        /// Series beyond the limit, samples of them that came.
        package var refusedSamples: UInt64 = 0

        package init() {}
    }

    private struct State {
        var latest: LatestSeries
        var counters = Counters()
    }

    private let maxSeries: Int
    private let samplesPerTick: Int
    private let compressor: any Compressor
    private let now: @Sendable () -> Instant
    private let state: Mutex<State>
    private let translator = Mutex(OTLPTranslator())

    /// `interval`: of the ticks. `compressor`: one of gzip's format.
    package init(
        interval: Duration, options: Options = Options(), compressor: any Compressor,
        now: @escaping @Sendable () -> Instant
    ) {
        maxSeries = options.maxSeries
        samplesPerTick = max(1, Int(interval.nanoseconds / 1_000 * Int64(options.samplesPerSecond) / 1_000_000))
        self.compressor = compressor
        self.now = now
        state = Mutex(State(latest: LatestSeries(maxSeries: options.maxSeries, idle: options.idle)))
    }

    package var counters: Counters { state.withLock { $0.counters } }
    package var seriesCount: Int { state.withLock { $0.latest.seriesCount } }

    package func tickBegan(now: Instant) -> SeriesReading { state.withLock { $0.latest.tickBegan(now: now) } }

    /// What is wrong with a request before its body is read; nil lets it in.
    package func refusal(ofHead head: HTTPRequest) -> HTTPResponse? {
        if let refusal = OTLPRequest.refusal(head) { return refuse(head, refusal) }
        let isFull = state.withLock { $0.latest.pending >= samplesPerTick }
        return isFull ? refuse(head, .full) : nil
    }

    /// Counts a refusal and gives the answer.
    package func refuse(_ head: HTTPRequest, _ refusal: OTLPRequest.Refusal, _ detail: String = "") -> HTTPResponse {
        state.withLock { $0.counters.refusedRequests[refusal, default: 0] += 1 }
        return OTLPRequest.answer(to: head, refusal, detail)
    }

    /// Takes a whole request. This is the long part: not for an event loop.
    package func answer(_ request: HTTPRequest) -> HTTPResponse {
        let export: OTLPRequest
        do throws(OTLPRefused) {
            export = try OTLPRequest(request, compressor: compressor)
        } catch {
            return refuse(request, error.refusal, error.detail)
        }
        let arrived = now()
        let result = translator.withLock { $0.translate(export.metrics, now: arrived) }
        let rejected = take(result, arrived)
        let words = rejected > 0 ? "more than the \(maxSeries) series allowed" : ""
        return OTLPRequest.answer(
            export.encoding, OTLPResponse(result, storeRejected: rejected, storeMessage: words))
    }

    /// Returns how many points had a sample that found no room. One series at a time, so that the tick never waits for
    /// long.
    private func take(_ result: OTLPSeries, _ arrived: Instant) -> Int {
        var rejected: Set<Int> = []
        var refused = 0
        for (series, origins) in zip(result.series, result.origins) {
            let isTaken = state.withLock { state in
                state.latest.received(series, now: arrived) { metric in
                    result.families.first { $0.covers(metric) }
                }
            }
            guard !isTaken else { continue }
            refused += series.samples.count
            rejected.formUnion(origins.compactMap(\.point))
        }
        state.withLock { state in
            state.counters.requests += 1
            state.counters.points += UInt64(result.points)
            state.counters.refusedSamples += UInt64(refused)
            for (reason, count) in result.refusals.counts {
                state.counters.refusedPoints[reason, default: 0] += UInt64(count)
            }
        }
        return rejected.count
    }
}
