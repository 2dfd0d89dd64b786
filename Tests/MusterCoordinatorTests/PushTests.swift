import MusterCoordinator
import MusterInterchange
import MusterModel
import MusterSnappy
import MusterStore
import MusterTestKit
import MusterTransport
import Testing

/// Samples that others push, over the real HTTPS server.
@Suite(.serialized)
struct PushTests {
    @Test(.timeLimit(.minutes(2)))
    func whatIsPushedInEitherVersionIsDurableAndReadable() async throws {
        try await RunningCoordinator.run(try Scratch("push")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let second = MachineClock.wall.seconds - 60
            for version in Push.versions {
                let name = "pushed_\(version)_total"
                let family = FamilyMetadata(name: name, type: .counter, help: "What came.", unit: "things")
                let series = [
                    Push.series(name, [(second * 1_000, 1), (second * 1_000 + 1_500, 2.5)]),
                    Push.series(name, [(second * 1_000, 7)], ["host": "b"]),
                ]
                let message: [UInt8]
                switch version {
                case .v1:
                    var encoder = RemoteWriteV1Encoder()
                    encoder.add(family)
                    for one in series { encoder.add(one) }
                    message = encoder.bytes
                case .v2:
                    var encoder = RemoteWriteV2Encoder()
                    for one in series { encoder.add(one, family: family) }
                    message = encoder.bytes
                }
                let response = try await pusher.write(version, block: Snappy.compress(message))
                #expect(response.status == 204 && response.body.isEmpty, "\(response.words)")
                #expect(response.written == version.written(3))
                #expect(try await pusher.values(name + "[10m]") == ["a": ["1", "2.5"], "b": ["7"]])
                let times = try await pusher.result(name + "{host=\"a\"}[10m]")[0]?["values"]?.items
                #expect(times?.compactMap { $0[0]?.number } == [Double(second), Double(second) + 1.5])
                let described = try await pusher.coordinator.get("/api/v1/metadata?metric=\(name)")["data"]?[name]
                let said: JSON = .object([
                    "type": .string("counter"), "help": .string("What came."), "unit": .string("things"),
                ])
                #expect(described == .array([said]))
            }
            #expect(try await pusher.metric("relayed_requests_total") == "2")
            #expect(try await pusher.metric("samples_total{outcome=\"stored\"}") == "6")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aBodyOfTheOtherVersionIsRefusedAndNothingOfItIsStored() async throws {
        try await RunningCoordinator.run(try Scratch("crossed")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let series = [Push.series("crossed", [(MachineClock.wall.milliseconds, 1)])]
            for (body, said, reason) in [
                (.v2, .v1, "the body is a io.prometheus.write.v2.Request, the content type says 1.0"),
                (.v1, .v2, "the body is a prometheus.WriteRequest, the content type says 2.0"),
            ] as [(RemoteWriteVersion, RemoteWriteVersion, String)] {
                let block = Snappy.compress(Push.message(body, series))
                let response = try await pusher.write(said, block: block)
                #expect(response.status == 415)
                #expect(response.words.hasPrefix(reason), "\(response.words)")
                #expect(response.written == said.written(0))
                let torn = try await pusher.write(body, header: said, block: block)
                #expect(torn.status == 415)
                #expect(torn.words.hasPrefix("the headers contradict each other"), "\(torn.words)")
            }
            try await pusher.expectNothingIsStored()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func bombsAndWhatIsBeyondTheLimitsAreTooLarge() async throws {
        try await RunningCoordinator.run(try Scratch("bombs")) { coordinator in
            let pusher = try await Pusher(coordinator)
            for version in Push.versions {
                let bomb = try await pusher.write(version, block: [0xFF, 0xFF, 0xFF, 0xFF, 0x0F])
                #expect(bomb.status == 413)
                #expect(bomb.words.contains("declares 4294967295 bytes, \(PushLimits.remoteWriteBytes) are allowed"))
                #expect(bomb.written == version.written(0))

                var random = SeededRandom(seed: 7)
                let noise = (0...(SegmentLog.payloadBytes / 8)).map { _ in random.next() }
                var message = ProtobufWriter()
                message.append(Push.message(version, [Push.series("large", [(MachineClock.wall.milliseconds, 1)])]))
                // A field that nobody knows does nothing but take room.
                message.raw(15, noise.withUnsafeBytes { Array($0) })
                let block = Snappy.compress(message.bytes)
                #expect(block.count > SegmentLog.payloadBytes)
                let large = try await pusher.write(version, block: block)
                #expect(large.status == 413)
                #expect(
                    large.words.hasPrefix(
                        "the request has \(block.count) bytes, \(SegmentLog.payloadBytes) are allowed"))
                #expect(large.written == version.written(0))
            }
            let blanks = [UInt8](repeating: 0x20, count: PushLimits.otlpBytes + 1)
            let gzip = ZlibCompressor(.gzip).deflate(blanks, level: 1)
            let inflated = try await pusher.export("application/json", gzip, encoding: "gzip")
            #expect(inflated.status == 413)
            let status = try JSON(inflated.body)
            #expect(status["code"]?.number == 3)
            #expect(status["message"]?.text?.contains("inflate to more than") == true)
            try await pusher.expectNothingIsStored()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aRequestOf2ThatIsRefusedWholeSaysThatNothingWasWritten() async throws {
        try await RunningCoordinator.run(try Scratch("whole")) { coordinator in
            let pusher = try await Pusher(coordinator)
            var named = ProtobufWriter()
            named.raw(4, Array("name".utf8))
            for (block, reason) in [
                ([1, 2, 3], "the 3 bytes are no snappy block"), (Snappy.compress([0xFF]), "no protobuf message"),
                (Snappy.compress(named.bytes), "the first symbol is not the empty text"),
            ] as [([UInt8], String)] {
                let response = try await pusher.write(.v2, block: block)
                #expect(response.status == 400)
                #expect(response.words.hasPrefix(reason), "\(response.words)")
                #expect(response.header("content-type")?.hasPrefix("text/plain") == true)
                #expect(response.written == RemoteWriteVersion.v2.written(0))
            }
            try await pusher.expectNothingIsStored()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aRequestThatComesAgainDoublesNothingAndAnotherValueIsRefused() async throws {
        try await RunningCoordinator.run(try Scratch("again")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let at = MachineClock.wall.milliseconds - 10_000
            let batch = [Push.series("again", [(at, 1), (at + 1_000, 2), (at + 2_000, .nan)])]
            for version in [.v2, .v2, .v1] as [RemoteWriteVersion] {
                let response = try await pusher.write(version, batch)
                #expect(response.status == 204)
                #expect(response.written == version.written(3))
            }
            #expect(try await pusher.values("count_over_time(again[10m])") == ["a": ["3"]])
            #expect(try await pusher.metric("samples_total{outcome=\"stored\"}") == "3")
            #expect(try await pusher.metric("samples_total{outcome=\"duplicate\"}") == "6")
            #expect(try await pusher.metric("samples_total{outcome=\"conflicting\"}") == "0")

            let reason =
                "not stored: 1 samples with another value for a time that has one; "
                + "for example again{host=\"a\"} at \(Instant(milliseconds: at))\n"
            for version in Push.versions {
                let other = try await pusher.write(
                    version,
                    [
                        Push.series("again", [(at, 5), (at + 1_000, 2), (at + 3_000, 4)]),
                        Push.series("rest_\(version)", [(at, 9)]),
                    ])
                #expect(other.status == 400)
                #expect(other.words == reason)
                #expect(other.written == version.written(3))
                #expect(try await pusher.values("rest_\(version)") == ["a": ["9"]])
            }
            #expect(try await pusher.values("again[10m]") == ["a": ["1", "2", "NaN", "4"]])
            #expect(try await pusher.metric("samples_total{outcome=\"conflicting\"}") == "2")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func everySeriesThatBreaksARuleIsCountedAndTheRestIsStored() async throws {
        try await RunningCoordinator.run(try Scratch("rules")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let at = MachineClock.wall.milliseconds
            let nameless = (0..<100).map { number in
                SeriesSamples(labels: ["n": "\(number)"], samples: [Sample(milliseconds: at, value: 1)])
            }
            let rule = "no label __name__, so no metric name"
            for version in Push.versions {
                let good = Push.series("good_\(version)", [(at, 3)])
                let response = try await pusher.write(version, nameless + [good])
                #expect(response.status == 400)
                let text = response.words
                #expect(text.hasPrefix("100 series refused: series {n=\"0\"}: \(rule); "), "\(text)")
                #expect(text.hasSuffix("; ...\n"))
                #expect(text.ranges(of: rule).count == InterchangeLimits.refusalExamples)
                #expect(response.written == version.written(1))
                #expect(try await pusher.values("good_\(version)") == ["a": ["3"]])
            }
            #expect(try await coordinator.get("/v1/status")["series"]?.number == 2)
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func labelsBeyondTheLimitsAndWhatIsNoTextAreRefusedInWords() async throws {
        try await RunningCoordinator.run(try Scratch("labels")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let at = MachineClock.wall.milliseconds
            let many = Dictionary(uniqueKeysWithValues: (0..<1_000).map { ("l\($0)", "v") })
            let broken: [UInt8] = [0xFF, 0xC0, 0x80, 0xED, 0xA0, 0x80, 0xF5, 0x61]
            for version in Push.versions {
                let message = Push.message(
                    version,
                    [
                        Push.series("long", [(at, 1)], ["big": String(repeating: "v", count: 64 << 10)]),
                        Push.series("many", [(at, 1)], many), Push.series("broken", [(at, 1)], ["a": "@broken@"]),
                        Push.series("plain_\(version)", [(at, 4)]),
                    ])
                let bytes = message.replacing(Array("@broken@".utf8), with: broken)
                #expect(bytes.count == message.count && bytes != message)
                let response = try await pusher.write(version, block: Snappy.compress(bytes))
                #expect(response.status == 400)
                let text = response.words
                #expect(text.hasPrefix("3 series refused: series long{big=\"vvv"), "\(text)")
                #expect(text.contains("the label big has a value of 65536 bytes, 4096 are allowed; series many{"))
                #expect(text.contains("more than the 64 labels allowed; series broken{"))
                #expect(text.hasSuffix(": a label is no UTF-8\n"))
                #expect(response.written == version.written(1))
                #expect(try await pusher.values("plain_\(version)") == ["a": ["4"]])
            }
            #expect(try await coordinator.get("/v1/status")["series"]?.number == 2)
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func timesThatNoClockShowsAreRefusedInWords() async throws {
        try await RunningCoordinator.run(try Scratch("times")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let now = MachineClock.wall.milliseconds
            let times: [Int64] = [0, -1, .min, now, now + 365 * 86_400_000, .max]
            for version in Push.versions {
                let name = "odd_\(version)"
                let response = try await pusher.write(
                    version, [Push.series(name, times.enumerated().map { ($0.element, Double($0.offset)) })])
                #expect(response.status == 400)
                let text = response.words
                #expect(
                    text.hasPrefix(
                        "not stored: 2 samples too far ahead of the coordinator's clock, 3 samples too far behind "
                            + "their series, or past the retention; for example \(name){host=\"a\"} at 1970-01-01T"),
                    "\(text)")
                #expect(response.written == version.written(1))
                #expect(try await pusher.values(name + "[10m]") == ["a": ["3"]])
            }
            #expect(try await pusher.metric("samples_total{outcome=\"too_far_ahead\"}") == "4")
            #expect(try await pusher.metric("samples_total{outcome=\"too_old\"}") == "6")
        }
    }

    /// Each behind the other, in versions of their own; no sample is more than five minutes late.
    @Test(.timeLimit(.minutes(2)))
    func twoSendersOfOneSeriesMayBeLateByFiveMinutes() async throws {
        try await RunningCoordinator.run(try Scratch("late")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let base = MachineClock.wall.milliseconds - 300_000
            func request(_ numbers: StrideTo<Int>) -> [SeriesSamples] {
                [Push.series("late", numbers.map { (base + Int64($0) * 10_000, Double($0)) })]
            }
            for (version, first) in [(.v1, 0), (.v1, 10), (.v2, 1), (.v1, 20), (.v2, 11), (.v2, 21)]
                as [(RemoteWriteVersion, Int)]
            {
                let response = try await pusher.write(version, request(stride(from: first, to: first + 10, by: 2)))
                #expect(response.status == 204, "\(response.words)")
                #expect(response.written == version.written(5))
            }
            #expect(try await pusher.values("late[10m]") == ["a": (0..<30).map { "\($0)" }])
            let edge = base + 290_000 - 300_000
            let beyond = try await pusher.write(.v2, [Push.series("late", [(edge, -1), (edge - 1, -2)])])
            #expect(beyond.status == 400)
            #expect(
                beyond.words == "not stored: 1 samples too far behind their series, or past the retention; "
                    + "for example late{host=\"a\"} at \(Instant(milliseconds: edge - 1))\n")
            #expect(beyond.written == RemoteWriteVersion.v2.written(1))
            #expect(try await pusher.values("late[10m]") == ["a": (-1..<30).map { "\($0)" }])
            #expect(try await pusher.metric("samples_total{outcome=\"too_old\"}") == "1")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aSenderWithTooManySeriesIsToldAndNobodyElseIsHarmed() async throws {
        try await RunningCoordinator.run(
            try Scratch("budget"), extra: "metrics: {seriesPerHost: 100}\n"
        ) { coordinator in
            let pusher = try await Pusher(coordinator)
            let at = MachineClock.wall.milliseconds - 5_000
            func bomb(_ at: Int64) -> [SeriesSamples] {
                (0..<350).map { number in
                    Push.series("bomb", [(at, 1)], ["host": number < 300 ? "a" : "b", "n": "\(number)"])
                }
            }
            let first = try await pusher.write(.v2, bomb(at))
            #expect(first.status == 400)
            let text = first.words
            #expect(
                text.hasPrefix(
                    "not stored: 200 series over their sender's budget; for example bomb{host=\"a\",n=\"100\"}: "
                        + "the sender has 100 series, the most it may have"), "\(text)")
            #expect(first.written == RemoteWriteVersion.v2.written(150))
            #expect(try await pusher.values("count by (host) (bomb)") == ["a": ["100"], "b": ["50"]])
            let status = try await coordinator.get("/api/v1/status/tsdb")["data"]
            #expect(status?["headStats"]?["numSeries"]?.number == 150)
            func owner(_ name: String, refused: Double, _ series: Double) -> JSON {
                .object([
                    "name": .string(name), "value": .number(series), "budget": .number(100),
                    "refused": .number(refused),
                ])
            }
            #expect(
                status?["seriesByOwner"]
                    == .array([owner("host=a", refused: 200, 100), owner("host=b", refused: 0, 50)]))
            #expect(try await pusher.metric("refused_series_total{reason=\"owner_budget\"}") == "200")
            // Series that are there go on.
            let second = try await pusher.write(.v1, bomb(at + 1_000))
            #expect(second.status == 400)
            #expect(second.words.hasPrefix("not stored: 200 series over their sender's budget; "))
            #expect(
                try await pusher.values("sum by (host) (count_over_time(bomb[10m]))") == ["a": ["200"], "b": ["100"]])
            #expect(try await pusher.metric("refused_series_total{reason=\"owner_budget\"}") == "400")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func whatAnExportCannotStoreIsSaidAndTheRestIsReadable() async throws {
        try await RunningCoordinator.run(try Scratch("otlp")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let gzip = ZlibCompressor(.gzip)
            let time = UInt64(clamping: MachineClock.wall.nanoseconds)
            for (number, encoding) in ([.json, .protobuf, .json, .protobuf] as [OTLPEncoding]).enumerated() {
                let body = encoding == .json ? Push.json("room.\(number)", time) : Push.protobuf("room.\(number)", time)
                let response = try await pusher.export(
                    encoding.contentType, number < 2 ? body : gzip.deflate(body, level: 6),
                    encoding: number < 2 ? nil : "gzip")
                #expect(response.status == 200 && response.header("content-type") == encoding.contentType)
                let message =
                    "2 data points refused: series expo: exponential histograms are not stored; "
                    + "export explicit buckets; .... not stored: 1 samples too far ahead of the coordinator's clock; "
                    + "for example room_\(number){host=\"late\"} at 2100-01-01T00:00:00.000Z"
                #expect(response.body == OTLPResponse(rejectedDataPoints: 3, message: message).encoded(encoding))
                if encoding == .json {
                    let partial = try JSON(response.body)["partialSuccess"]
                    #expect(partial?["rejectedDataPoints"]?.text == "3" && partial?["errorMessage"]?.text == message)
                }
                #expect(try await pusher.values("room_\(number)") == ["a": ["21.5"]])
            }
            #expect(try await pusher.metric("relayed_requests_total") == "4")
            for (encoding, sent, answered) in [
                (.json, "{}", "{}"), (.json, #"{"resourceMetrics":[]}"#, "{}"), (.protobuf, "", ""),
            ] as [(OTLPEncoding, String, String)] {
                let response = try await pusher.export(encoding.contentType, Array(sent.utf8))
                #expect(response.status == 200 && response.words == answered)
                #expect(response.header("content-type") == encoding.contentType)
            }
            for (type, body, encoding, status, reason) in [
                ("application/json", "{}", "br", 415, "the content encoding \"br\" is not known"),
                ("text/plain", "{}", nil, 415, "the content type is \"text/plain\""),
                ("application/json", "{}", "gzip", 400, "the compressed bytes are damaged"),
                ("application/json", "[]", nil, 400, ""),
            ] as [(String, String, String?, Int, String)] {
                let response = try await pusher.export(type, Array(body.utf8), encoding: encoding)
                #expect(response.status == status, "\(response.words)")
                #expect(response.header("content-type") == "application/json")
                let said = try JSON(response.body)
                #expect(said["code"]?.number == 3)
                #expect(said["message"]?.text?.hasPrefix(reason) == true, "\(response.words)")
            }
            #expect(try await pusher.metric("relayed_requests_total") == "4")
        }
    }

    /// A histogram is several samples and one data point. What an export says of starts is stored, and so is one that
    /// becomes more than a record of the log may have.
    @Test(.timeLimit(.minutes(2)))
    func anExportIsCountedInPointsAndStoredInPortions() async throws {
        try await RunningCoordinator.run(try Scratch("otlp-points")) { coordinator in
            let pusher = try await Pusher(coordinator)
            let time = MachineClock.wall
            func point(_ at: Instant, _ more: String) -> String {
                #"{"startTimeUnixNano":"\#((at - .seconds(30)).nanoseconds)","timeUnixNano":"\#(at.nanoseconds)","#
                    + more + "}"
            }
            let attribute = #"{"key":"host","value":{"stringValue":"a"}}"#
            let shape =
                #""attributes":[\#(attribute)],"count":6,"sum":7.5,"bucketCounts":[1,2,3],"explicitBounds":[0.5,10]"#
            let latency =
                #"{"name":"latency","histogram":{"aggregationTemporality":2,"dataPoints":["#
                + "\(point(time, shape)),\(point(time + .hours(20), shape))]}}"
            let histograms = try await pusher.export(
                "application/json",
                Array(#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[\#(latency)]}]}]}"#.utf8))
            let partial = try JSON(histograms.body)["partialSuccess"]
            #expect(partial?["rejectedDataPoints"]?.text == "1", "\(histograms.words)")
            #expect(partial?["errorMessage"]?.text?.hasPrefix("not stored: 5 samples too far ahead") == true)
            #expect(try await pusher.values("count_over_time(latency_count[5m])") == ["a": ["2"]])

            // 2,400 series of 4 KB labels that do not compress: 9.6 MB, more than a record of the log may have.
            var generator = SeededRandom(seed: 1)
            let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_-".utf8)
            let points = (0..<2_400).map { number in
                let text = String(decoding: (0..<4_000).map { _ in letters[Int(generator.next() & 63)] }, as: UTF8.self)
                let attributes = #"\#(attribute),{"key":"k","value":{"stringValue":"\#(text)"}}"#
                return point(time, #""asInt":\#(number),"attributes":[\#(attributes)]"#)
            }
            let large =
                #"{"name":"large","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":["#
                + points.joined(separator: ",") + "]}}"
            let stored = try await pusher.export(
                "application/json", Array(#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[\#(large)]}]}]}"#.utf8))
            #expect(stored.status == 200 && stored.words == "{}", "\(stored.words.prefix(300))")
            #expect(try await pusher.values("count by (host) (large_total)") == ["a": ["2400"]])
        }
    }
}
