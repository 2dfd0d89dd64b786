package import MusterModel

/// Reads the frames of one (host, boot), in the order of their sequences and each once. No bytes make it trap.
package struct MetricFrameDecoder: Sendable {
    private let compressor: any Compressor
    /// The number of the next frame; nil until a keyframe was read, and after a frame that could not be.
    private var expected: UInt64?
    private var clock = MetricFrame.Clock()
    private var dictionary = DecoderDictionary()
    private var column = MetricColumn()

    package init(compressor: any Compressor) { self.compressor = compressor }

    package var liveSeries: Int { column.liveCount }

    /// After an error the decoder waits for the next keyframe.
    package mutating func decode(_ payload: [UInt8]) throws(MetricFrameError) -> MetricTick {
        let before = expected
        expected = nil
        var position = 0
        let header = try MetricFrame.Header(payload.span, at: &position, before: clock)
        if header.flags.contains(.keyframe) {
            dictionary = DecoderDictionary()
            column = MetricColumn()
        } else if before != header.number {
            throw .needsKeyframe(number: header.number)
        }
        var body = payload
        if header.flags.contains(.deflated) {
            do throws(CompressionError) {
                body = try compressor.inflate(payload[position...], maxBytes: Limits.inflatedBytes)
            } catch {
                throw .compression(error)
            }
            position = 0
        }
        let tick = try read(body, at: &position, header)
        clock = header.clock
        expected = header.number < .max ? header.number + 1 : nil
        return tick
    }

    private mutating func read(
        _ body: [UInt8], at position: inout Int, _ header: MetricFrame.Header
    ) throws(MetricFrameError) -> MetricTick {
        var tick = MetricTick(
            isKeyframe: header.flags.contains(.keyframe), isComplete: !header.flags.contains(.continues),
            milliseconds: header.clock.milliseconds, intervalMilliseconds: header.clock.interval,
            missedTicks: header.missed, families: [], definitions: [], ended: [], refs: [], bits: [])
        if header.flags.contains(.dictionary) {
            let bytes = body.span
            tick.families = try dictionary.readTables(bytes, at: &position)
            tick.definitions = try dictionary.readDefinitions(
                bytes, at: &position, nextRef: column.refs, liveCount: column.liveCount)
            column.define(tick.definitions.count)
            tick.ended = try readEnded(bytes, at: &position)
        }
        (tick.refs, tick.bits) = try column.read(body, at: position)
        return tick
    }

    private mutating func readEnded(
        _ bytes: Span<UInt8>, at position: inout Int
    ) throws(MetricFrameError) -> [UInt32] {
        let count = try DecoderDictionary.count(bytes, at: &position, of: "ended series")
        var ended: [UInt32] = []
        var ref = 0
        for _ in 0..<count {
            guard let distance = Varint.read(bytes, at: &position) else { throw .truncated("an ended series") }
            guard distance < UInt64(column.refs - ref) else { throw .malformed("an ended series is unknown") }
            ref += Int(distance)
            guard column.end(ref) else { throw .malformed("a series ends twice") }
            ended.append(UInt32(ref))
        }
        return ended
    }
}
