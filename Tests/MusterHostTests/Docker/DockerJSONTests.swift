import MusterHost
import MusterModel
import Testing

@Suite struct DockerJSONTests {
    @Test(arguments: [
        #"{"a":1,"b":[true,false,null],"c":{"d":"e"}}"#, "[]", "{}", #""""#, "-0.5e+10", "12345678901234567890123",
        "null",
        #"["\u0001",{"":[[[]]]}]"#,
    ])
    func whatIsReadIsWrittenTheSame(_ text: String) throws {
        #expect(try DockerJSON(parsing: Array(text.utf8)).description == text)
    }

    @Test func spaceAndEscapesAreUnderstood() throws {
        let json = try DockerJSON(parsing: Array(" { \"a\\n\\u00e9\\ud83d\\ude00\\/\" : \"\\ud83d x\" } \n".utf8))
        #expect(json["a\né😀/"]?.string == "\u{FFFD} x")
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "tru", "01x", "1.", "-", "\"", "\"\\q\"", "\"\\u12\"",
        "\"\\u+123\"",
        "[1] 2", "\"\n\"", "{\"a\":1,}", "]",
    ])
    func whatIsNoJSONIsATypedError(_ text: String) {
        #expect(throws: DockerJSONError.self) { try DockerJSON(parsing: Array(text.utf8)) }
    }

    @Test func depthIsLimited() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        _ = try DockerJSON(parsing: nested(DockerJSON.depthLimit))
        #expect(throws: DockerJSONError.self) { try DockerJSON(parsing: nested(DockerJSON.depthLimit + 2)) }
        #expect(throws: DockerJSONError.self) { try DockerJSON(parsing: nested(1_000_000)) }
    }

    @Test func bytesThatAreNoTextAreRepaired() throws {
        #expect(try DockerJSON(parsing: [0x22, 0xFF, 0x61, 0x22]).string == "\u{FFFD}a")
    }

    @Test func everyCutOfADocumentIsAnErrorAndNoTrap() throws {
        let bytes = Array(#"{"a":[1,2.5,"x\u00e9\ud83d\ude00"],"b":{"c":null,"d":true}}"#.utf8)
        for count in 0..<bytes.count {
            #expect(throws: DockerJSONError.self) { try DockerJSON(parsing: Array(bytes.prefix(count))) }
        }
    }

    @Test func membersAreReadReplacedAndRemoved() throws {
        var json = try DockerJSON(parsing: Array(#"{"a":1,"n":null,"l":["x",2,"y"],"t":{"k":"v","n":3}}"#.utf8))
        #expect(json["a"]?.integer == 1)
        #expect(json["n"] == nil)
        #expect(json["missing"] == nil)
        #expect(json["a"]?["b"] == nil)
        #expect(json["l"]?.strings == ["x", "y"])
        #expect(json["t"]?.texts == ["k": "v"])
        json["a"] = .bool(true)
        json["l"] = nil
        #expect(json["a"]?.bool == true)
        #expect(json["l"] == nil)
        var scalar = DockerJSON.integer(1)
        scalar["a"] = .null
        #expect(scalar == .integer(1))
        #expect(DockerJSON.object([]).isEmpty && DockerJSON.null.isEmpty && !DockerJSON.bool(false).isEmpty)
    }
}

@Suite struct DockerTimeTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-03-01T09:30:00.25Z", 1_772_357_400_250_000_000),
        ("2024-02-29T23:59:59.123456789Z", 1_709_251_199_123_456_789),
        ("2026-03-01T11:30:00.25+02:00", 1_772_357_400_250_000_000),
        ("2026-03-01T04:00:00.25-05:30", 1_772_357_400_250_000_000), ("1969-12-31T23:59:59Z", -1_000_000_000),
    ])
    func timesAreRead(_ text: String, _ nanoseconds: Int64) {
        #expect(Instant(dockerTime: text)?.nanoseconds == nanoseconds)
    }

    @Test(arguments: [
        "", "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00+0200", "2026-0x-01T00:00:00Z",
    ])
    func whatIsNoTimeIsNil(_ text: String) {
        #expect(Instant(dockerTime: text) == nil)
    }

    @Test func everyDayOfFourHundredYearsFollowsTheOneBefore() throws {
        // The model's own spelling is the witness.
        for day in stride(from: Int64(-90_000), to: 100_000, by: 37) {
            let instant = Instant(seconds: day * 86_400 + 3_661)
            #expect(Instant(dockerTime: instant.description) == instant)
        }
    }
}
