import MusterInterchange
import MusterModel
import Testing

/// A writer of JSON of its own, so that what is read does not come from the code under test.
private func quoted(_ text: String) -> String {
    var output = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": output += "\\\(scalar)"
        case "\u{0}"..<"\u{20}", "é":
            let digits = String(scalar.value, radix: 16)
            output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: output.unicodeScalars.append(scalar)
        }
    }
    return output + "\""
}

private func lokiJSON(_ streams: [PushedLogs.Stream]) -> String {
    let parts = streams.map { stream in
        let labels = stream.labels.pairs.map { quoted($0.name) + ":" + quoted($0.value) }.joined(separator: " , ")
        let values = stream.entries.map { entry in
            let fields = entry.fields.map { quoted($0.name) + ":" + quoted($0.value) }.joined(separator: ",")
            let line = quoted(String(decoding: entry.line, as: UTF8.self))
            return "[\"\(entry.time.nanoseconds)\",\(line)" + (fields.isEmpty ? "]" : ",{\(fields)}]")
        }
        return "{\"values\":[\(values.joined(separator: ","))],\"stream\":{\(labels)}}"
    }
    return "{\"streams\":[\(parts.joined(separator: ",\n"))]}"
}

private func lokiProtobuf(_ streams: [PushedLogs.Stream], _ generator: inout SplitMix) -> [UInt8] {
    streams.flatMap { stream in
        let labels = stream.labels.pairs.map { "\($0.name)=\"\(Labels.escaped($0.value))\"" }.joined(separator: ",")
        var fields = stream.entries.map { entry in
            let (seconds, rest) = entry.time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
            let time =
                Wire.number(1, UInt64(bitPattern: rest < 0 ? seconds - 1 : seconds))
                + Wire.number(2, UInt64(rest < 0 ? rest + 1_000_000_000 : rest))
            var parts = [Wire.bytes(1, time), Wire.bytes(2, entry.line), Wire.number(99, 7)]
            // Fields keep their order among themselves; other parts may stand anywhere.
            parts.shuffle(using: &generator)
            let pairs = entry.fields.flatMap { Wire.bytes(3, Wire.text(2, $0.value) + Wire.text(1, $0.name)) }
            return Wire.bytes(2, parts[0] + pairs + parts[1] + parts[2])
        }
        fields.insert(
            Wire.text(1, "{\(labels)}"), at: Int.random(in: 0...fields.count, using: &generator))
        return Wire.bytes(1, fields.flatMap { $0 })
    }
}

/// One export in both forms, made from the same choices.
private struct OTLPChoices {
    var protobuf: [UInt8] = []
    var json = ""

    private static func word(_ generator: inout SplitMix) -> String {
        ["", "a", "é\"\n", "INFO", "\u{1}\\", "😀", "0af7"].randomElement(using: &generator) ?? ""
    }

    private static func value(_ generator: inout SplitMix, depth: Int) -> (bytes: [UInt8], json: String) {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &generator) {
        case 0:
            let text = word(&generator)
            return (Wire.text(1, text), "{\"stringValue\":\(quoted(text))}")
        case 1:
            let isTrue = Bool.random(using: &generator)
            return (Wire.number(2, isTrue ? 1 : 0), "{\"boolValue\":\(isTrue)}")
        case 2:
            let number = Int64.random(in: Int64.min...Int64.max, using: &generator)
            return (Wire.number(3, UInt64(bitPattern: number)), "{\"intValue\":\"\(number)\"}")
        case 3:
            let number = Double(Int.random(in: -1_000...1_000, using: &generator)) / 8
            return (Wire.fixed(4, number.bitPattern), "{\"doubleValue\":\(number)}")
        case 4: return ([], "{}")
        case 5:
            let elements = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                value(&generator, depth: depth - 1)
            }
            return (
                Wire.bytes(5, elements.flatMap { Wire.bytes(1, $0.bytes) }),
                "{\"arrayValue\":{\"values\":[\(elements.map(\.json).joined(separator: ","))]}}"
            )
        default:
            let list = attributes(1, &generator, depth: depth - 1)
            return (Wire.bytes(6, list.bytes), "{\"kvlistValue\":{\"values\":\(list.json)}}")
        }
    }

    private static func attributes(
        _ field: UInt64, _ generator: inout SplitMix, depth: Int = 2
    ) -> (bytes: [UInt8], json: String) {
        var bytes: [UInt8] = []
        var json: [String] = []
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            let key = ["service.name", "host.name", "x.y", "k8s.pod.name", ""].randomElement(using: &generator) ?? ""
            let value = value(&generator, depth: depth)
            bytes += Wire.bytes(field, Wire.text(1, key) + Wire.bytes(2, value.bytes))
            json.append("{\"value\":\(value.json),\"key\":\(quoted(key))}")
        }
        return (bytes, "[\(json.joined(separator: ","))]")
    }

    private static func record(_ generator: inout SplitMix) -> (bytes: [UInt8], json: String) {
        let time = UInt64.random(in: 0...UInt64.max, using: &generator)
        let severity = Int.random(in: 0...30, using: &generator)
        let flags = UInt32.random(in: 0...UInt32.max, using: &generator)
        let word = word(&generator)
        let id = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let digits = id.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let body = value(&generator, depth: 2)
        let attributes = attributes(6, &generator)
        let flagBytes = Wire.varint(8 << 3 | 5) + (0..<4).map { UInt8(truncatingIfNeeded: flags >> (8 * $0)) }
        let bytes =
            Wire.fixed(1, time) + Wire.number(2, UInt64(severity)) + Wire.text(3, word) + Wire.bytes(5, body.bytes)
            + attributes.bytes + Wire.number(7, 3) + flagBytes + Wire.bytes(9, id)
            + Wire.bytes(10, Array(id.prefix(8))) + Wire.fixed(11, time / 2) + Wire.text(12, word)
        let json = """
            {"timeUnixNano":"\(time)","severityNumber":\(severity),"severityText":\(quoted(word)),"body":\(body.json),
            "attributes":\(attributes.json),"droppedAttributesCount":3,"flags":\(flags),"traceId":"\(digits)",
            "spanId":"\(digits.prefix(16))","observedTimeUnixNano":\(time / 2),"eventName":\(quoted(word))}
            """
        return (bytes, json)
    }

    init(_ generator: inout SplitMix) {
        var parts: [String] = []
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            let resource = Self.attributes(1, &generator)
            let scope = Self.attributes(3, &generator)
            let name = Self.word(&generator)
            let records = (0..<Int.random(in: 0...4, using: &generator)).map { _ in Self.record(&generator) }
            let library = Wire.text(1, name) + Wire.text(2, "1") + scope.bytes
            let group = Wire.bytes(1, library) + records.flatMap { Wire.bytes(2, $0.bytes) }
            protobuf += Wire.bytes(1, Wire.bytes(1, resource.bytes) + Wire.bytes(2, group))
            parts.append(
                """
                {"resource":{"attributes":\(resource.json)},"scopeLogs":[{"scope":{"name":\(quoted(name)),"version":"1",
                "attributes":\(scope.json)},"logRecords":[\(records.map(\.json).joined(separator: ","))]}]}
                """)
        }
        json = "{\"resourceLogs\":[\(parts.joined(separator: ","))]}"
    }
}

@Suite struct LogFormats {
    @Test func `a push says the same in protobuf and in JSON, in whatever order its parts stand`() throws {
        var generator = SplitMix(seed: 101)
        for _ in 0..<2_000 {
            var streams = randomStreams(&generator, isUTF8: true, labels: ["app", "env", "zone"])
            for index in streams.indices { streams[index].fields = [] }
            let json = try LokiPush.decode(json: Array(lokiJSON(streams).utf8))
            #expect(json.streams == streams && json.refusals.total == 0)
            #expect(try LokiPush.decode(protobuf: lokiProtobuf(streams, &generator)) == json)
        }
    }

    @Test func `an export says the same in protobuf and in JSON`() throws {
        var generator = SplitMix(seed: 102)
        var records = 0
        for _ in 0..<2_000 {
            let choices = OTLPChoices(&generator)
            let logs = try OTLPLogs(protobuf: choices.protobuf)
            #expect(try OTLPLogs(json: Array(choices.json.utf8)) == logs)
            let pushed = logs.pushed(now: Instant(seconds: 1))
            records += pushed.entryCount + pushed.refusals.total
            #expect(
                pushed.entryCount + pushed.refusals.total
                    == logs.resources.flatMap(\.scopes).reduce(0) { $0 + $1.records.count })
        }
        #expect(records > 2_000)
    }

    @Test func `a request that is cut off is refused or is a shorter one, at every byte`() throws {
        var taken = 0
        let whole = try LokiPush.decode(protobuf: Fixtures.lokiPush)
        for count in Fixtures.lokiPush.indices {
            guard let logs = try? LokiPush.decode(protobuf: Array(Fixtures.lokiPush.prefix(count))) else { continue }
            taken += 1
            #expect(whole.streams.starts(with: logs.streams))
        }
        let export = try OTLPLogs(protobuf: Fixtures.otlpLogs)
        for count in Fixtures.otlpLogs.indices {
            guard let logs = try? OTLPLogs(protobuf: Array(Fixtures.otlpLogs.prefix(count))) else { continue }
            taken += 1
            #expect(export.resources.starts(with: logs.resources))
        }
        // Nothing, and what ends with a stream or a resource.
        #expect(taken == 5)
        let json = Array(lokiJSON(whole.streams).utf8)
        for count in json.indices {
            #expect(throws: JSONError.self) { try LokiPush.decode(json: Array(json.prefix(count))) }
        }
    }

    @Test func `labels and fields of JSON are bounded as those of protobuf`() throws {
        func push(labels: Int, fields: Int) throws -> PushedLogs {
            let labels = (0..<labels).map { "\"l\($0)\":\"v\"" }.joined(separator: ",")
            let fields = (0..<fields).map { "\"f\($0)\":\"v\"" }.joined(separator: ",")
            return try LokiPush.decode(
                json: Array("{\"streams\":[{\"stream\":{\(labels)},\"values\":[[\"1\",\"x\",{\(fields)}]]}]}".utf8))
        }
        let most = (labels: Limits.labelsPerSet, fields: InterchangeLimits.logFieldsPerEntry)
        #expect(try push(labels: most.labels, fields: most.fields).entryCount == 1)
        #expect(try push(labels: most.labels + 1, fields: 0).refusals.counts == [.tooManyLabels: 1])
        #expect(try push(labels: 50_000, fields: 0).refusals.counts == [.tooManyLabels: 1])
        #expect(try push(labels: 0, fields: 1).refusals.counts == [.noLabels: 1])
        #expect(try push(labels: 1, fields: most.fields + 1).refusals.counts == [.tooManyFields: 1])
        let twice = #"{"streams":[{"stream":{"a":"b","a":"c"},"values":[["1","x"]]}]}"#
        #expect(try LokiPush.decode(json: Array(twice.utf8)).refusals.counts == [.duplicateLabel: 1])
    }

    @Test func `a request that was refused in part counts every entry`() throws {
        var generator = SplitMix(seed: 103)
        for _ in 0..<500 {
            var kept = 0
            var refused = 0
            var push: [UInt8] = []
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let isGood = Bool.random(using: &generator)
                let count = Int.random(in: 0...5, using: &generator)
                let entries = (0..<count).flatMap { _ in
                    let hasTime = Int.random(in: 0...3, using: &generator) > 0
                    if isGood && hasTime { kept += 1 } else { refused += 1 }
                    return Wire.bytes(2, (hasTime ? Wire.bytes(1, Wire.number(1, 5)) : []) + Wire.text(2, "x"))
                }
                push += Wire.bytes(1, entries + Wire.text(1, isGood ? "{a=\"b\"}" : "{a"))
            }
            let logs = try LokiPush.decode(protobuf: push)
            #expect(logs.entryCount == kept && logs.refusals.total == refused)
            #expect(logs.refusals.counts.values.reduce(0, +) == refused)
            #expect(logs.streams.allSatisfy { !$0.entries.isEmpty && !$0.labels.isEmpty })
        }
    }

    @Test func `the points of a matrix are read back to the bit`() throws {
        var generator = SplitMix(seed: 104)
        for _ in 0..<2_000 {
            let value = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &generator))
            let milliseconds = Int64.random(in: -1_000_000_000_000...4_000_000_000_000, using: &generator)
            let sample = Sample(milliseconds: milliseconds, value: value)
            var reader = JSONReader(LokiJSON.scalar(sample))
            try reader.beginObject()
            while let key = try reader.nextKey(), key != "data" { try reader.skipValue() }
            try reader.beginObject()
            while let key = try reader.nextKey(), key != "result" { try reader.skipValue() }
            try reader.beginArray()
            _ = try reader.nextElement()
            let seconds = try #require(Double(try reader.number()))
            #expect(Int64((seconds * 1_000).rounded()) == milliseconds)
            _ = try reader.nextElement()
            let read = try #require(Double(try reader.string()))
            #expect(value.isNaN ? read.isNaN : read.bitPattern == value.bitPattern)
        }
    }
}
