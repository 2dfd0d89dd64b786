package import MusterModel

/// Builds a `prometheus.WriteRequest` for a receiver of remote write 1.0.
package struct RemoteWriteV1Encoder: Sendable {
    private var writer = ProtobufWriter()

    package init() {}

    package var bytes: [UInt8] { writer.bytes }

    /// `labels` in the form of `LabelBytes`, sorted by name. `starts` as in 2.0; other receivers read over them.
    package mutating func add(labels: [UInt8], samples: [Sample], starts: [Int64] = []) {
        writer.message(1) { series in
            series.append(labels)
            for (index, sample) in samples.enumerated() {
                series.sample(sample, start: index < starts.count ? starts[index] : 0)
            }
        }
    }

    package mutating func add(_ series: SeriesSamples) {
        add(labels: LabelBytes.encode(series.labels), samples: series.samples)
    }

    package mutating func add(_ family: FamilyMetadata) {
        writer.message(3) { message in
            message.varint(1, UInt64(family.type.rawValue))
            message.string(2, family.name)
            message.string(4, family.help)
            message.string(5, family.unit)
        }
    }
}

/// Builds an `io.prometheus.write.v2.Request` for a receiver of remote write 2.0.
package struct RemoteWriteV2Encoder: Sendable {
    private var symbols: [String: UInt32] = ["": 0]
    private var table = ProtobufWriter()
    private var series = ProtobufWriter()

    package init() { table.raw(4, []) }

    /// The request as it is so far.
    package var bytes: [UInt8] { table.bytes + series.bytes }

    /// `starts` says for each sample when its counter started (milliseconds, 0 for unknown), or is empty.
    package mutating func add(_ values: SeriesSamples, starts: [Int64] = [], family: FamilyMetadata? = nil) {
        var references = ProtobufWriter()
        for label in values.labels.pairs {
            references.rawVarint(UInt64(reference(label.name)))
            references.rawVarint(UInt64(reference(label.value)))
        }
        let help = family.map { reference($0.help) }
        let unit = family.map { reference($0.unit) }
        series.message(5) { message in
            message.raw(1, references.bytes)
            for (index, sample) in values.samples.enumerated() {
                message.sample(sample, start: index < starts.count ? starts[index] : 0)
            }
            guard let family else { return }
            message.message(5) { metadata in
                metadata.varint(1, UInt64(family.type.rawValue))
                metadata.varint(3, UInt64(help ?? 0))
                metadata.varint(4, UInt64(unit ?? 0))
            }
        }
    }

    private mutating func reference(_ text: String) -> UInt32 {
        if let known = symbols[text] { return known }
        let number = UInt32(symbols.count)
        symbols[text] = number
        table.raw(4, Array(text.utf8))
        return number
    }
}

extension ProtobufWriter {
    /// Both versions number value and time of a sample alike.
    fileprivate mutating func sample(_ sample: Sample, start: Int64 = 0) {
        message(2) { message in
            message.double(1, sample.value)
            message.varint(2, UInt64(bitPattern: sample.milliseconds))
            message.varint(3, UInt64(bitPattern: start))
        }
    }
}
