import MusterModel

/// One series of a request of 2.0 while it is read: labels_refs 1, samples 2, histograms 3, exemplars 4, metadata 5
/// and, in older senders, its created time 6; a sample has value 1, timestamp 2, start_timestamp 3; metadata has type
/// 1, help_ref 3, unit_ref 4. The arrays keep their memory from series to series.
struct RemoteWriteV2Series: Sendable {
    private struct MetadataReferences: Sendable {
        var type: UInt64 = 0
        var help: UInt64 = 0
        var unit: UInt64 = 0
    }

    struct Counts {
        var samples = 0
        var histograms = 0
        var exemplars = 0
    }

    /// A series that keeps the rules.
    struct Resolved {
        var metadata: RemoteWriteV2Walker.Metadata?
        /// How many bytes the labels take when they are spelled out.
        var labelBytes: Int
    }

    private(set) var samples: [Sample] = []
    private(set) var starts: [Int64] = []
    private var counts = Counts()
    private var references: [UInt32] = []
    private(set) var labels: [LabelRange] = []
    private var metadata: MetadataReferences?

    private static let rules = {
        var rules = LabelBytes.Rules()
        rules.isOrderRequired = true
        return rules
    }()

    mutating func read(_ bytes: Span<UInt8>, _ message: ProtobufReader) throws(ProtobufError) -> Counts {
        references.removeAll(keepingCapacity: true)
        samples.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        counts = Counts()
        metadata = nil
        var created: Int64 = 0
        var reader = message
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a:
                var packed = ProtobufReader(try reader.range(bytes))
                while packed.offset < packed.end { add(reference: try packed.varint(bytes)) }
            case 0x08: add(reference: try reader.varint(bytes))
            case 0x12: try readSample(bytes, reader.message(bytes))
            case 0x1a:
                _ = try reader.range(bytes)
                counts.histograms += 1
            case 0x22:
                _ = try reader.range(bytes)
                counts.exemplars += 1
            case 0x2a: metadata = try Self.readMetadata(bytes, reader.message(bytes))
            case 0x30: created = Int64(bitPattern: try reader.varint(bytes))
            default: try reader.skip(key, bytes, known: 1...6)
            }
        }
        if created != 0 {
            for index in starts.indices where starts[index] == 0 { starts[index] = created }
        }
        counts.samples = samples.count
        return counts
    }

    /// A few more than allowed are kept: enough to refuse the series.
    private mutating func add(reference: UInt64) {
        guard references.count < 2 * Self.rules.labels + 2 else { return }
        references.append(UInt32(exactly: reference) ?? .max)
    }

    private mutating func readSample(_ bytes: Span<UInt8>, _ message: ProtobufReader) throws(ProtobufError) {
        var reader = message
        var bits: UInt64 = 0
        var milliseconds: UInt64 = 0
        var start: UInt64 = 0
        while let key = try reader.key(bytes) {
            switch key {
            case 0x09: bits = try reader.fixed64(bytes)
            case 0x10: milliseconds = try reader.varint(bytes)
            case 0x18: start = try reader.varint(bytes)
            default: try reader.skip(key, bytes, known: 1...3)
            }
        }
        samples.append(Sample(milliseconds: Int64(bitPattern: milliseconds), value: Double(bitPattern: bits)))
        starts.append(Int64(bitPattern: start))
    }

    private static func readMetadata(
        _ bytes: Span<UInt8>, _ message: ProtobufReader
    ) throws(ProtobufError) -> MetadataReferences {
        var reader = message
        var found = MetadataReferences()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x08: found.type = try reader.varint(bytes)
            case 0x18: found.help = try reader.varint(bytes)
            case 0x20: found.unit = try reader.varint(bytes)
            default: try reader.skip(key, bytes)
            }
        }
        return found
    }

    // MARK: References

    /// Follows the references and holds the series to the rules.
    mutating func resolve(
        _ bytes: Span<UInt8>, _ symbols: SymbolTable
    ) throws(SeriesRefusal) -> Resolved {
        labels.removeAll(keepingCapacity: true)
        for index in stride(from: 0, to: references.count - 1, by: 2) {
            guard let name = symbols[UInt64(references[index])], let value = symbols[UInt64(references[index + 1])]
            else {
                throw outOfRange(max(references[index], references[index + 1]), bytes, symbols)
            }
            labels.append(LabelRange(name: name, value: value))
        }
        guard references.count.isMultiple(of: 2) else {
            throw refusal(
                .oddReferences, "labels_refs has \(references.count) entries, not name and value for each", bytes)
        }
        try LabelBytes.check(bytes, &labels, rules: Self.rules)
        guard symbols.broken.isEmpty || references.allSatisfy({ !symbols.broken.contains($0) }) else {
            throw refusal(.notUTF8, "a label is no UTF-8", bytes)
        }
        guard samples.isEmpty || counts.histograms == 0 else {
            throw refusal(
                .samplesAndHistograms, "it has samples and histograms, a series has one or the other", bytes)
        }
        var labelBytes = 0
        for label in labels {
            labelBytes &+= LabelBytes.encodedBytes(name: label.name.count, value: label.value.count).outer
        }
        guard let metadata else { return Resolved(metadata: nil, labelBytes: labelBytes) }
        guard let help = symbols[metadata.help], let unit = symbols[metadata.unit] else {
            throw outOfRange(UInt32(clamping: max(metadata.help, metadata.unit)), bytes, symbols)
        }
        let type = FamilyType(rawValue: Int(truncatingIfNeeded: metadata.type)) ?? .unknown
        return Resolved(
            metadata: RemoteWriteV2Walker.Metadata(type: type, help: help, unit: unit), labelBytes: labelBytes)
    }

    private func outOfRange(_ reference: UInt32, _ bytes: Span<UInt8>, _ symbols: SymbolTable) -> SeriesRefusal {
        refusal(.referenceOutOfRange, "it refers to symbol \(reference) of \(symbols.count)", bytes)
    }

    private func refusal(
        _ reason: SeriesRefusal.Reason, _ detail: String, _ bytes: Span<UInt8>
    ) -> SeriesRefusal {
        SeriesRefusal(reason, detail, series: LabelBytes.text(bytes, labels))
    }

    // MARK: Labels

    /// Spells the labels out from `start` on, where `labelBytes` of them have room; their texts are before that.
    static func spell(_ labels: [LabelRange], into bytes: inout [UInt8], at start: Int) {
        var output = bytes.mutableSpan
        var position = start
        for label in labels {
            let inner = LabelBytes.encodedBytes(name: label.name.count, value: label.value.count).inner
            write(0x0a, count: inner, to: &output, at: &position)
            write(0x0a, count: label.name.count, to: &output, at: &position)
            copy(label.name, within: &output, at: &position)
            write(0x12, count: label.value.count, to: &output, at: &position)
            copy(label.value, within: &output, at: &position)
        }
    }

    @inline(__always)
    private static func write(_ key: UInt8, count: Int, to output: inout MutableSpan<UInt8>, at position: inout Int) {
        output[position] = key
        position &+= 1
        var left = count
        while left >= 0x80 {
            output[position] = UInt8(truncatingIfNeeded: left) | 0x80
            position &+= 1
            left >>= 7
        }
        output[position] = UInt8(truncatingIfNeeded: left)
        position &+= 1
    }

    @inline(__always)
    private static func copy(_ range: Range<Int>, within output: inout MutableSpan<UInt8>, at position: inout Int) {
        for index in range {
            output[position] = output[index]
            position &+= 1
        }
    }
}
