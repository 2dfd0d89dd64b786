extension OTLPMetrics {
    /// Reads the JSON form: keys in lowerCamelCase only, unknown ones skipped, 64-bit numbers as texts or numbers,
    /// enums as numbers or names. Ids (hexadecimal there, unlike in other protobuf JSON) belong to exemplars, which are
    /// skipped.
    package init(json bytes: [UInt8]) throws(JSONError) {
        var reader = JSONReader(bytes)
        self.init()
        try reader.members { (reader, key) throws(JSONError) in
            guard key == "resourceMetrics" else { return try reader.skipValue() }
            try reader.elements { (reader) throws(JSONError) in resources.append(try OTLPJSON.resource(&reader)) }
        }
        try reader.end()
    }
}

enum OTLPJSON {
    static func resource(_ reader: inout JSONReader) throws(JSONError) -> OTLPMetrics.Resource {
        var value = OTLPMetrics.Resource()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "resource":
                try reader.members { (reader, key) throws(JSONError) in
                    guard key == "attributes" else { return try reader.skipValue() }
                    value.attributes = try attributes(&reader)
                }
            case "scopeMetrics":
                try reader.elements { (reader) throws(JSONError) in value.scopes.append(try scope(&reader)) }
            default: try reader.skipValue()
            }
        }
        return value
    }

    private static func scope(_ reader: inout JSONReader) throws(JSONError) -> OTLPMetrics.Scope {
        var value = OTLPMetrics.Scope()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "scope":
                try reader.members { (reader, key) throws(JSONError) in
                    switch key {
                    case "name": value.name = try reader.string()
                    case "version": value.version = try reader.string()
                    case "attributes": value.attributes = try attributes(&reader)
                    default: try reader.skipValue()
                    }
                }
            case "metrics":
                try reader.elements { (reader) throws(JSONError) in value.metrics.append(try metric(&reader)) }
            case "schemaUrl": value.schemaURL = try reader.string()
            default: try reader.skipValue()
            }
        }
        return value
    }

    private static func metric(_ reader: inout JSONReader) throws(JSONError) -> OTLPMetrics.Metric {
        var value = OTLPMetrics.Metric()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "name": value.name = try reader.string()
            case "description": value.description = try reader.string()
            case "unit": value.unit = try reader.string()
            case "gauge", "sum", "histogram", "exponentialHistogram", "summary":
                value.data = try data(&reader, kind: key)
            default: try reader.skipValue()
            }
        }
        return value
    }

    private static func data(_ reader: inout JSONReader, kind: String) throws(JSONError) -> OTLPMetrics.Data {
        var numbers: [OTLPMetrics.NumberPoint] = []
        var histograms: [OTLPMetrics.HistogramPoint] = []
        var summaries: [OTLPMetrics.SummaryPoint] = []
        var exponential = 0
        var temporality = OTLPMetrics.Temporality.unspecified
        var isMonotonic = false
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "dataPoints":
                try reader.elements { (reader) throws(JSONError) in
                    switch kind {
                    case "gauge", "sum": numbers.append(try number(&reader))
                    case "histogram": histograms.append(try histogram(&reader))
                    case "summary": summaries.append(try summary(&reader))
                    default:
                        try reader.skipValue()
                        exponential += 1
                    }
                }
            case "aggregationTemporality": temporality = try self.temporality(&reader)
            case "isMonotonic": isMonotonic = try reader.bool()
            default: try reader.skipValue()
            }
        }
        return switch kind {
        case "gauge": .gauge(numbers)
        case "sum": .sum(numbers, temporality, isMonotonic: isMonotonic)
        case "histogram": .histogram(histograms, temporality)
        case "summary": .summary(summaries)
        default: .exponentialHistogram(points: exponential)
        }
    }

    private static func temporality(_ reader: inout JSONReader) throws(JSONError) -> OTLPMetrics.Temporality {
        guard try reader.peek() == .string else {
            return OTLPMetrics.Temporality(rawValue: Int(try reader.signed())) ?? .unspecified
        }
        return OTLPMetrics.Temporality(name: try reader.string()) ?? .unspecified
    }

    // MARK: Points

    /// The keys every point has; false for another one, which is then still unread.
    private static func head(
        _ head: inout OTLPMetrics.Head, _ reader: inout JSONReader, _ key: String
    ) throws(JSONError) -> Bool {
        switch key {
        case "attributes": head.attributes = try attributes(&reader)
        case "startTimeUnixNano": head.start = try reader.unsigned()
        case "timeUnixNano": head.time = try reader.unsigned()
        case "flags": head.flags = try reader.unsigned()
        default: return false
        }
        return true
    }

    private static func number(_ reader: inout JSONReader) throws(JSONError) -> OTLPMetrics.NumberPoint {
        var point = OTLPMetrics.NumberPoint()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "asDouble": point.value = try reader.double()
            case "asInt": point.value = Double(try reader.signed())
            default: if try !head(&point.head, &reader, key) { try reader.skipValue() }
            }
        }
        return point
    }

    private static func histogram(_ reader: inout JSONReader) throws(JSONError) -> OTLPMetrics.HistogramPoint {
        var point = OTLPMetrics.HistogramPoint()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "count": point.count = try reader.unsigned()
            case "sum": point.sum = try reader.double()
            case "bucketCounts":
                try reader.elements(atMost: InterchangeLimits.histogramBuckets) { (reader) throws(JSONError) in
                    point.counts.append(try reader.unsigned())
                }
            case "explicitBounds":
                try reader.elements(atMost: InterchangeLimits.histogramBuckets) { (reader) throws(JSONError) in
                    point.bounds.append(try reader.double())
                }
            default: if try !head(&point.head, &reader, key) { try reader.skipValue() }
            }
        }
        return point
    }

    private static func summary(_ reader: inout JSONReader) throws(JSONError) -> OTLPMetrics.SummaryPoint {
        var point = OTLPMetrics.SummaryPoint()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "count": point.count = try reader.unsigned()
            case "sum": point.sum = try reader.double()
            case "quantileValues":
                try reader.elements(atMost: InterchangeLimits.histogramBuckets) { (reader) throws(JSONError) in
                    var quantile = OTLPMetrics.Quantile()
                    try reader.members { (reader, key) throws(JSONError) in
                        switch key {
                        case "quantile": quantile.quantile = try reader.double()
                        case "value": quantile.value = try reader.double()
                        default: try reader.skipValue()
                        }
                    }
                    point.quantiles.append(quantile)
                }
            default: if try !head(&point.head, &reader, key) { try reader.skipValue() }
            }
        }
        return point
    }

    // MARK: Attributes

    static func attributes(_ reader: inout JSONReader) throws(JSONError) -> [OTLPAttribute] {
        var attributes: [OTLPAttribute] = []
        try reader.elements(atMost: InterchangeLimits.attributes) { (reader) throws(JSONError) in
            var attribute = OTLPAttribute("", .none)
            try reader.members { (reader, key) throws(JSONError) in
                switch key {
                case "key": attribute.key = try reader.string()
                case "value": attribute.value = try value(&reader)
                default: try reader.skipValue()
                }
            }
            attributes.append(attribute)
        }
        return attributes
    }

    /// Nests as deep as the reader allows.
    static func value(_ reader: inout JSONReader) throws(JSONError) -> OTLPValue {
        var value = OTLPValue.none
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "stringValue": value = .string(try reader.string())
            case "boolValue": value = .bool(try reader.bool())
            case "intValue": value = .int(try reader.signed())
            case "doubleValue": value = .double(try reader.double())
            case "bytesValue": value = .bytes(try reader.string())
            case "arrayValue":
                var elements: [OTLPValue] = []
                try reader.members { (reader, key) throws(JSONError) in
                    guard key == "values" else { return try reader.skipValue() }
                    try reader.elements { (reader) throws(JSONError) in elements.append(try self.value(&reader)) }
                }
                value = .array(elements)
            case "kvlistValue":
                var members: [OTLPAttribute] = []
                try reader.members { (reader, key) throws(JSONError) in
                    guard key == "values" else { return try reader.skipValue() }
                    members = try attributes(&reader)
                }
                value = .map(members)
            default: try reader.skipValue()
            }
        }
        return value
    }
}

// MARK: - Protobuf's way of writing JSON

extension JSONReader {
    /// Calls for each member whose value is not null, which says the same as an absent one. Null is an empty object.
    mutating func members(
        _ body: (inout JSONReader, String) throws(JSONError) -> Void
    ) throws(JSONError) {
        if try null() { return }
        try beginObject()
        while let key = try nextKey() {
            if try null() { continue }
            try body(&self, key)
        }
    }

    mutating func elements(
        atMost limit: Int = .max, _ body: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        try beginArray()
        var count = 0
        while try nextElement() {
            guard count < limit else { throw JSONError("more than \(limit) elements", at: offset) }
            count += 1
            try body(&self)
        }
    }

    /// A number, or one in quotes.
    private mutating func numberText() throws(JSONError) -> String {
        try peek() == .string ? try string() : try number()
    }

    mutating func signed() throws(JSONError) -> Int64 {
        let start = offset
        let text = try numberText()
        if let value = Int64(text) { return value }
        // `1e3` and `5.0` are whole numbers too.
        guard let value = Double(text), let whole = DecimalNumber.whole(value) else {
            throw JSONError("no whole number of 64 bits", at: start)
        }
        return whole
    }

    mutating func unsigned() throws(JSONError) -> UInt64 {
        let start = offset
        let text = try numberText()
        if let value = UInt64(text) { return value }
        guard let value = Double(text), let whole = DecimalNumber.whole(value), whole >= 0 else {
            throw JSONError("no whole number of 64 bits", at: start)
        }
        return UInt64(whole)
    }

    mutating func double() throws(JSONError) -> Double {
        let start = offset
        let text = try numberText()
        switch text {
        case "NaN": return .nan
        case "Infinity": return .infinity
        case "-Infinity": return -.infinity
        default: break
        }
        let bytes = Array(text.utf8)
        guard let value = DecimalNumber.double(bytes.span, 0..<bytes.count) else {
            throw JSONError("no number", at: start)
        }
        return value
    }
}
