import MusterLogs
import MusterModel
import Testing

/// The fields, or nil when the line has not the format.
private func fields(_ format: FieldFormat, _ line: [UInt8]) -> [String]? {
    var parser = FieldParser(format)
    var list = FieldList()
    let isParsed = parser.parse(line.span, into: &list)
    #expect(parser.failures == (isParsed ? 0 : 1))
    #expect(isParsed || list.count == 0)
    return isParsed ? list.texts : nil
}

private func json(_ text: String) -> [String]? { fields(.json, Array(text.utf8)) }

@Suite struct JSONFieldParsing {
    @Test(arguments: [
        (#"{"a":"b"}"#, ["a=b"]), (#"{}"#, []), (" \t\r\n{ } \n", []),
        (#"{"a":1,"b":-0.5e+10,"c":true,"d":false,"e":null}"#, ["a=1", "b=-0.5e+10", "c=true", "d=false", "e="]),
        (#"{"a":{"b":{"c":"x"},"d":1},"e":2}"#, ["a_b_c=x", "a_d=1", "e=2"]),
        (#"{"a":[1,"x",{"b":[]},[[]],null],"c":1}"#, ["c=1"]),
        (#"{"a":"q\"x\\y\/z\b\f\n\r\t"}"#, ["a=q\"x\\y/z\u{8}\u{c}\n\r\t"]),
        (#"{"a":"\u00e9\u4e2d\ud83d\ude00"}"#, ["a=é中😀"]),
        (#"{"a":"\ud83d x","b":"\ude00"}"#, ["a=\u{fffd} x", "b=\u{fffd}"]),
        (#"{"a":"\ud83d\u0041"}"#, ["a=\u{fffd}A"]),
        (#"{"é":"ü","\u0061":"b"}"#, ["é=ü", "a=b"]), (#"{"a":1,"a":2}"#, ["a=1", "a=2"]), (#"{"a":{}}"#, []),
        (#"{"a":"","b":0}"#, ["a=", "b=0"]),
        (#"{"long":"0123456789012345678901234567890\n"}"#, ["long=0123456789012345678901234567890\n"]),
        (#"{ "a" : { "b" : [ ] , "c" : "d" } , "e" : 1E-2 }"#, ["a_c=d", "e=1E-2"]), (#"{"":1,"b":2}"#, ["b=2"]),
    ]) func `what is valid gives fields`(text: String, expected: [String]) {
        #expect(json(text) == expected)
    }

    @Test(arguments: [
        "", "x", "[]", "[1]", "\"a\"", "1", "null", "{", "}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#,
        #"{"a":1 "b":2}"#,
        #"{"a":01}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":-}"#, #"{"a":1e}"#, #"{"a":+1}"#, #"{"a":tru}"#,
        #"{"a":True}"#, #"{"a":nul}"#,
        #"{"a":"x}"#, #"{"a":"\x"}"#, #"{"a":"\u12g4"}"#, #"{"a":"\u12"#, #"{"a":"\"#, "{\"a\":\"tab\there\"}",
        "{\"a\":\"nul\0\"}",
        #"{'a':1}"#, #"{a:1}"#, #"{"a":1}}"#, #"{"a":1} x"#, #"{"a":1}{"b":2}"#, #"{"a":[1,]}"#, #"{"a":[1 2]}"#,
        #"{"a":[}"#, #"{"a":[{"b"}]}"#,
        #"{"a":[{"b":1,}]}"#, #"{"a":NaN}"#, #"{"ok":1,"a":{"b":1}"#, #"{"a":[tru]}"#, #"{"a":["\q"]}"#,
    ]) func `what is not valid gives none`(text: String) {
        #expect(json(text) == nil)
    }

    @Test(
        arguments: [
            [0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x80, 0x80, 0x80],
            [0xf4, 0x90, 0x80, 0x80],
            [0xf5, 0x80, 0x80, 0x80], [0xff], [0xc3], [0xe4, 0xb8], [0xf0, 0x9f, 0x98],
        ] as [[UInt8]]) func `bytes that are no UTF-8 are not valid`(bytes: [UInt8])
    {
        #expect(fields(.json, Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8)) == nil)
        #expect(fields(.json, Array(#"{""#.utf8) + bytes + Array(#"":1}"#.utf8)) == nil)
        #expect(fields(.json, Array(#"{"a":[""#.utf8) + bytes + Array(#""]}"#.utf8)) == nil)
    }

    @Test func `depth has a limit`() {
        func nested(_ depth: Int) -> String {
            String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth)
        }
        #expect(json(nested(16)) == [Array(repeating: "a", count: 16).joined(separator: "_") + "=1"])
        #expect(json(nested(17)) == nil)
        let arrays = { (depth: Int) in
            #"{"a":"# + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        }
        #expect(json(arrays(15)) == [] && json(arrays(16)) == nil)
        #expect(json(#"{"a":"# + String(repeating: "[", count: 60_000)) == nil)
    }

    @Test func `a line that fails leaves fields from before alone`() {
        var list = FieldList()
        var parser = FieldParser(.json)
        let good = Array(#"{"a":"1"}"#.utf8)
        let bad = Array(#"{"b":"2","c":"3""#.utf8)
        #expect(parser.parse(good.span, into: &list) == true)
        #expect(parser.parse(bad.span, into: &list) == false)
        #expect(parser.parse(good.span, into: &list) == true)
        #expect(list.texts == ["a=1", "a=1"] && parser.failures == 1)
        list.removeAll()
        #expect(list.count == 0 && list.texts == [] && list[0] == nil && list[-1] == nil)
    }

    @Test func `cuts and mutations never trap`() {
        var generator = SeededGenerator(seed: 21)
        let text = Array(#"{"a":{"b":"x\u00e9\n","c":[1,{"d":null}]},"é":-1.5e3,"t":true}"#.utf8)
        for end in 0..<text.count { #expect(fields(.json, Array(text[..<end])) == nil) }
        var valid = 0
        for _ in 0..<5_000 {
            var changed = text
            changed[Int.random(in: text.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            if fields(.json, changed) != nil { valid += 1 }
        }
        #expect(valid > 0 && valid < 5_000)
    }
}

@Suite struct FieldLimits {
    private func list(_ line: String, _ format: FieldFormat = .json) -> FieldList {
        var list = FieldList()
        var parser = FieldParser(format)
        let bytes = Array(line.utf8)
        #expect(parser.parse(bytes.span, into: &list) == true)
        return list
    }

    @Test func `fields beyond the limit are counted`() {
        let text = "{" + (0..<70).map { "\"f\($0)\":\($0)" }.joined(separator: ",") + "}"
        let found = list(text)
        #expect(found.count == FieldList.maxFields && found.omitted == 6)
        #expect(found.texts.last == "f63=63")
    }

    @Test(arguments: [0, 1]) func `names have a limit`(more: Int) {
        let name = String(repeating: "n", count: FieldList.nameBytes + more)
        let found = list("{\"\(name)\":1,\"b\":2}")
        #expect(found.count == 2 - more && found.omitted == more && found.texts.last == "b=2")
        let escaped = list("{\"\\u006e\(name.dropFirst())\":1,\"b\":2}")
        #expect(escaped.count == 2 - more && escaped.omitted == more)
        let nested = list("{\"a\":{\"\(name.dropFirst(2))\":1},\"b\":2}")
        #expect(nested.count == 2 - more && nested.omitted == more)
    }

    @Test(arguments: [0, 1]) func `values have a limit`(more: Int) {
        let value = String(repeating: "v", count: FieldList.valueBytes + more)
        for text in ["{\"a\":\"\(value)\",\"b\":2}", "{\"a\":\"\\u0076\(value.dropFirst())\",\"b\":2}"] {
            let found = list(text)
            #expect(found.count == 2 - more && found.omitted == more && found.texts.last == "b=2")
        }
        let found = list("a=\(value) b=2", .logfmt)
        #expect(found.count == 2 - more && found.omitted == more && found.texts.last == "b=2")
    }

    @Test func `all fields together have a limit, and a small one still fits`() {
        let value = String(repeating: "v", count: FieldList.valueBytes - 1)
        let found = list(
            "{\"a\":\"\(value)\",\"b\":\"\(value)\",\"c\":\"\(value)\",\"d\":\"\(value)\",\"e\":\"\(value)\"}")
        #expect(found.count == 4 && found.omitted == 1)
        let rest = list(
            "{\"a\":\"\(value)\",\"b\":\"\(value)\",\"c\":\"\(value)\",\"d\":\"\(value.dropFirst(8))\","
                + "\"e\":\"\(value)\",\"f\":1}")
        #expect(rest.count == 5 && rest.omitted == 1 && rest.texts.last == "f=1")
    }
}

@Suite struct LogfmtFieldParsing {
    @Test(arguments: [
        ("", []), ("   ", []), ("a=1", ["a=1"]), ("a=1 b=2", ["a=1", "b=2"]), ("a= b", ["a=", "b="]),
        ("bare", ["bare="]),
        (#"msg="hello world" n=1"#, ["msg=hello world", "n=1"]), (#"a="q \"x\" \\ \n \u00e9""#, ["a=q \"x\" \\ \n é"]),
        ("a=\"\" b=\"\"", ["a=", "b="]), ("\ta=1\t\tb=2\r", ["a=1", "b=2"]), ("url=/x?a=b&c=d", ["url=/x?a=b&c=d"]),
        ("é=ü", ["é=ü"]), ("a==b", ["a==b"]), ("a=1,b=2", ["a=1,b=2"]), (#"a="x"b=1"#, ["a=x", "b=1"]),
        ("a.b-c/d=1", ["a.b-c/d=1"]),
    ]) func `pairs are read`(text: String, expected: [String]) {
        #expect(fields(.logfmt, Array(text.utf8)) == expected)
    }

    @Test(arguments: [
        "=1", "a=1 =2", "a\"b=1", "\"a\"=1", "a=b\"c", #"a="open"#, #"a="\x""#, #"a="\"#, "a=\"\u{1}\"", "ok=1 b=\"c",
    ])
    func `errors give nothing`(text: String) {
        #expect(fields(.logfmt, Array(text.utf8)) == nil)
    }
}

@Suite struct PatternFieldParsing {
    @Test func `groups with a name become fields`() throws {
        let format = FieldFormat.pattern(try searching("status=(?P<n>[0-9]+)"))
        #expect(fields(format, Array("x status=200 y".utf8)) == ["n=200"])
        #expect(fields(format, Array("x status= y".utf8)) == nil)
    }

    struct Fixed: SearchPattern {
        let groupNames = ["b": 1, "a": 2, "gone": 3, "far": 9, "wrong": 4]
        func isFound(in bytes: Span<UInt8>) -> Bool { true }
        func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]? {
            [0..<4, 0..<1, 1..<2, nil, 2..<99]
        }
    }

    @Test func `fields are in the order of names, and ranges outside the line are left out`() {
        #expect(fields(.pattern(Fixed()), Array("wxyz".utf8)) == ["a=x", "b=w"])
    }
}
