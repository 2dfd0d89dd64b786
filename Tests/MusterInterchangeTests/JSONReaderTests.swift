import MusterInterchange
import Testing

/// Reads a whole document, giving its texts, numbers and words in order.
private func leaves(_ text: String) throws(JSONError) -> [String] {
    var reader = JSONReader(Array(text.utf8))
    var found: [String] = []
    try read(&reader, into: &found)
    try reader.end()
    return found
}

private func read(_ reader: inout JSONReader, into found: inout [String]) throws(JSONError) {
    switch try reader.peek() {
    case .object:
        try reader.beginObject()
        while let key = try reader.nextKey() {
            found.append(key + ":")
            try read(&reader, into: &found)
        }
    case .array:
        try reader.beginArray()
        while try reader.nextElement() { try read(&reader, into: &found) }
    case .string: found.append(try reader.string())
    case .number: found.append(try reader.number())
    case .bool: found.append("\(try reader.bool())")
    case .null: found.append(try reader.null() ? "null" : "?")
    }
}

private func skipped(_ text: String) throws(JSONError) {
    var reader = JSONReader(Array(text.utf8))
    try reader.skipValue()
    try reader.end()
}

@Suite struct JSONReading {
    @Test(
        arguments: [
            ("{}", []), ("[]", []), (" [ ] ", []), ("null", ["null"]), ("true", ["true"]), ("\"\"", [""]),
            ("[1,-0,2.5e+10,0.1,1E5]", ["1", "-0", "2.5e+10", "0.1", "1E5"]),
            ("{\"a\":1,\"b\":[true,{\"c\":null}],\"a\":2}", ["a:", "1", "b:", "true", "c:", "null", "a:", "2"]),
            (#""\"\\\/\b\f\n\r\t\u0041\u00e9""#, ["\"\\/\u{8}\u{c}\n\r\tAé"]),
            (#""\ud83d\ude00\ud83d!\ude00\uD83D\u0041""#, ["😀\u{fffd}!\u{fffd}\u{fffd}A"]),
            ("\"é世🙂\"", ["é世🙂"]), ("[[[]],[[1]]]", ["1"]), ("\t{\r\n\"a\" : [ ] }\n", ["a:"]),
        ] as [(String, [String])])
    func `a document is read, and stepped over`(text: String, expected: [String]) throws {
        #expect(try leaves(text) == expected)
        try skipped(text)
    }

    @Test(
        arguments: [
            ("", 0), (" ", 1), ("{", 1), ("[", 1), ("[1", 2), ("[1,", 3), ("[1,]", 3), ("[,1]", 1), ("{\"a\"}", 4),
            ("{\"a\":}", 5), ("{\"a\":1,}", 7), ("{a:1}", 1), ("{1:2}", 1), ("nul", 0), ("tru", 0), ("01", 1),
            ("1.", 2),
            ("-", 1), (".5", 0), ("+1", 0), ("1e", 2), ("\"a", 2), ("\"\\", 2), ("\"\\x\"", 2), ("\"\\u12g4\"", 5),
            ("\"a\tb\"", 2), ("1 2", 2), ("{} x", 3), ("[1}", 2), ("{\"a\":1]", 6), ("NaN", 0), ("'a'", 0),
        ] as [(String, Int)])
    func `what is no document is refused at its byte`(text: String, offset: Int) {
        let read = #expect(throws: JSONError.self) { try leaves(text) }
        let stepped = #expect(throws: JSONError.self) { try skipped(text) }
        #expect(read?.offset == offset && stepped?.offset == offset)
    }

    @Test func `a text that is no UTF-8 is refused`() {
        var reader = JSONReader([0x22, 0xc3, 0x28, 0x22])
        #expect(throws: JSONError("a text that is no UTF-8", at: 1)) { try reader.string() }
    }

    @Test func `depth is bounded, and nothing recurses`() throws {
        let limit = InterchangeLimits.jsonDepth
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deepest = String(repeating: open, count: limit) + "1" + String(repeating: close, count: limit)
            #expect(try leaves(deepest).last == "1")
            let error = #expect(throws: JSONError.self) { try skipped(open + deepest + close) }
            #expect(error?.problem == "more than \(limit) levels")
        }
        #expect(throws: JSONError.self) { try skipped(String(repeating: "[", count: 1_000_000)) }
    }

    @Test func `no bytes make it trap`() {
        var generator = SplitMix(seed: 61)
        let document = Array(#"{"a":[1,-2.5e3,"x\n😀",true,null,{"b":{}}],"c":"d","e":[[],[0]]}"#.utf8)
        var outcomes = [0, 0]
        for _ in 0..<100_000 {
            let bytes = mutated(document, &generator)
            var reader = JSONReader(bytes)
            do throws(JSONError) {
                try reader.skipValue()
                try reader.end()
                outcomes[1] += 1
            } catch {
                outcomes[0] += 1
                #expect(error.offset <= bytes.count)
            }
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 })
    }
}
