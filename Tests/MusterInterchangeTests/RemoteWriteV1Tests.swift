import MusterInterchange
import MusterModel
import MusterSnappy
import Testing

private func request(_ series: [UInt8]...) -> [UInt8] { series.flatMap { Wire.bytes(1, $0) } }

/// The refusal of a series with these labels.
private func refusal(_ labels: [(String, String)]) throws -> SeriesRefusal? {
    var walker = RemoteWriteV1Walker(
        request(labels.flatMap { Wire.label($0.0, $0.1) } + Wire.sample(1, 1), Wire.label("__name__", "ok")))
    let walked = try walk(&walker)
    #expect(walked.map(\.labels) == [["__name__": "ok"]])
    #expect(walker.tally.refusals.total == 1 && walker.tally.refusedSamples == 1)
    return walker.tally.refusals.examples.first
}

@Suite struct RemoteWrite1 {
    @Test func `series, samples, families and what is not stored are told apart`() throws {
        var walker = RemoteWriteV1Walker(Fixtures.remoteWrite1)
        let walked = try walk(&walker)
        #expect(
            walked == [
                WalkedSeries(
                    labels: ["__name__": "up", "job": "api"],
                    samples: [
                        Sample(milliseconds: 1_000, value: 1), Sample(milliseconds: 1_001, value: -0.0),
                        Sample(milliseconds: 1_002, value: 9_007_199_254_740_992),
                        Sample(milliseconds: 1_003, value: StaleMarker.value),
                        Sample(milliseconds: -5, value: .infinity),
                    ]),
                WalkedSeries(labels: ["__name__": "h"], samples: []),
                WalkedSeries(
                    labels: ["__name__": "mixed", "area": "a", "zone": "b"],
                    samples: [Sample(milliseconds: 2_000, value: 7)]),
            ])
        #expect(walker.tally.series == 3 && walker.tally.samples == 6)
        #expect(walker.tally.exemplars == 1 && walker.tally.histograms == 2)
        #expect(
            walker.metadata == [
                FamilyMetadata(name: "up", type: .counter, help: "Is it \"up\"?\n", unit: "seconds")
            ])
    }

    @Test func `what Prometheus sends is read to the bit`() throws {
        var walker = RemoteWriteV1Walker(try Snappy.uncompress(Fixtures.capturedSamples, limit: 1_716))
        let walked = try walk(&walker)
        #expect(walked.count == 14)
        #expect(
            walked[0].labels == [
                "__name__": "demo_requests_total", "cluster": "muster-test", "code": "200",
                "instance": "127.0.0.1:19871",
                "job": "demo", "path": "/a\"b",
            ])
        let bits: [UInt64] = [
            0x4090_0c00_0000_0000, 0xbfe0_0000_0000_0000, 0x3ff0_0000_0000_0000, 0x3f57_0f2a_034d_812c,
            0x4000_0000_0000_0000, 0x4000_0000_0000_0000, 0,
        ]
        #expect(walked.prefix(7).map(\.samples.first?.value.bitPattern) == bits)
        #expect(walked.prefix(7).allSatisfy { $0.samples.map(\.milliseconds) == [1_795_647_294_351] })
        #expect(walked[10].samples.first?.value.bitPattern == 0x3f5b_75a5_2648_46c9)
        var families = RemoteWriteV1Walker(try Snappy.uncompress(Fixtures.capturedMetadata, limit: 71))
        #expect(try walk(&families) == [])
        #expect(
            families.metadata == [
                FamilyMetadata(name: "demo_requests_total", type: .counter, help: "Requests \"seen\"\n here."),
                FamilyMetadata(name: "demo_temperature", type: .gauge),
            ])
    }

    @Test func `labels that stand together are given out in place, others gathered behind the request`() throws {
        let together = Wire.label("__name__", "a") + Wire.label("b", "c")
        let bytes = request(
            together + Wire.sample(1, 1), Wire.sample(1, 1) + together,
            Wire.label("__name__", "a") + Wire.sample(1, 1) + Wire.label("b", "c"), together)
        var walker = RemoteWriteV1Walker(bytes)
        for isInPlace in [true, true, false, true] {
            #expect(try walker.next())
            #expect(Array(walker.bytes[walker.labels]) == together)
            #expect((walker.labels.upperBound <= bytes.count) == isInPlace)
        }
        #expect(try !walker.next())
    }

    @Test(
        arguments: [
            ([], .noName), ([("a", "b")], .noName), ([("__name__", "m"), ("", "x")], .emptyLabelName),
            ([("__name__", "m"), ("a", "")], .emptyLabelValue), ([("__name__", "")], .emptyLabelValue),
            ([("__name__", "m"), ("a", "1"), ("a", "2")], .duplicateLabel),
            ([("a", "1"), ("__name__", "m"), ("a", "2")], .duplicateLabel),
            ([("__name__", "m"), (String(repeating: "n", count: 257), "1")], .labelNameTooLong),
            ([("__name__", "m"), ("big", String(repeating: "v", count: 65_536))], .labelValueTooLong),
            ([("__name__", "m")] + (0..<1_000).map { ("l\($0)", "v") }, .tooManyLabels),
            ([("__name__", "m")] + (0..<64).map { ("l\($0)", "v") }, .tooManyLabels),
        ] as [([(String, String)], SeriesRefusal.Reason)])
    func `a series that breaks a rule is refused by name and the rest is stored`(
        labels: [(String, String)], reason: SeriesRefusal.Reason
    ) throws {
        let refusal = try #require(try refusal(labels))
        #expect(refusal.reason == reason)
        #expect(refusal.series.utf8.count <= InterchangeLimits.seriesNameBytes)
        if labels.first?.0 == "__name__" { #expect(refusal.series.hasPrefix(labels[0].1)) }
    }

    @Test func `limits are inclusive`() throws {
        let labels =
            [("__name__", "m"), (String(repeating: "n", count: 256), String(repeating: "v", count: 4_096))]
            + (0..<62).map { ("l\($0)", "v") }
        var walker = RemoteWriteV1Walker(request(labels.flatMap { Wire.label($0.0, $0.1) }))
        #expect(try walk(&walker).map(\.labels) == [Labels(labels)])
    }

    @Test func `labels out of order are put in order, and have one key with those in order`() throws {
        let sorted = Wire.label("__name__", "m") + Wire.label("a", "1") + Wire.label("b", "2")
        let bytes = Wire.label("b", "2") + Wire.label("__name__", "m") + Wire.label("a", "1")
        var ranges: [LabelRange] = []
        try LabelBytes.decode(bytes.span, 0..<bytes.count, into: &ranges)
        #expect(LabelBytes.encode(bytes.span, ranges) == sorted)
        #expect(LabelBytes.encode(["a": "1", "b": "2", "__name__": "m"]) == sorted)
    }

    @Test func `labels that are no UTF-8 or no messages are refused`() throws {
        for (bytes, reason) in [
            (Wire.label("__name__", "m") + Wire.bytes(1, Wire.text(1, "a") + Wire.bytes(2, [0xff])), .notUTF8),
            (Wire.bytes(1, Wire.bytes(1, [0xc3]) + Wire.text(2, "x")) + Wire.label("__name__", "m"), .notUTF8),
            (Wire.label("__name__", "m") + Wire.bytes(1, [0x0a, 0x05, 0x61]), .malformedLabels),
        ] as [([UInt8], SeriesRefusal.Reason)] {
            var walker = RemoteWriteV1Walker(request(bytes))
            #expect(try walk(&walker) == [])
            #expect(walker.tally.refusals.counts == [reason: 1])
        }
    }

    @Test func `a request of 2_0 is told from an empty one`() throws {
        var walker = RemoteWriteV1Walker(Fixtures.remoteWrite2)
        #expect(throws: RemoteWriteError.otherVersion(.v2)) { try walk(&walker) }
        var empty = RemoteWriteV1Walker([])
        #expect(try walk(&empty) == [])
        var unknown = RemoteWriteV1Walker(Wire.number(2, 1) + Wire.text(9, "x"))
        #expect(try walk(&unknown) == [])
    }

    @Test(
        arguments: [
            ("0a", .truncated), ("0a05", .truncated), ("08 01", .wrongWireType(field: 1)),
            ("1801", .wrongWireType(field: 3)), ("0a021001", .wrongWireType(field: 2)),
            ("0a03120109", .truncated), ("0a0412021001", nil), ("0a0412020901", .truncated),
            ("0a04 1202 0801", .wrongWireType(field: 1)), ("4b", .wireType(3)),
        ] as [(String, ProtobufError.Problem?)])
    func `a request that is no message is refused whole`(digits: String, problem: ProtobufError.Problem?) {
        var walker = RemoteWriteV1Walker(hex(digits))
        guard let problem else {
            #expect(throws: Never.self) { _ = try walk(&walker) }
            return
        }
        let error = #expect(throws: RemoteWriteError.self) { try walk(&walker) }
        guard case .malformed(let found) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(found.problem == problem)
    }

    @Test func `families beyond the limit are counted`() throws {
        let family = Wire.bytes(3, Wire.text(2, "f"))
        let bytes = (0..<InterchangeLimits.familiesPerRequest + 3).flatMap { _ in family }
        var walker = RemoteWriteV1Walker(bytes)
        #expect(try walk(&walker) == [])
        #expect(walker.metadata.count == InterchangeLimits.familiesPerRequest && walker.tally.familiesLeftOut == 3)
    }

    @Test func `a long help text is cut between characters`() throws {
        let help = "x" + String(repeating: "é", count: InterchangeLimits.helpBytes)
        var walker = RemoteWriteV1Walker(Wire.bytes(3, Wire.text(2, "f") + Wire.text(4, help)))
        _ = try walk(&walker)
        let kept = try #require(walker.metadata.first?.help)
        #expect(help.hasPrefix(kept) && kept.utf8.count == InterchangeLimits.helpBytes - 1)
    }

    @Test func `only the first refusals are kept as text, all are counted`() throws {
        let bytes = (0..<100).flatMap { Wire.bytes(1, Wire.label("a", "\($0)")) }
        var walker = RemoteWriteV1Walker(bytes)
        _ = try walk(&walker)
        #expect(walker.tally.refusals.counts == [.noName: 100])
        #expect(walker.tally.refusals.examples.count == InterchangeLimits.refusalExamples)
        #expect(walker.tally.refusals.text("series").hasPrefix("100 series refused: series {a=\"0\"}: no label"))
    }

    @Test func `no bytes make it trap`() throws {
        let capture = try Snappy.uncompress(Fixtures.capturedSamples, limit: 10_000)
        var generator = SplitMix(seed: 21)
        var outcomes = [0, 0]
        for round in 0..<100_000 {
            var walker = RemoteWriteV1Walker(
                mutated(round.isMultiple(of: 4) ? capture : Fixtures.remoteWrite1, &generator))
            let walked = try? walk(&walker)
            outcomes[walked == nil ? 0 : 1] += 1
            #expect((walked?.count ?? 0) + walker.tally.refusals.total <= walker.tally.series)
        }
        #expect(outcomes.allSatisfy { $0 > 5_000 })
    }
}
