package import MusterModel

/// What one frame says, in the order in which it holds: definitions, ends, samples.
package struct MetricTick: Equatable, Sendable {
    package struct Definition: Equatable, Sendable {
        package var ref: Int
        package var labels: Labels
    }

    package struct Value: Equatable, Sendable {
        package var ref: Int
        package var bitPattern: UInt64

        package var value: Double { Double(bitPattern: bitPattern) }
    }

    /// Refs start over: what an earlier frame defined and this tick does not define again has ended.
    package var isKeyframe: Bool
    /// False when the next frame continues this tick.
    package var isComplete: Bool
    package var milliseconds: Int64
    package var definitions: [Definition]
    package var ended: [Int]
    package var values: [Value]
}

/// Reads the frames of one (host, boot), in the order of their sequences and each once. No bytes make it trap.
package struct MetricFrameDecoder: Sendable {
    private struct Expected: Sendable {
        var epoch: UInt32
        var index: UInt32
    }

    private let compressor: any Compressor
    /// Nil until a keyframe was read, and after a frame that could not be.
    private var expected: Expected?
    private var strings: [String] = []
    private var stringBytes = 0
    private var nextRef = 0
    /// Refs without an end, ascending.
    private var live: [Int] = []
    /// The bit pattern read last, by ref.
    private var values: [UInt64] = []

    package init(compressor: any Compressor) { self.compressor = compressor }

    package var liveSeries: Int { live.count }

    /// After an error the decoder waits for the next keyframe.
    package mutating func decode(_ payload: [UInt8]) throws(MetricFrameError) -> MetricTick {
        try decode(payload[...])
    }

    package mutating func decode(_ payload: ArraySlice<UInt8>) throws(MetricFrameError) -> MetricTick {
        let before = expected
        expected = nil
        let header = try MetricFrame.Header(payload)
        if header.flags.contains(.keyframe) {
            reset()
        } else if before?.epoch != header.epoch || before?.index != header.index {
            throw .needsKeyframe(epoch: header.epoch, index: header.index)
        }
        var body = Array(payload.dropFirst(MetricFrame.headerBytes))
        if header.flags.contains(.deflated) {
            do throws(CompressionError) {
                body = try compressor.inflate(body[...], maxBytes: Limits.inflatedBytes)
            } catch {
                throw .compression(error)
            }
        }
        let tick = try read(body.span, header: header)
        let (next, overflow) = header.index.addingReportingOverflow(1)
        expected = overflow ? nil : Expected(epoch: header.epoch, index: next)
        return tick
    }

    private mutating func reset() {
        strings = []
        stringBytes = 0
        nextRef = 0
        live = []
        values = []
    }

    private mutating func read(
        _ bytes: Span<UInt8>, header: MetricFrame.Header
    ) throws(MetricFrameError) -> MetricTick {
        var position = 0
        try readStrings(bytes, at: &position)
        let definitions = try readDefinitions(bytes, at: &position)
        let ended = try readEnded(bytes, at: &position)
        let refs = try readPresence(bytes, at: &position, isAll: header.flags.contains(.allPresent))
        var present = refs.map { values[$0] }
        var span = present.mutableSpan
        try ValueColumn.read(bytes, at: &position, values: &span)
        guard position == bytes.count else { throw .malformed("\(bytes.count - position) bytes follow its end") }
        var samples: [MetricTick.Value] = []
        samples.reserveCapacity(refs.count)
        for (index, ref) in refs.enumerated() {
            values[ref] = present[index]
            samples.append(MetricTick.Value(ref: ref, bitPattern: present[index]))
        }
        return MetricTick(
            isKeyframe: header.flags.contains(.keyframe), isComplete: !header.flags.contains(.continues),
            milliseconds: header.milliseconds, definitions: definitions, ended: ended, values: samples)
    }

    private mutating func readStrings(_ bytes: Span<UInt8>, at position: inout Int) throws(MetricFrameError) {
        let count = try Self.count(bytes, at: &position, of: "strings")
        guard count <= MetricFrame.stringsPerEpoch - strings.count else { throw .overLimit("stringsPerEpoch") }
        for _ in 0..<count {
            let length = try Self.count(bytes, at: &position, of: "string bytes")
            guard length <= Limits.labelValueBytes else { throw .overLimit("labelValueBytes") }
            guard length <= MetricFrame.stringBytesPerEpoch - stringBytes else {
                throw .overLimit("stringBytesPerEpoch")
            }
            var text: [UInt8] = []
            text.reserveCapacity(length)
            for offset in 0..<length { text.append(bytes[position + offset]) }
            position += length
            guard let string = String(validating: text, as: UTF8.self) else { throw .malformed("a string is no UTF-8") }
            strings.append(string)
            stringBytes += length
        }
    }

    private mutating func readDefinitions(
        _ bytes: Span<UInt8>, at position: inout Int
    ) throws(MetricFrameError) -> [MetricTick.Definition] {
        let count = try Self.count(bytes, at: &position, of: "definitions")
        guard count <= Limits.seriesPerHost - live.count else { throw .overLimit("seriesPerHost") }
        guard count <= MetricFrame.refsPerEpoch - nextRef else { throw .overLimit("refsPerEpoch") }
        var definitions: [MetricTick.Definition] = []
        definitions.reserveCapacity(count)
        for _ in 0..<count {
            let pairs = try Self.count(bytes, at: &position, of: "labels")
            guard pairs <= Limits.labelsPerSet else { throw .overLimit("labelsPerSet") }
            var labels: [(String, String)] = []
            for _ in 0..<pairs {
                let name = try string(bytes, at: &position)
                labels.append((name, try string(bytes, at: &position)))
            }
            let set = Labels(labels)
            guard set.count == pairs else { throw .malformed("a series has two labels of one name") }
            if let limit = LabelLimits.firstBroken(by: set) { throw .overLimit(limit) }
            definitions.append(MetricTick.Definition(ref: nextRef, labels: set))
            live.append(nextRef)
            values.append(0)
            nextRef += 1
        }
        return definitions
    }

    private mutating func readEnded(
        _ bytes: Span<UInt8>, at position: inout Int
    ) throws(MetricFrameError) -> [Int] {
        let count = try Self.count(bytes, at: &position, of: "ended series")
        var ended: [Int] = []
        var ref = 0
        for index in 0..<count {
            guard let distance = Varint.read(bytes, at: &position) else { throw .truncated("an ended series") }
            guard distance < UInt64(nextRef - ref), index == 0 || distance > 0 else {
                throw .malformed("an ended series is unknown")
            }
            ref += Int(distance)
            ended.append(ref)
        }
        let before = live.count
        live.removeAll(ascending: ended)
        guard before - live.count == ended.count else { throw .malformed("a series ends twice") }
        return ended
    }

    /// The refs that have a value in this frame.
    private func readPresence(
        _ bytes: Span<UInt8>, at position: inout Int, isAll: Bool
    ) throws(MetricFrameError) -> [Int] {
        if isAll { return live }
        let start = position
        let present = try ValueColumn.bitmap(
            bytes, at: &position, count: live.count, name: "the bitmap of present values")
        var refs: [Int] = []
        refs.reserveCapacity(present)
        for (index, ref) in live.enumerated() where ValueColumn.isSet(bytes, start, index) { refs.append(ref) }
        return refs
    }

    private func string(_ bytes: Span<UInt8>, at position: inout Int) throws(MetricFrameError) -> String {
        guard let index = Varint.read(bytes, at: &position) else { throw .truncated("a label") }
        guard index < UInt64(strings.count) else { throw .malformed("a label names a string that was not sent") }
        return strings[Int(index)]
    }

    /// A count of things that take at least one byte each, so it can be no larger than what is left.
    private static func count(
        _ bytes: Span<UInt8>, at position: inout Int, of things: String
    ) throws(MetricFrameError) -> Int {
        guard let count = Varint.read(bytes, at: &position) else { throw .truncated("the number of \(things)") }
        guard count <= UInt64(bytes.count - position) else { throw .truncated("the \(things)") }
        return Int(count)
    }
}
