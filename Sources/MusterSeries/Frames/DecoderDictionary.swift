import MusterModel

/// What the coordinator was told about the series of an epoch.
struct DecoderDictionary: Sendable {
    private var strings: [String] = []
    private var stringBytes = 0
    private var families: [MetricFamily] = []
    private var starts: [Int64] = []

    /// Strings, families and starts. Answers the families that are new.
    mutating func readTables(
        _ bytes: Span<UInt8>, at position: inout Int
    ) throws(MetricFrameError) -> [MetricFamily] {
        try readStrings(bytes, at: &position)
        let known = families.count
        let count = try Self.count(bytes, at: &position, of: "families")
        guard count <= MetricFrame.refsPerEpoch - known else { throw .overLimit("refsPerEpoch") }
        for _ in 0..<count { families.append(try family(bytes, at: &position)) }
        let startCount = try Self.count(bytes, at: &position, of: "start times")
        guard startCount <= MetricFrame.refsPerEpoch - starts.count else { throw .overLimit("refsPerEpoch") }
        for _ in 0..<startCount {
            guard let start = Varint.read(bytes, at: &position) else { throw .truncated("a start time") }
            starts.append(Varint.unzigzag(start))
        }
        return Array(families[known...])
    }

    func readDefinitions(
        _ bytes: Span<UInt8>, at position: inout Int, nextRef: Int, liveCount: Int
    ) throws(MetricFrameError) -> [MetricTick.Definition] {
        let count = try Self.count(bytes, at: &position, of: "definitions")
        guard count <= Limits.seriesPerHost - liveCount else { throw .overLimit("seriesPerHost") }
        guard count <= MetricFrame.refsPerEpoch - nextRef else { throw .overLimit("refsPerEpoch") }
        var definitions: [MetricTick.Definition] = []
        definitions.reserveCapacity(count)
        for index in 0..<count {
            definitions.append(try definition(bytes, at: &position, ref: UInt32(nextRef + index)))
        }
        return definitions
    }

    /// A count of things that take at least one byte each, so it can be no larger than what is left.
    static func count(
        _ bytes: Span<UInt8>, at position: inout Int, of things: String
    ) throws(MetricFrameError) -> Int {
        guard let count = Varint.read(bytes, at: &position) else { throw .truncated("the number of \(things)") }
        guard count <= UInt64(bytes.count - position) else { throw .truncated("the \(things)") }
        return Int(count)
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

    private func family(_ bytes: Span<UInt8>, at position: inout Int) throws(MetricFrameError) -> MetricFamily {
        let name = try string(bytes, at: &position)
        guard position < bytes.count else { throw .truncated("a family") }
        guard let kind = MetricKind(rawValue: bytes[position]) else {
            throw .malformed("the kind of metric \(bytes[position]) is unknown")
        }
        position += 1
        let unit = try string(bytes, at: &position)
        return MetricFamily(name, kind, unit: unit, help: try string(bytes, at: &position))
    }

    private func definition(
        _ bytes: Span<UInt8>, at position: inout Int, ref: UInt32
    ) throws(MetricFrameError) -> MetricTick.Definition {
        guard let family = Varint.read(bytes, at: &position), let start = Varint.read(bytes, at: &position) else {
            throw .truncated("a definition")
        }
        guard family < UInt64(families.count) else { throw .malformed("a series names a family that was not sent") }
        guard start <= UInt64(starts.count) else { throw .malformed("a series names a start that was not sent") }
        let pairs = try Self.count(bytes, at: &position, of: "labels")
        guard pairs <= Limits.labelsPerSet else { throw .overLimit("labelsPerSet") }
        var labels: [(String, String)] = []
        let name = families[Int(family)].name
        if !name.isEmpty { labels.append((MetricSeries.nameLabel, name)) }
        for _ in 0..<pairs {
            let label = try string(bytes, at: &position)
            labels.append((label, try string(bytes, at: &position)))
        }
        let set = Labels(labels)
        guard set.count == labels.count else { throw .malformed("a series has two labels of one name") }
        if let limit = LabelLimits.firstBroken(by: set) { throw .overLimit(limit) }
        return MetricTick.Definition(
            ref: ref, labels: set, family: Int(family), startMilliseconds: start == 0 ? nil : starts[Int(start) - 1])
    }

    private func string(_ bytes: Span<UInt8>, at position: inout Int) throws(MetricFrameError) -> String {
        guard let index = Varint.read(bytes, at: &position) else { throw .truncated("a text") }
        guard index < UInt64(strings.count) else { throw .malformed("a text was not sent") }
        return strings[Int(index)]
    }
}
