import MusterModel
import Testing

private func place(_ line: Int) -> SourcePosition { SourcePosition(file: "f.yaml", line: line, column: 3) }

private func scalar(_ text: String, quoted: Bool = false, line: Int = 9) -> ConfigNode {
    ConfigNode(.scalar(text, isQuoted: quoted), at: place(line))
}

private func list(_ nodes: ConfigNode...) -> ConfigNode { ConfigNode(.sequence(nodes), at: place(8)) }

private func mapping(_ entries: (String, ConfigNode)...) -> ConfigNode {
    let entries = entries.enumerated().map { index, entry in
        ConfigNode.Entry(key: entry.0, keyPosition: place(index + 1), value: entry.1)
    }
    return ConfigNode(.mapping(entries), at: place(1))
}

/// The error of reading a document with one key `k`.
private func failure<Value>(
    _ node: ConfigNode, path: String = "", _ read: (inout ConfigReader) throws(ConfigError) -> Value
) -> String? {
    do throws(ConfigError) {
        var reader = try ConfigReader(mapping(("k", node)), path: path)
        _ = try read(&reader)
        return nil
    } catch {
        return error.description
    }
}

@Suite struct ConfigReaders {
    @Test func `values are read by type`() throws {
        var reader = try ConfigReader(
            mapping(
                ("text", scalar("a")), ("quoted", scalar("5", quoted: true)), ("number", scalar("5")),
                ("yes", scalar("true")),
                ("duration", scalar("1m30s")), ("size", scalar("2KiB")), ("list", list(scalar("a"), scalar("b"))),
                ("labels", mapping(("x", scalar("1")))), ("choice", scalar("b")), ("null", scalar("~")),
                ("inner", mapping(("deep", scalar("1"))))))
        #expect(try reader.string("text") == "a" && reader.string("quoted") == "5" && reader.string("absent") == nil)
        #expect(try reader.integer("number", in: 1...9) == 5 && reader.boolean("yes") == true)
        #expect(try reader.duration("duration", in: .zero ... .hours(1)) == .seconds(90))
        #expect(try reader.bytes("size", in: 0...4_096) == 2_048)
        #expect(try reader.strings("list") == ["a", "b"] && reader.labels("labels") == ["x": "1"])
        #expect(try reader.string("choice", oneOf: ["a", "b"]) == "b")
        #expect(try reader.string("null") == nil && reader.node("null") == nil)
        var inner = try #require(try reader.mapping("inner"))
        #expect(inner.path("deep") == "inner.deep")
        #expect(try inner.integer("deep", in: 0...1) == 1)
        #expect(throws: Never.self) { try inner.finish() }
        #expect(throws: Never.self) { try reader.finish() }
    }

    @Test func `a wrong value says what it is and what is allowed`() {
        #expect(
            failure(list()) { r throws(ConfigError) in try r.string("k") }
                == "f.yaml:8:3: 'k' is a list; allowed: a text")
        #expect(
            failure(scalar("x")) { r throws(ConfigError) in try r.integer("k", in: 1...5) }
                == "f.yaml:9:3: 'k' is \"x\"; allowed: a whole number from 1 to 5")
        #expect(failure(scalar("6")) { r throws(ConfigError) in try r.integer("k", in: 1...5) } != nil)
        #expect(failure(scalar("3", quoted: true)) { r throws(ConfigError) in try r.integer("k", in: 1...5) } != nil)
        #expect(
            failure(scalar("yes")) { r throws(ConfigError) in try r.boolean("k") }
                == "f.yaml:9:3: 'k' is \"yes\"; allowed: true or false")
        #expect(failure(scalar("true", quoted: true)) { r throws(ConfigError) in try r.boolean("k") } != nil)
        #expect(
            failure(scalar("c")) { r throws(ConfigError) in try r.string("k", oneOf: ["a", "b"]) }
                == "f.yaml:9:3: 'k' is \"c\"; allowed: a, b")
        #expect(failure(scalar("2h")) { r throws(ConfigError) in try r.duration("k", in: .zero ... .hours(1)) } != nil)
        #expect(
            failure(scalar("x")) { r throws(ConfigError) in try r.strings("k") }
                == "f.yaml:9:3: 'k' is \"x\"; allowed: a list")
        #expect(
            failure(list(scalar("a"), list())) { r throws(ConfigError) in try r.strings("k") }
                == "f.yaml:8:3: 'k[1]' is a list; allowed: a text")
        #expect(
            failure(mapping(("x", list()))) { r throws(ConfigError) in try r.labels("k") }
                == "f.yaml:8:3: 'k.x' is a list; allowed: a text")
        #expect(
            failure(scalar("x")) { r throws(ConfigError) in try r.mapping("k") }
                == "f.yaml:9:3: 'k' is \"x\"; allowed: a mapping of keys")
    }

    @Test(
        arguments: [
            ("0", 0), ("1024", 1_024), ("1B", 1), ("1KiB", 1_024), ("3MiB", 3 << 20), ("2GiB", 2 << 30),
            ("1TiB", 1 << 40), ("1KB", nil),
            ("KiB", nil), ("-1", nil), ("1.5MiB", nil), ("1 MiB", nil), ("9999999999TiB", nil),
            ("99999999999999999999", nil), ("", nil),
        ] as [(String, Int?)])
    func `sizes have binary units`(text: String, bytes: Int?) throws {
        var reader = try ConfigReader(mapping(("k", scalar(text, quoted: true))))
        #expect((try? reader.bytes("k", in: 0...(1 << 50))) == bytes)
    }

    @Test func `an unknown key is refused with those that were asked for`() throws {
        var reader = try ConfigReader(mapping(("a", scalar("1")), ("strange", scalar("2"))), path: "top")
        _ = try reader.string("a")
        _ = try reader.string("b")
        do throws(ConfigError) {
            try reader.finish()
            Issue.record("no error")
        } catch {
            #expect(error.description == "f.yaml:2:3: 'top.strange' is unknown; allowed: a, b")
        }
        do throws(ConfigError) {
            try ConfigReader(mapping(("a", scalar("1")))).finish()
            Issue.record("no error")
        } catch {
            #expect(error.allowed == "no keys here")
        }
    }

    @Test func `a missing key is named with its mapping's place`() {
        #expect(
            failure(scalar("1"), path: "top") { r throws(ConfigError) in try r.required("gone", allowed: "a text") }
                == "f.yaml:1:3: 'top.gone' is missing; allowed: a text")
        #expect(failure(scalar("null")) { r throws(ConfigError) in try r.required("k", allowed: "a text") } != nil)
    }

    @Test func `null is an empty mapping and anything else none`() {
        for text in ["", "~", "null"] { #expect(throws: Never.self) { try ConfigReader(scalar(text)) } }
        #expect(throws: ConfigError.self) { try ConfigReader(scalar("null", quoted: true)) }
        #expect(throws: ConfigError.self) { try ConfigReader(list()) }
    }

    @Test func `errors about several values stand at the key or at the mapping`() throws {
        let reader = try ConfigReader(mapping(("a", scalar("1", line: 5))), path: "p")
        #expect(reader.error("a", "is odd", allowed: "even").description == "f.yaml:5:3: 'p.a' is odd; allowed: even")
        #expect(reader.error("b", "is odd", allowed: "").description == "f.yaml:1:3: 'p.b' is odd")
    }
}
