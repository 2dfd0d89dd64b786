extension OTLPMetrics {
    /// Reads an `ExportMetricsServiceRequest`. Field numbers are those of opentelemetry-proto 1.x.
    package init(protobuf bytes: [UInt8]) throws(ProtobufError) {
        let span = bytes.span
        self = try OTLPProtobuf.request(span, ProtobufReader(0..<span.count))
    }
}

/// One function for each message. Unknown fields are stepped over, a known one in a wrong wire type is an error.
enum OTLPProtobuf {
    typealias Bytes = Span<UInt8>

    static func request(_ bytes: Bytes, _ message: ProtobufReader) throws(ProtobufError) -> OTLPMetrics {
        var reader = message
        var value = OTLPMetrics()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: value.resources.append(try resource(bytes, reader.message(bytes)))
            default: try reader.skip(key, bytes, known: 1...1)
            }
        }
        return value
    }

    private static func resource(
        _ bytes: Bytes, _ message: ProtobufReader
    ) throws(ProtobufError) -> OTLPMetrics.Resource {
        var reader = message
        var value = OTLPMetrics.Resource()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a:
                var inner = try reader.message(bytes)
                while let key = try inner.key(bytes) {
                    switch key {
                    case 0x0a: try attribute(bytes, inner.message(bytes), into: &value.attributes)
                    default: try inner.skip(key, bytes, known: 1...1)
                    }
                }
            case 0x12: value.scopes.append(try scope(bytes, reader.message(bytes)))
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        return value
    }

    private static func scope(_ bytes: Bytes, _ message: ProtobufReader) throws(ProtobufError) -> OTLPMetrics.Scope {
        var reader = message
        var value = OTLPMetrics.Scope()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a:
                var inner = try reader.message(bytes)
                while let key = try inner.key(bytes) {
                    switch key {
                    case 0x0a: value.name = try inner.string(bytes)
                    case 0x12: value.version = try inner.string(bytes)
                    case 0x1a: try attribute(bytes, inner.message(bytes), into: &value.attributes)
                    default: try inner.skip(key, bytes, known: 1...3)
                    }
                }
            case 0x12: value.metrics.append(try metric(bytes, reader.message(bytes)))
            case 0x1a: value.schemaURL = try reader.string(bytes)
            default: try reader.skip(key, bytes, known: 1...3)
            }
        }
        return value
    }

    private static func metric(
        _ bytes: Bytes, _ message: ProtobufReader
    ) throws(ProtobufError) -> OTLPMetrics.Metric {
        var reader = message
        var value = OTLPMetrics.Metric()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: value.name = try reader.string(bytes)
            case 0x12: value.description = try reader.string(bytes)
            case 0x1a: value.unit = try reader.string(bytes)
            case 0x2a, 0x3a, 0x4a, 0x52, 0x5a:
                value.data = try data(bytes, reader.message(bytes), field: key >> 3)
            default: try reader.skip(key, bytes, known: 1...3)
            }
        }
        return value
    }

    /// The five kinds number their points 1, their temporality 2 and whether they only grow 3.
    private static func data(
        _ bytes: Bytes, _ message: ProtobufReader, field: UInt32
    ) throws(ProtobufError) -> OTLPMetrics.Data {
        var reader = message
        var numbers: [OTLPMetrics.NumberPoint] = []
        var histograms: [OTLPMetrics.HistogramPoint] = []
        var summaries: [OTLPMetrics.SummaryPoint] = []
        var exponential = 0
        var temporality = OTLPMetrics.Temporality.unspecified
        var isMonotonic = false
        while let key = try reader.key(bytes) {
            switch (key, field) {
            case (0x0a, 5), (0x0a, 7): numbers.append(try number(bytes, reader.message(bytes)))
            case (0x0a, 9): histograms.append(try histogram(bytes, reader.message(bytes)))
            case (0x0a, 11): summaries.append(try summary(bytes, reader.message(bytes)))
            case (0x0a, _):
                _ = try reader.range(bytes)
                exponential += 1
            case (0x10, 7), (0x10, 9):
                let raw = try reader.varint(bytes)
                temporality = OTLPMetrics.Temporality(rawValue: Int(truncatingIfNeeded: raw)) ?? .unspecified
            case (0x18, 7): isMonotonic = try reader.varint(bytes) != 0
            default: try reader.skip(key, bytes, known: 1...1)
            }
        }
        return switch field {
        case 5: .gauge(numbers)
        case 7: .sum(numbers, temporality, isMonotonic: isMonotonic)
        case 9: .histogram(histograms, temporality)
        case 11: .summary(summaries)
        default: .exponentialHistogram(points: exponential)
        }
    }

    private static func number(
        _ bytes: Bytes, _ message: ProtobufReader
    ) throws(ProtobufError) -> OTLPMetrics.NumberPoint {
        var reader = message
        var point = OTLPMetrics.NumberPoint()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x3a: try attribute(bytes, reader.message(bytes), into: &point.head.attributes)
            case 0x11: point.head.start = try reader.fixed64(bytes)
            case 0x19: point.head.time = try reader.fixed64(bytes)
            case 0x21: point.value = try reader.double(bytes)
            case 0x31: point.value = Double(Int64(bitPattern: try reader.fixed64(bytes)))
            case 0x40: point.head.flags = try reader.varint(bytes)
            default: try reader.skip(key, bytes, known: 2...4)
            }
        }
        return point
    }

    private static func histogram(
        _ bytes: Bytes, _ message: ProtobufReader
    ) throws(ProtobufError) -> OTLPMetrics.HistogramPoint {
        var reader = message
        var point = OTLPMetrics.HistogramPoint()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x4a: try attribute(bytes, reader.message(bytes), into: &point.head.attributes)
            case 0x11: point.head.start = try reader.fixed64(bytes)
            case 0x19: point.head.time = try reader.fixed64(bytes)
            case 0x21: point.count = try reader.fixed64(bytes)
            case 0x29: point.sum = try reader.double(bytes)
            case 0x31, 0x32: try packed(bytes, &reader, key) { point.counts.append($0) }
            case 0x39, 0x3a: try packed(bytes, &reader, key) { point.bounds.append(Double(bitPattern: $0)) }
            case 0x50: point.head.flags = try reader.varint(bytes)
            default: try reader.skip(key, bytes, known: 2...7)
            }
            let buckets = InterchangeLimits.histogramBuckets
            guard point.counts.count <= buckets, point.bounds.count <= buckets else {
                throw ProtobufError(.overLimit("histogramBuckets (\(buckets))"), at: reader.offset)
            }
        }
        return point
    }

    /// Repeated 64-bit numbers, in one field or each in its own. Takes a few more than the limit at most: the length of
    /// the field is checked first.
    private static func packed(
        _ bytes: Bytes, _ reader: inout ProtobufReader, _ key: UInt32, _ append: (UInt64) -> Void
    ) throws(ProtobufError) {
        guard key & 7 == 2 else { return append(try reader.fixed64(bytes)) }
        var inner = ProtobufReader(try reader.range(bytes))
        guard inner.end - inner.offset <= 8 * InterchangeLimits.histogramBuckets else {
            throw ProtobufError(
                .overLimit("histogramBuckets (\(InterchangeLimits.histogramBuckets))"), at: inner.offset)
        }
        while inner.offset < inner.end { append(try inner.fixed64(bytes)) }
    }

    private static func summary(
        _ bytes: Bytes, _ message: ProtobufReader
    ) throws(ProtobufError) -> OTLPMetrics.SummaryPoint {
        var reader = message
        var point = OTLPMetrics.SummaryPoint()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x3a: try attribute(bytes, reader.message(bytes), into: &point.head.attributes)
            case 0x11: point.head.start = try reader.fixed64(bytes)
            case 0x19: point.head.time = try reader.fixed64(bytes)
            case 0x21: point.count = try reader.fixed64(bytes)
            case 0x29: point.sum = try reader.double(bytes)
            case 0x32: point.quantiles.append(try quantile(bytes, reader.message(bytes)))
            case 0x40: point.head.flags = try reader.varint(bytes)
            default: try reader.skip(key, bytes, known: 2...8)
            }
            guard point.quantiles.count <= InterchangeLimits.histogramBuckets else {
                throw ProtobufError(
                    .overLimit("histogramBuckets (\(InterchangeLimits.histogramBuckets))"), at: reader.offset)
            }
        }
        return point
    }

    private static func quantile(
        _ bytes: Bytes, _ message: ProtobufReader
    ) throws(ProtobufError) -> OTLPMetrics.Quantile {
        var reader = message
        var quantile = OTLPMetrics.Quantile()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x09: quantile.quantile = try reader.double(bytes)
            case 0x11: quantile.value = try reader.double(bytes)
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        return quantile
    }

    // MARK: Attributes

    static func attribute(
        _ bytes: Bytes, _ message: ProtobufReader, into attributes: inout [OTLPAttribute]
    ) throws(ProtobufError) {
        guard attributes.count < InterchangeLimits.attributes else {
            throw ProtobufError(.overLimit("attributes (\(InterchangeLimits.attributes))"), at: message.offset)
        }
        var reader = message
        var attribute = OTLPAttribute("", .none)
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: attribute.key = try reader.string(bytes)
            case 0x12: attribute.value = try value(bytes, reader.message(bytes))
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        attributes.append(attribute)
    }

    /// The only message within itself; the reader bounds how often.
    static func value(_ bytes: Bytes, _ message: ProtobufReader) throws(ProtobufError) -> OTLPValue {
        var reader = message
        var value = OTLPValue.none
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: value = .string(try reader.string(bytes))
            case 0x10: value = .bool(try reader.varint(bytes) != 0)
            case 0x18: value = .int(Int64(bitPattern: try reader.varint(bytes)))
            case 0x21: value = .double(try reader.double(bytes))
            case 0x2a: value = .array(try array(bytes, reader.message(bytes)))
            case 0x32: value = .map(try map(bytes, reader.message(bytes)))
            case 0x3a: value = .bytes(Base64.encode(Array(bytes, try reader.range(bytes))))
            default: try reader.skip(key, bytes, known: 1...7)
            }
        }
        return value
    }

    private static func array(_ bytes: Bytes, _ message: ProtobufReader) throws(ProtobufError) -> [OTLPValue] {
        var reader = message
        var elements: [OTLPValue] = []
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: elements.append(try value(bytes, reader.message(bytes)))
            default: try reader.skip(key, bytes, known: 1...1)
            }
        }
        return elements
    }

    private static func map(_ bytes: Bytes, _ message: ProtobufReader) throws(ProtobufError) -> [OTLPAttribute] {
        var reader = message
        var members: [OTLPAttribute] = []
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: try attribute(bytes, reader.message(bytes), into: &members)
            default: try reader.skip(key, bytes, known: 1...1)
            }
        }
        return members
    }
}
