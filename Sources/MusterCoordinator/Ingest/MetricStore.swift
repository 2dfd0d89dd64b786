import Logging
package import MusterModel
import MusterQuery
package import MusterSeries
import MusterStore
import MusterTransport
import Synchronization

/// The metric frames on disk and the hot store they feed. Frames are applied in the order in which they became durable,
/// so what a restart reads back is what readers saw before.
package final class MetricStore: Sendable {
    private struct State {
        var hot: HotStore
        var streams: [StreamKey: HostSeries] = [:]
        var undecodable: UInt64 = 0
    }

    private let state: Mutex<State>
    private let compressor: any Compressor

    package init(retention: Duration, maxBytes: Int, compressor: any Compressor) {
        self.compressor = compressor
        state = Mutex(State(hot: HotStore(settings: .init(retention: retention, maxBytes: maxBytes))))
    }

    package enum Applied: Equatable, Sendable {
        case done
        /// The stream cannot be read before its next keyframe: ask the agent for one.
        case needsKeyframe(String)
    }

    /// A frame of this stream is durable.
    @discardableResult
    package func frameStored(_ payload: [UInt8], of key: StreamKey, now: Instant) -> Applied {
        state.withLock { state in
            var series =
                state.streams.removeValue(forKey: key) ?? HostSeries(host: key.host, compressor: compressor)
            defer { state.streams[key] = series }
            do throws(MetricFrameError) {
                _ = try series.frameReceived(payload, into: &state.hot, now: now)
                return .done
            } catch {
                state.undecodable += 1
                return .needsKeyframe("\(error)")
            }
        }
    }

    /// The host is not heard from: its series go stale now and not after the lookback.
    package func hostLost(_ host: HostID) { state.withLock { $0.hot.hostLost(host) } }

    package func expire(now: Instant) { state.withLock { $0.hot.expire(now: now) } }

    package var seriesCount: Int { state.withLock { $0.hot.seriesCount } }
    package var counters: HotStore.Counters { state.withLock { $0.hot.counters } }
    package var undecodable: UInt64 { state.withLock { $0.undecodable } }
}

extension MetricStore: SeriesSource {
    package func select(
        _ matchers: [LabelMatcher], from: Int64, to: Int64, maxSeries: Int, maxSamples: Int
    ) -> [SeriesSamples] {
        state.withLock {
            $0.hot.select(matchers, from: from, to: to, maxSeries: maxSeries, maxSamples: maxSamples)
        }
    }
}
