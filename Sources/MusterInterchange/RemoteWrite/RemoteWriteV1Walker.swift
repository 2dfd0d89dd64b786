package import MusterModel

/// Walks a `prometheus.WriteRequest`: series 1, metadata 3; in a series labels 1, samples 2, exemplars 3, histograms 4.
///
/// A sample has value 1, timestamp 2 and, here as in 2.0, its start 3: the log keeps translated exports in this form.
package struct RemoteWriteV1Walker: RemoteWriteWalker, Sendable {
    /// The request; behind it the labels of the current series when they do not stand together in it.
    package private(set) var bytes: [UInt8]
    package private(set) var labels = 0..<0
    package private(set) var samples: [Sample] = []
    package private(set) var starts: [Int64] = []
    package var tally = RemoteWriteTally()
    /// Families described so far.
    package private(set) var metadata: [FamilyMetadata] = []
    private var request: ProtobufReader
    private var hasFieldsOfV2 = false

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        request = ProtobufReader(0..<bytes.count)
    }

    package mutating func next() throws(RemoteWriteError) -> Bool {
        do throws(ProtobufError) {
            if try advance() { return true }
        } catch {
            throw .malformed(error)
        }
        guard !hasFieldsOfV2 || tally.series > 0 || !metadata.isEmpty else { throw .otherVersion(.v2) }
        return false
    }

    /// The fields of a request up to the next series. Everything the loops below change is local to them: a field of
    /// `self` would be kept in memory and its exclusivity checked, for every byte.
    private mutating func advance() throws(ProtobufError) -> Bool {
        if bytes.count > request.end { bytes.removeLast(bytes.count - request.end) }
        var reader = request
        var isOfV2 = hasFieldsOfV2
        defer { hasFieldsOfV2 = isOfV2 }
        while true {
            switch try Self.nextMessage(bytes.span, &reader, &isOfV2) {
            case .series(let message):
                request = reader
                try readSeries(message)
                return true
            case .family(let message): try readMetadata(message)
            case nil:
                request = reader
                return false
            }
        }
    }

    private enum Message {
        case series(ProtobufReader)
        case family(ProtobufReader)
    }

    @inline(__always)
    private static func nextMessage(
        _ bytes: Span<UInt8>, _ request: inout ProtobufReader, _ hasFieldsOfV2: inout Bool
    ) throws(ProtobufError) -> Message? {
        while let key = try request.key(bytes) {
            switch key {
            case 0x0a: return .series(try request.message(bytes))
            case 0x1a: return .family(try request.message(bytes))
            default:
                if key >> 3 == 4 || key >> 3 == 5 { hasFieldsOfV2 = true }
                let isKnown = key >> 3 == 1 || key >> 3 == 3
                try request.skip(key, bytes, known: isKnown ? key >> 3...key >> 3 : 0...0)
            }
        }
        return nil
    }

    /// Where the labels of a series are, and what else it has besides samples.
    private struct Outline {
        var labels: Range<Int>
        var isInterleaved = false
        var exemplars = 0
        var histograms = 0

        @inline(__always)
        mutating func add(_ fields: Range<Int>) {
            if labels.isEmpty || labels.upperBound == fields.lowerBound {
                labels = (labels.isEmpty ? fields.lowerBound : labels.lowerBound)..<fields.upperBound
            } else if !fields.isEmpty {
                isInterleaved = true
            }
        }
    }

    private mutating func readSeries(_ message: ProtobufReader) throws(ProtobufError) {
        var read: [Sample] = []
        swap(&read, &samples)
        read.removeAll(keepingCapacity: true)
        var said: [Int64] = []
        let outline = try Self.outline(bytes.span, message, &read, &said)
        starts = said
        swap(&read, &samples)
        labels = outline.isInterleaved ? try gatherLabels(message) : outline.labels
        tally.series &+= 1
        tally.samples &+= samples.count
        tally.exemplars &+= outline.exemplars
        tally.histograms &+= outline.histograms
    }

    private static func outline(
        _ bytes: Span<UInt8>, _ message: ProtobufReader, _ samples: inout [Sample], _ starts: inout [Int64]
    ) throws(ProtobufError) -> Outline {
        var reader = message
        var outline = Outline(labels: reader.offset..<reader.offset)
        while true {
            let start = reader.offset
            reader.skipRun(of: 0x0a, bytes)
            outline.add(start..<reader.offset)
            let field = reader.offset
            guard let key = try reader.key(bytes) else { return outline }
            switch key {
            case 0x0a:
                _ = try reader.range(bytes)
                outline.add(field..<reader.offset)
            case 0x12:
                let (sample, start) = try sample(bytes, &reader)
                if start != 0 {
                    while starts.count < samples.count { starts.append(0) }
                    starts.append(start)
                }
                samples.append(sample)
            case 0x1a:
                _ = try reader.range(bytes)
                outline.exemplars &+= 1
            case 0x22:
                _ = try reader.range(bytes)
                outline.histograms &+= 1
            default: try reader.skip(key, bytes, known: 1...4)
            }
        }
    }

    @inline(__always)
    private static func sample(
        _ bytes: Span<UInt8>, _ reader: inout ProtobufReader
    ) throws(ProtobufError) -> (Sample, start: Int64) {
        var message = try reader.message(bytes)
        var bits: UInt64 = 0
        var milliseconds: UInt64 = 0
        var start: UInt64 = 0
        while let key = try message.key(bytes) {
            switch key {
            case 0x09: bits = try message.fixed64(bytes)
            case 0x10: milliseconds = try message.varint(bytes)
            case 0x18: start = try message.varint(bytes)
            default: try message.skip(key, bytes, known: 1...3)
            }
        }
        return (
            Sample(milliseconds: Int64(bitPattern: milliseconds), value: Double(bitPattern: bits)),
            Int64(bitPattern: start)
        )
    }

    /// Labels with other fields between them are copied together behind the request.
    private mutating func gatherLabels(_ message: ProtobufReader) throws(ProtobufError) -> Range<Int> {
        var reader = message
        while true {
            let start = reader.offset
            guard let key = try reader.key(bytes.span) else { return request.end..<bytes.count }
            try reader.skip(key, bytes.span)
            guard key == 0x0a else { continue }
            for index in start..<reader.offset { bytes.append(bytes[index]) }
        }
    }

    private mutating func readMetadata(_ message: ProtobufReader) throws(ProtobufError) {
        var reader = message
        var family = FamilyMetadata(name: "", type: .unknown)
        while let key = try reader.key(bytes.span) {
            switch key {
            case 0x08:
                family.type = FamilyType(rawValue: Int(truncatingIfNeeded: try reader.varint(bytes.span))) ?? .unknown
            case 0x12: family.name = try reader.string(bytes.span)
            case 0x22: family.help = try reader.string(bytes.span).prefix(utf8: InterchangeLimits.helpBytes)
            case 0x2a: family.unit = try reader.string(bytes.span).prefix(utf8: InterchangeLimits.helpBytes)
            default: try reader.skip(key, bytes.span)
            }
        }
        guard !family.name.isEmpty else { return }
        guard metadata.count < InterchangeLimits.familiesPerRequest else {
            tally.familiesLeftOut += 1
            return
        }
        metadata.append(family)
    }
}

extension String {
    /// At most so many bytes; a character that is cut is left out.
    func prefix(utf8 limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: limit)
        while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
