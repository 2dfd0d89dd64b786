package import MusterModel

/// Adds delta points up to the cumulative values Prometheus counts in. One stream of points is one series (or one
/// histogram) by its labels; its numbers add up number by number, a histogram's buckets, count and sum alike.
///
/// Bounded in streams; one that is silent for `idle` is forgotten and would start over, which reads as a counter's
/// restart.
package struct DeltaAccumulator: Sendable {
    /// What a stream of points adds up to.
    package struct Total: Equatable, Sendable {
        /// When the first interval began, nanoseconds; 0 when the sender did not say.
        package var start: UInt64
        package var values: [Double]

        package init(start: UInt64, values: [Double]) {
            self.start = start
            self.values = values
        }
    }

    /// Why a point is not added.
    package enum Refusal: Error, Equatable, Sendable {
        /// It ends before what was added already: a repetition, or one that was overtaken.
        case outOfOrder
        case overLimit
    }

    private struct Stream: Sendable {
        var total: Total
        /// The end of the newest interval.
        var time: UInt64
        /// What the values mean: other bounds of buckets start over.
        var shape: [Double]
        var touched: Instant
    }

    private var streams: [Labels: Stream] = [:]
    private let limit: Int
    private let idle: Duration

    package init(maxSeries: Int = InterchangeLimits.deltaSeries, idle: Duration = .minutes(60)) {
        limit = maxSeries
        self.idle = idle
    }

    package var count: Int { streams.count }

    /// Adds one interval from `start` to `time` (nanoseconds) and gives the total at its end. An interval that leaves a
    /// gap to the one before is added all the same: what happened in between was never measured.
    package mutating func add(
        _ values: [Double], shape: [Double] = [], to labels: Labels, start: UInt64, time: UInt64, now: Instant
    ) throws(Refusal) -> Total {
        guard var stream = streams[labels] else {
            guard streams.count < limit else { throw .overLimit }
            return begin(values, shape, labels, start: start, time: time, now: now)
        }
        guard time > stream.time, start == 0 || start >= stream.total.start else { throw .outOfOrder }
        guard stream.shape == shape, stream.total.values.count == values.count else {
            return begin(values, shape, labels, start: start, time: time, now: now)
        }
        for (index, value) in values.enumerated() { stream.total.values[index] += value }
        stream.time = time
        stream.touched = now
        streams[labels] = stream
        return stream.total
    }

    private mutating func begin(
        _ values: [Double], _ shape: [Double], _ labels: Labels, start: UInt64, time: UInt64, now: Instant
    ) -> Total {
        let total = Total(start: start, values: values)
        streams[labels] = Stream(total: total, time: time, shape: shape, touched: now)
        return total
    }

    /// The stream ended: its next point starts over.
    package mutating func end(_ labels: Labels) { streams[labels] = nil }

    /// Forgets what was silent for too long.
    package mutating func expire(now: Instant) {
        streams = streams.filter { now - $0.value.touched < idle }
    }
}
