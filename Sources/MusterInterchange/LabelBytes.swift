package import MusterModel

/// Where name and value of one label are, in bytes the caller holds.
package struct LabelRange: Equatable, Sendable {
    package var name: Range<Int>
    package var value: Range<Int>

    package init(name: Range<Int>, value: Range<Int>) {
        self.name = name
        self.value = value
    }
}

/// The labels of a series as bytes: fields 1 of remote write 1.0's `TimeSeries`, one after the other. Sorted by name
/// they are the one key of a series, whatever format it came in.
///
/// `decode` is for series that are not known yet: it takes the labels apart and holds them to the rules. All places
/// are offsets in the bytes it was given.
package enum LabelBytes {
    /// The limits and rules of a set of labels, applied wherever one enters.
    package struct Rules: Sendable {
        package var labels = Limits.labelsPerSet
        package var nameBytes = Limits.labelNameBytes
        package var valueBytes = Limits.labelValueBytes
        /// Remote write 2.0 refuses labels out of order; 1.0, as Prometheus reads it, puts them in order.
        package var isOrderRequired = false

        package init() {}
    }

    private static let labelKey: UInt8 = 0x0a
    private static let nameKey: UInt8 = 0x0a
    private static let valueKey: UInt8 = 0x12

    /// Fills `labels`, sorted by the bytes of the names. Throws what the set breaks, naming the series.
    package static func decode(
        _ bytes: Span<UInt8>, _ range: Range<Int>, rules: Rules = Rules(), into labels: inout [LabelRange]
    ) throws(SeriesRefusal) {
        labels.removeAll(keepingCapacity: true)
        do throws(ProtobufError) {
            var reader = ProtobufReader(range)
            while let key = try reader.key(bytes) {
                guard key == 0x0a else {
                    try reader.skip(key, bytes, known: 1...1)
                    continue
                }
                labels.append(try label(bytes, &reader))
                // One more than allowed is enough to refuse, and bounds the memory.
                if labels.count > rules.labels { break }
            }
        } catch {
            throw SeriesRefusal(.malformedLabels, "\(error)", series: text(bytes, labels))
        }
        try check(bytes, &labels, rules: rules)
        for label in labels {
            guard isUTF8(bytes, label.name), isUTF8(bytes, label.value) else {
                throw refusal(.notUTF8, "a label is no UTF-8", bytes, labels)
            }
        }
    }

    private static func label(
        _ bytes: Span<UInt8>, _ reader: inout ProtobufReader
    ) throws(ProtobufError) -> LabelRange {
        var message = try reader.message(bytes)
        var label = LabelRange(name: message.offset..<message.offset, value: message.offset..<message.offset)
        while let key = try message.key(bytes) {
            switch key {
            case 0x0a: label.name = try message.range(bytes)
            case 0x12: label.value = try message.range(bytes)
            default: try message.skip(key, bytes, known: 1...2)
            }
        }
        return label
    }

    /// Holds a set to the rules and sorts it. Whether the texts are UTF-8 is left to the caller.
    package static func check(
        _ bytes: Span<UInt8>, _ labels: inout [LabelRange], rules: Rules = Rules()
    ) throws(SeriesRefusal) {
        guard labels.count <= rules.labels else {
            throw refusal(.tooManyLabels, "more than the \(rules.labels) labels allowed", bytes, labels)
        }
        for label in labels { try checkSize(bytes, label, labels, rules) }
        try checkOrder(bytes, &labels, rules)
        guard labels.contains(where: { isMetricName(bytes, $0.name) }) else {
            throw refusal(.noName, "no label __name__, so no metric name", bytes, labels)
        }
    }

    private static func checkSize(
        _ bytes: Span<UInt8>, _ label: LabelRange, _ labels: [LabelRange], _ rules: Rules
    ) throws(SeriesRefusal) {
        guard !label.name.isEmpty else { throw refusal(.emptyLabelName, "a label without a name", bytes, labels) }
        guard label.name.count <= rules.nameBytes else {
            throw refusal(
                .labelNameTooLong, "a label name of \(label.name.count) bytes, \(rules.nameBytes) are allowed", bytes,
                labels)
        }
        guard !label.value.isEmpty else {
            let name = text(bytes, label.name)
            throw refusal(.emptyLabelValue, "the label \(name) has no value; leave it out instead", bytes, labels)
        }
        guard label.value.count <= rules.valueBytes else {
            throw refusal(
                .labelValueTooLong,
                "the label \(text(bytes, label.name)) has a value of \(label.value.count) bytes, "
                    + "\(rules.valueBytes) are allowed",
                bytes,
                labels)
        }
    }

    private static func checkOrder(
        _ bytes: Span<UInt8>, _ labels: inout [LabelRange], _ rules: Rules
    ) throws(SeriesRefusal) {
        guard !isAscending(bytes, labels) else { return }
        let isSorted = zip(labels, labels.dropFirst()).allSatisfy { compare(bytes, $0.name, $1.name) <= 0 }
        if !isSorted {
            guard !rules.isOrderRequired else {
                throw refusal(.unsortedLabels, "the labels are not sorted by name", bytes, labels)
            }
            labels.sort { compare(bytes, $0.name, $1.name) < 0 }
        }
        guard !isAscending(bytes, labels) else { return }
        throw refusal(.duplicateLabel, "two labels of one name", bytes, labels)
    }

    private static func isAscending(_ bytes: Span<UInt8>, _ labels: [LabelRange]) -> Bool {
        for index in labels.indices.dropFirst()
        where compare(bytes, labels[index - 1].name, labels[index].name) >= 0 {
            return false
        }
        return true
    }

    /// Below 0, 0 or above 0, as the first bytes sort before, like or behind the second.
    static func compare(_ bytes: Span<UInt8>, _ a: Range<Int>, _ b: Range<Int>) -> Int {
        for offset in 0..<min(a.count, b.count) {
            let left = bytes[a.lowerBound &+ offset]
            let right = bytes[b.lowerBound &+ offset]
            if left != right { return Int(left) &- Int(right) }
        }
        return a.count &- b.count
    }

    static func isMetricName(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        guard name.count == 8 else { return false }
        let start = name.lowerBound
        return bytes[start] == 0x5f && bytes[start &+ 1] == 0x5f && bytes[start &+ 2] == 0x6e
            && bytes[start &+ 3] == 0x61 && bytes[start &+ 4] == 0x6d && bytes[start &+ 5] == 0x65
            && bytes[start &+ 6] == 0x5f && bytes[start &+ 7] == 0x5f
    }

    private static func isUTF8(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        (try? UTF8Span(validating: bytes.extracting(range))) != nil
    }

    private static func refusal(
        _ reason: SeriesRefusal.Reason, _ detail: String, _ bytes: Span<UInt8>, _ labels: [LabelRange]
    ) -> SeriesRefusal {
        SeriesRefusal(reason, detail, series: text(bytes, labels))
    }
}

// MARK: - From and to other forms

extension LabelBytes {
    /// The labels as the model has them. `labels` are checked ones.
    package static func labels(_ bytes: Span<UInt8>, _ labels: [LabelRange]) -> Labels {
        var pairs: [(String, String)] = []
        pairs.reserveCapacity(labels.count)
        for label in labels { pairs.append((text(bytes, label.name), text(bytes, label.value))) }
        return Labels(pairs)
    }

    package static func encode(_ labels: Labels) -> [UInt8] {
        var output: [UInt8] = []
        for label in labels.pairs { append(Array(label.name.utf8), Array(label.value.utf8), to: &output) }
        return output
    }

    /// The key of a set that was checked, hence sorted: the same bytes for the same series, however it was sent.
    package static func encode(_ bytes: Span<UInt8>, _ labels: [LabelRange]) -> [UInt8] {
        var output: [UInt8] = []
        for label in labels { append(Array(bytes, label.name), Array(bytes, label.value), to: &output) }
        return output
    }

    static func append(_ name: [UInt8], _ value: [UInt8], to output: inout [UInt8]) {
        output.append(labelKey)
        append(count: encodedBytes(name: name.count, value: value.count).inner, to: &output)
        output.append(nameKey)
        append(count: name.count, to: &output)
        output += name
        output.append(valueKey)
        append(count: value.count, to: &output)
        output += value
    }

    private static func append(count: Int, to output: inout [UInt8]) {
        var left = count
        while left >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        output.append(UInt8(truncatingIfNeeded: left))
    }

    /// How many bytes a label takes, within its message and with the head of it.
    @inline(__always)
    static func encodedBytes(name: Int, value: Int) -> (inner: Int, outer: Int) {
        let inner =
            2 &+ ProtobufWriter.varintBytes(UInt64(name)) &+ name &+ ProtobufWriter.varintBytes(UInt64(value))
            &+ value
        return (inner, 1 &+ ProtobufWriter.varintBytes(UInt64(inner)) &+ inner)
    }

    /// The series in Prometheus's spelling; what is no UTF-8 is repaired. Bounded, for messages to people.
    package static func text(_ bytes: Span<UInt8>, _ labels: [LabelRange]) -> String {
        var name = ""
        var rest: [String] = []
        var length = 0
        for label in labels where length <= InterchangeLimits.seriesNameBytes {
            let value = bytes.extracting(label.value).extracting(first: InterchangeLimits.seriesNameBytes)
            let spelled = String(decoding: Array(value, 0..<value.count), as: UTF8.self)
            let labelName = bytes.extracting(label.name).extracting(first: InterchangeLimits.seriesNameBytes)
            if isMetricName(bytes, label.name) {
                name = spelled
            } else {
                let key = String(decoding: Array(labelName, 0..<labelName.count), as: UTF8.self)
                rest.append("\(key)=\"\(Labels.escaped(spelled))\"")
            }
            length += labelName.count + value.count
        }
        return rest.isEmpty ? name : name + "{" + rest.joined(separator: ",") + "}"
    }

    private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        String(decoding: Array(bytes, range), as: UTF8.self)
    }
}

extension Array where Element == UInt8 {
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        self.init()
        reserveCapacity(range.count)
        for index in range { append(bytes[index]) }
    }
}
