import MusterModel
import MusterSeries

/// An agent and a coordinator with a faultless link between them. Series are handles: `m{n="3"}`.
struct Stream {
    var encoder: MetricFrameEncoder
    var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
    var milliseconds: Int64 = 1_000
    /// What the coordinator knows: labels by ref.
    var known: [UInt32: Labels] = [:]
    /// Of the last tick.
    var frames: [[UInt8]] = []

    static func series(_ number: Int) -> MetricSeries { MetricSeries(["__name__": "m", "n": "\(number)"]) }

    init(compressor: (any Compressor)? = nil) {
        encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 7, compressor: compressor)
    }

    @discardableResult
    mutating func tick(_ values: [(Int, Double)], ended: [Int] = []) throws -> [MetricTick] {
        encode(values, ended: ended)
        return try frames.map { try decode($0) }
    }

    mutating func encode(_ values: [(Int, Double)], ended: [Int] = []) {
        encoder.beginTick(milliseconds: milliseconds)
        milliseconds += 1_000
        for handle in ended { encoder.ended(handle) }
        for (handle, value) in values { encoder.set(handle, value, Self.series(handle)) }
        frames = encoder.endTick()
    }

    mutating func decode(_ frame: [UInt8]) throws -> MetricTick {
        let tick = try decoder.decode(frame)
        if tick.isKeyframe { known = [:] }
        for definition in tick.definitions { known[definition.ref] = definition.labels }
        return tick
    }

    /// Bit patterns by handle, read back from the labels.
    func values(_ ticks: [MetricTick]) -> [Int: UInt64] {
        var values: [Int: UInt64] = [:]
        for tick in ticks {
            for (ref, bits) in zip(tick.refs, tick.bits) { values[known[ref]?["n"].flatMap { Int($0) } ?? -1] = bits }
        }
        return values
    }
}
