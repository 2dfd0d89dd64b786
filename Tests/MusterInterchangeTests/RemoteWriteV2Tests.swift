import MusterInterchange
import MusterModel
import Testing

private let symbols = ["", "__name__", "up", "job", "api", "zone", "b"]

private func request(_ series: [UInt8]..., symbols: [String] = symbols) -> [UInt8] {
    symbols.flatMap { Wire.text(4, $0) } + series.flatMap { Wire.bytes(5, $0) }
}

private func references(_ numbers: UInt64...) -> [UInt8] { Wire.bytes(1, numbers.flatMap(Wire.varint)) }

private let good = references(1, 2) + Wire.sample(1, 1)

@Suite struct RemoteWrite2 {
    @Test func `symbols are followed, families and start times of counters kept`() throws {
        var walker = try RemoteWriteV2Walker(Fixtures.remoteWrite2)
        #expect(try walker.next())
        #expect(
            Array(walker.bytes[walker.labels]) == Wire.label("__name__", "up") + Wire.label("job", "api"))
        #expect(walker.samples == [Sample(milliseconds: 1_000, value: 1), Sample(milliseconds: 2_000, value: 2)])
        let metadata = try #require(walker.metadata)
        #expect(metadata.type == .gauge && walker.starts.isEmpty)
        #expect(String(decoding: walker.bytes[metadata.help], as: UTF8.self) == "Help of up")
        #expect(String(decoding: walker.bytes[metadata.unit], as: UTF8.self) == "seconds")
        #expect(try walker.next())
        #expect(walker.samples.isEmpty && walker.metadata == nil)
        #expect(try walker.next())
        #expect(walker.starts == [77] && walker.samples == [Sample(milliseconds: 3_000, value: 5)])
        #expect(Array(walker.bytes[walker.labels]) == Wire.label("__name__", "h"))
        #expect(try !walker.next())
        #expect(walker.tally.series == 3 && walker.tally.samples == 3)
        #expect(walker.tally.histograms == 1 && walker.tally.exemplars == 1)
    }

    @Test(
        arguments: [
            (references(1), .oddReferences), (references(1, 2, 3), .oddReferences),
            (references(1, 7), .referenceOutOfRange), (references(1, 1 << 40), .referenceOutOfRange),
            (references(), .noName), (references(3, 4), .noName), (references(0, 2), .emptyLabelName),
            (references(1, 0), .emptyLabelValue), (references(1, 2, 5, 6, 3, 4), .unsortedLabels),
            (references(3, 4, 1, 2), .unsortedLabels), (references(1, 2, 3, 4, 3, 6), .duplicateLabel),
            (references(1, 2) + Wire.bytes(3, []), .samplesAndHistograms),
            (references(1, 2) + Wire.bytes(5, Wire.number(3, 99)), .referenceOutOfRange),
            ((0..<65).flatMap { _ in references(1, 2) }, .tooManyLabels),
            ((0..<1_000).flatMap { _ in references(1, 2) }, .tooManyLabels),
        ] as [([UInt8], SeriesRefusal.Reason)])
    func `a series that breaks a rule is counted and the rest is stored`(
        fields: [UInt8], reason: SeriesRefusal.Reason
    ) throws {
        var walker = try RemoteWriteV2Walker(
            request(good, fields + Wire.sample(1, 1) + Wire.sample(2, 2), references(1, 2, 3, 4) + Wire.sample(3, 3)))
        let walked = try walk(&walker)
        #expect(walked.map(\.labels) == [["__name__": "up"], ["__name__": "up", "job": "api"]])
        #expect(walker.tally.refusals.counts == [reason: 1])
        #expect(walker.tally.refusedSamples == 2 && walker.tally.samples == 4)
        let answer = RemoteWriteAnswer(to: .v2, walker.tally, samplesWritten: 2)
        #expect(answer.status == 400 && answer.headers.map(\.value) == ["2", "0", "0"])
        #expect(answer.text.hasPrefix("1 series refused: series "))
    }

    @Test func `only a series that refers to a broken symbol is refused`() throws {
        let bytes = request(good, references(1, 7) + Wire.sample(1, 1), symbols: symbols)
        let broken =
            Array(bytes.prefix(symbols.flatMap { Wire.text(4, $0) }.count)) + Wire.bytes(4, [0xff])
            + Array(
                bytes.dropFirst(symbols.flatMap { Wire.text(4, $0) }.count))
        var walker = try RemoteWriteV2Walker(broken)
        #expect(try walk(&walker).map(\.labels) == [["__name__": "up"]])
        #expect(walker.tally.refusals.counts == [.notUTF8: 1])
    }

    @Test func `the limits of names and values hold`() throws {
        let long = [
            "", "__name__", "up", "big", String(repeating: "v", count: 65_536), String(repeating: "n", count: 257),
        ]
        var walker = try RemoteWriteV2Walker(request(references(1, 2, 3, 4), references(1, 2, 5, 2), symbols: long))
        #expect(try walk(&walker) == [])
        #expect(walker.tally.refusals.counts == [.labelValueTooLong: 1, .labelNameTooLong: 1])
        #expect(walker.tally.refusals.examples[0].description.hasPrefix("series up{big=\"vvv"))
    }

    @Test func `symbols may follow the series that use them`() throws {
        var walker = try RemoteWriteV2Walker(
            Wire.bytes(5, good) + symbols.flatMap { Wire.text(4, $0) })
        #expect(try walk(&walker).map(\.labels) == [["__name__": "up"]])
    }

    @Test func `a request of 1_0, a first symbol with a text and too many symbols are refused whole`() throws {
        #expect(throws: RemoteWriteError.otherVersion(.v1)) { try RemoteWriteV2Walker(Fixtures.remoteWrite1) }
        #expect(throws: RemoteWriteError.firstSymbolNotEmpty) {
            try RemoteWriteV2Walker(request(good, symbols: ["__name__", "up"]))
        }
        let many = [UInt8](repeating: 0x22, count: 1)
        var bytes: [UInt8] = []
        for _ in 0...InterchangeLimits.symbolsPerRequest { bytes += many + [0] }
        let error = #expect(throws: RemoteWriteError.self) { try RemoteWriteV2Walker(bytes) }
        #expect(error?.description.contains("symbolsPerRequest") == true)
        #expect(throws: RemoteWriteError.malformed(ProtobufError(.truncated, at: 2))) {
            try RemoteWriteV2Walker(hex("2205aa"))
        }
        var empty = try RemoteWriteV2Walker([])
        #expect(try walk(&empty) == [])
    }

    @Test func `no bytes make it trap`() {
        var generator = SplitMix(seed: 22)
        var outcomes = [0, 0, 0]
        for _ in 0..<100_000 {
            guard var walker = try? RemoteWriteV2Walker(mutated(Fixtures.remoteWrite2, &generator)) else {
                outcomes[0] += 1
                continue
            }
            let walked = try? walk(&walker)
            outcomes[walked == nil ? 1 : 2] += 1
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 })
    }
}

@Suite struct RemoteWriteVersions {
    private static let v2Type = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

    @Test(
        arguments: [
            ("application/x-protobuf", "snappy", "0.1.0", .v1), (nil, nil, nil, .v1), ("", "", "", .v1),
            ("Application/X-Protobuf", "SNAPPY", nil, .v1), (" \t application/x-protobuf\t ", " snappy ", " \t", .v1),
            ("application/x-protobuf;proto=prometheus.WriteRequest", "snappy", "0.1.0", .v1),
            (v2Type, "snappy", "2.0.0", .v2), (v2Type, "snappy", nil, .v2), (v2Type, "snappy", "nonsense", .v2),
            ("application/x-protobuf ; charset=x; proto = io.prometheus.write.v2.Request", "snappy", "2.0.0", .v2),
        ] as [(String?, String?, String?, RemoteWriteVersion)])
    func `headers name the version`(type: String?, encoding: String?, header: String?, expected: RemoteWriteVersion)
        throws
    {
        #expect(
            try RemoteWriteVersion.of(contentType: type, contentEncoding: encoding, versionHeader: header) == expected)
    }

    @Test(
        arguments: [
            ("application/json", "snappy", nil, "content type \"application/json\""),
            ("application/x-protobuf;proto=other.Message", "snappy", nil, "message \"other.Message\""),
            ("application/x-protobuf", "gzip", nil, "content encoding \"gzip\""),
            (v2Type, "zstd", "2.0.0", "content encoding \"zstd\""),
            ("application/x-protobuf", "snappy", "2.0.0", "contradict"), (v2Type, "snappy", "0.1.0", "contradict"),
        ] as [(String?, String?, String?, String)])
    func `what is not spoken is answered with 415 and a text`(
        type: String?, encoding: String?, header: String?, text: String
    ) {
        let refusal = #expect(throws: RemoteWriteRefusal.self) {
            try RemoteWriteVersion.of(contentType: type, contentEncoding: encoding, versionHeader: header)
        }
        #expect(refusal?.status == 415 && refusal?.text.contains(text) == true)
    }

    @Test func `a version's own headers name it`() throws {
        for version in [RemoteWriteVersion.v1, .v2] {
            #expect(
                try RemoteWriteVersion.of(
                    contentType: version.contentType, contentEncoding: "snappy", versionHeader: version.versionHeader)
                    == version)
        }
    }

    @Test func `an answer says what was written and what was not`() {
        var tally = RemoteWriteTally()
        tally.exemplars = 3
        let all = RemoteWriteAnswer(to: .v2, tally, samplesWritten: 7)
        #expect(all.status == 204 && all.text == "" && all.headers.map(\.value) == ["7", "0", "0"])
        #expect(RemoteWriteAnswer(to: .v1, tally, samplesWritten: 7).headers == [])
        tally.histograms = 2
        let some = RemoteWriteAnswer(to: .v1, tally, samplesWritten: 7, storeRefusals: "1 sample is too old")
        #expect(some.status == 400)
        #expect(some.text.hasPrefix("1 sample is too old\n2 native histograms not stored"))
    }
}

@Suite struct RemoteWriteEncoding {
    private static func series(_ generator: inout SplitMix) -> [SeriesSamples] {
        (0..<Int.random(in: 0...20, using: &generator)).map { index in
            var labels: Labels = ["__name__": "metric_\(index)"]
            for _ in 0..<Int.random(in: 0...10, using: &generator) {
                labels["l\(Int.random(in: 0...30, using: &generator))"] =
                    ["a", "é", String(repeating: "x", count: 200)].randomElement(using: &generator)
            }
            let samples = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                Sample(
                    milliseconds: Int64.random(in: .min...(.max), using: &generator),
                    value: Double(bitPattern: generator.next()))
            }
            return SeriesSamples(labels: labels, samples: samples)
        }
    }

    @Test func `what was encoded is decoded to the bit, in both versions`() throws {
        var generator = SplitMix(seed: 23)
        for _ in 0..<300 {
            let series = Self.series(&generator)
            var first = RemoteWriteV1Encoder()
            var second = RemoteWriteV2Encoder()
            for entry in series {
                first.add(entry)
                second.add(entry)
            }
            let expected = series.map { WalkedSeries(labels: $0.labels, samples: $0.samples) }
            var walker1 = RemoteWriteV1Walker(first.bytes)
            #expect(try walk(&walker1) == expected)
            var walker2 = try RemoteWriteV2Walker(second.bytes)
            #expect(try walk(&walker2) == expected)
        }
    }

    @Test func `the bytes are those the formats' definitions give`() {
        let values = SeriesSamples(labels: ["__name__": "up", "a": "up"], samples: [Sample(milliseconds: 9, value: 2)])
        let family = FamilyMetadata(name: "up", type: .stateSet, help: "H", unit: "")
        var first = RemoteWriteV1Encoder()
        first.add(values)
        first.add(family)
        #expect(
            first.bytes == Wire.bytes(1, Wire.label("__name__", "up") + Wire.label("a", "up") + Wire.sample(2, 9))
                + Wire.bytes(3, Wire.number(1, 7) + Wire.text(2, "up") + Wire.text(4, "H")))
        var second = RemoteWriteV2Encoder()
        second.add(values, starts: [5], family: family)
        let sample = Wire.bytes(
            2, Wire.fixed(1, (2.0).bitPattern) + Wire.number(2, 9) + Wire.number(3, 5))
        #expect(
            second.bytes == ["", "__name__", "up", "a", "H"].flatMap { Wire.text(4, $0) }
                + Wire.bytes(
                    5,
                    Wire.bytes(1, [1, 2, 3, 2]) + sample + Wire.bytes(5, Wire.number(1, 7) + Wire.number(3, 4))))
    }
}
