import MusterModel
import MusterYAML
import Testing

/// A document in one line: `{a: [b, "c"]}`, quoted scalars in quotes.
private func flat(_ node: ConfigNode) -> String {
    switch node.content {
    case .scalar(let text, let isQuoted): isQuoted ? "\"\(text)\"" : text
    case .sequence(let nodes): "[" + nodes.map(flat).joined(separator: ", ") + "]"
    case .mapping(let entries): "{" + entries.map { "\($0.key): \(flat($0.value))" }.joined(separator: ", ") + "}"
    }
}

private func parse(_ text: String) throws(ConfigError) -> ConfigNode { try YAML.parse(text, file: "f.yaml") }

@Suite struct YAMLDocuments {
    @Test(arguments: [
        ("", ""), ("# only a comment\n", ""), ("a: 1", "{a: 1}"), ("a:\n  - b\n  - \"c\"\n", "{a: [b, \"c\"]}"),
        ("a: 'it''s'", "{a: \"it's\"}"), ("a: |\n  one\n  two\n", "{a: \"one\ntwo\n\"}"),
        ("a: >\n  one\n  two\n", "{a: \"one two\n\"}"),
        ("{a: {b: [1, 2]}, c: ~}", "{a: {b: [1, 2]}, c: ~}"), ("a:", "{a: }"), ("- 1\n- - 2\n  - 3\n", "[1, [2, 3]]"),
        ("---\na: 1\n...\n", "{a: 1}"), ("a: \"\\u00e9\\n\"", "{a: \"é\n\"}"), ("über: grün", "{über: grün}"),
        ("a: 1 # why\nb: 'x # y'", "{a: 1, b: \"x # y\"}"), ("\"a b\": c", "{a b: c}"), ("just text", "just text"),
        ("a: b: c".replacing("b: c", with: "'b: c'"), "{a: \"b: c\"}"), ("a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"),
    ])
    func `documents are read`(text: String, expected: String) throws {
        #expect(flat(try parse(text)) == expected)
    }

    @Test func `every node knows where it stands`() throws {
        let document = try parse("top:\n  list:\n    - one\n    - key: value\n")
        guard case .mapping(let top) = document.content, case .mapping(let inner) = top[0].value.content,
            case .sequence(let list) = inner[0].value.content, case .mapping(let last) = list[1].content
        else {
            Issue.record("unexpected shape")
            return
        }
        #expect(document.position.description == "f.yaml:1:1")
        #expect(top[0].keyPosition.description == "f.yaml:1:1")
        #expect(inner[0].keyPosition.description == "f.yaml:2:3")
        #expect(list[0].position.description == "f.yaml:3:7")
        #expect(last[0].keyPosition.description == "f.yaml:4:7")
        #expect(last[0].value.position.description == "f.yaml:4:12")
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: 'a' is given twice; allowed: each key once; the first one is on line 1"),
        ("x:\n  a: 1\n  a: 2", "f.yaml:3:3: 'x.a' is given twice"),
        ("l:\n  - {a: 1, a: 2}", "f.yaml:2:12: 'l[0].a' is given twice"),
        ("a: &x 1", "f.yaml:1:4: the document uses the anchor '&x'"),
        ("a: &x [1]\nb: *x", "uses the anchor '&x'"), ("a: &x {b: 1}", "uses the anchor '&x'"),
        ("a: *x", "f.yaml:1:4: 'a' uses the alias '*x'"),
        ("a: !!str 3", "uses the tag 'tag:yaml.org,2002:str'"), ("a: !Ref x", "uses the tag '!Ref'"),
        ("a: !!map {}", "uses the tag"), ("a: !!seq []", "uses the tag"),
        ("a: 1\n---\nb: 2", "is followed by a second one; allowed: one document in a file"),
        ("? [1]\n: 2", "has a key that is no text"), ("? {a: 1}\n: 2", "has a key that is no text"),
        ("a:\n\tb: 1", "f.yaml:2:1: the document is not valid YAML"),
        ("a: [1", "is not valid YAML"), ("a: \"b", "is not valid YAML"),
        ("a: b: c", "f.yaml:1:5: the document is not valid YAML"),
        ("a: 1\n b: 2", "f.yaml:2:"), ("%BAD", "is not valid YAML"), ("a: @b", "is not valid YAML"),
        ("]", "is not valid YAML"), ("a: \u{1}", "f.yaml:1:4: the document is not valid YAML"),
        ("a: 1\nb: \0", "f.yaml:2:4:"),
    ])
    func `what is refused says where and why`(text: String, message: String) {
        do throws(ConfigError) {
            Issue.record("\(text) reads as \(flat(try parse(text)))")
        } catch {
            #expect(error.description.contains(message), "\(error)")
        }
    }

    @Test func `a tab names the way out`() {
        do throws(ConfigError) {
            _ = try parse("a:\n\tb: 1")
        } catch {
            #expect(error.allowed == "spaces for indentation, never tabs")
        }
    }

    @Test func `bytes that are no UTF-8 are refused at their place`() {
        do throws(ConfigError) {
            _ = try YAML.parse(Array("a: 1\nb: ".utf8) + [0xff, 0xfe, 0x41], file: "f.yaml")
            Issue.record("bad bytes were read")
        } catch {
            #expect(error.position.description == "f.yaml:2:4", "\(error)")
        }
    }
}

@Suite struct YAMLLimits {
    @Test func `depth has a limit`() throws {
        let depth = Limits.documentDepth
        let deepest = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        #expect(throws: Never.self) { try parse(deepest) }
        do throws(ConfigError) {
            _ = try parse("[" + deepest + "]")
            Issue.record("too deep a document was read")
        } catch {
            #expect(error.problem == "is nested too deeply" && error.allowed == "at most \(depth) levels")
        }
    }

    @Test func `size has a limit`() throws {
        let largest = "a: " + String(repeating: "x", count: Limits.documentBytes - 3)
        #expect(throws: Never.self) { try parse(largest) }
        #expect(throws: ConfigError.self) { try parse(largest + "x") }
    }

    @Test(.timeLimit(.minutes(1))) func `hostile documents end soon`() {
        let count = Limits.documentBytes / 2
        for piece in ["[", "{", "- ", "? ", "a: ", "!", "&a ", "'", "#", "\n\n", "\t", "|", "%", ": ", ", "] {
            let text = String(repeating: piece, count: min(count, Limits.documentBytes / piece.utf8.count))
            _ = try? parse(text)
        }
    }

    @Test func `no bytes make it trap`() {
        var state: UInt64 = 5
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let sample = Array("a: [1, {b: \"c\"}]\nd:\n  - e: |\n      text\n    f: 'g'\n".utf8)
        for _ in 0..<3_000 {
            var bytes = sample
            for _ in 0...(next() % 6) { bytes[Int(next()) % bytes.count] = UInt8(truncatingIfNeeded: next()) }
            _ = try? YAML.parse(bytes, file: "f.yaml")
        }
    }
}
