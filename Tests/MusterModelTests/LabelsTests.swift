import MusterModel
import Testing

/// Expressions are literal texts; `(` is invalid.
private struct Literal: PatternCompiler {
    struct Text: Pattern {
        let text: String
        func isFullMatch(_ actual: String) -> Bool { actual == text }
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern {
        guard expression != "(" else { throw PatternError(expression: expression, reason: "missing )") }
        return Text(text: expression)
    }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        throw PatternError(expression: expression, reason: "nothing is searched here")
    }
}

@Suite struct LabelSets {
    @Test func `labels are sorted and of one name the later wins`() {
        let labels = Labels([("b", "1"), ("a", "2"), ("b", "3")])
        #expect(labels.pairs == [.init("a", "2"), .init("b", "3")])
        #expect(labels == Labels(["a": "2", "b": "3"]) && labels == ["b": "3", "a": "2"])
        #expect(labels.hashValue == Labels(["b": "3", "a": "2"]).hashValue)
        #expect(labels.count == 2 && !labels.isEmpty && Labels().isEmpty)
        #expect(labels.dictionary == ["a": "2", "b": "3"])
    }

    @Test func `a label is read, written and removed by name`() {
        var labels: Labels = ["m": "1"]
        labels["z"] = "2"
        labels["a"] = "3"
        labels["m"] = "4"
        labels["nothing"] = nil
        #expect(labels.pairs.map(\.name) == ["a", "m", "z"] && labels["m"] == "4" && labels["x"] == nil)
        labels["m"] = nil
        #expect(labels.pairs.map(\.name) == ["a", "z"])
    }

    @Test func `merging lets the other win and filtering keeps by name`() {
        let a: Labels = ["x": "1", "y": "2"]
        #expect(a.merging(["y": "3", "z": "4"]) == ["x": "1", "y": "3", "z": "4"])
        #expect(a.filtered { $0 == "y" } == ["y": "2"])
    }

    @Test(
        arguments: [
            ([:], "{}"), (["__name__": "up"], "up"), (["a": "b"], #"{a="b"}"#),
            (["__name__": "up", "b": "2", "a": "1"], #"up{a="1",b="2"}"#), (["a": "q\"\\\nz"], #"{a="q\"\\\nz"}"#),
        ] as [(Labels, String)])
    func `labels print as Prometheus prints them`(labels: Labels, text: String) {
        #expect(labels.description == text)
    }

    @Test func `the metric's name is a label`() {
        #expect((["__name__": "up"] as Labels).metricName == "up" && Labels().metricName == "")
    }

    @Test(arguments: [
        (LabelMatcher.Operator.equal, "v", [true, false, false]), (.equal, "", [false, false, true]),
        (.notEqual, "v", [false, true, true]), (.notEqual, "", [true, true, false]),
        (.matches, "v", [true, false, false]),
        (.matches, "", [false, false, true]), (.notMatches, "v", [false, true, true]),
    ])
    func `an absent label counts as empty`(op: LabelMatcher.Operator, value: String, expected: [Bool]) throws {
        let matcher = try LabelMatcher("a", op, value, compiler: Literal())
        #expect([["a": "v"], ["a": "w"], ["b": "v"]].map { matcher.isMatch(Labels($0)) } == expected)
    }

    @Test func `matchers print and refuse what does not compile`() throws {
        #expect(try LabelMatcher("a", .notMatches, "x\"", compiler: Literal()).description == #"a!~"x\"""#)
        #expect(LabelMatcher("a", equals: "b").description == #"a="b""#)
        #expect(throws: PatternError(expression: "(", reason: "missing )")) {
            try LabelMatcher("a", .matches, "(", compiler: Literal())
        }
        // An equality never asks the compiler.
        #expect(throws: Never.self) { try LabelMatcher("a", .equal, "(", compiler: Literal()) }
    }
}

@Suite struct LabelNames {
    @Test(arguments: ["a", "_", "__name__", "A9_z", "le"]) func `these may be names`(name: String) {
        #expect(Labels.isName(name))
    }

    @Test(arguments: ["", "9a", "a-b", "a.b", "a b", "é", "٣", "a\u{0}"]) func `these may not`(name: String) {
        #expect(!Labels.isName(name))
    }
}

@Suite struct Samples {
    @Test func `samples are equal to the bit`() {
        let nan = Sample(milliseconds: 1, value: .nan)
        #expect(nan == nan)
        #expect(nan != Sample(milliseconds: 1, value: Double(bitPattern: 0x7ff8_0000_0000_0001)))
        #expect(Sample(milliseconds: 1, value: 0.0) != Sample(milliseconds: 1, value: -0.0))
        #expect(Sample(milliseconds: 1, value: 1) != Sample(milliseconds: 2, value: 1))
        #expect(Sample(milliseconds: 7, value: 1.5).description == "1.5@7")
    }

    @Test func `only the stale marker is the stale marker`() {
        #expect(StaleMarker.isMarker(StaleMarker.value) && StaleMarker.value.isNaN)
        #expect(!StaleMarker.isMarker(.nan) && !StaleMarker.isMarker(0))
        #expect(StaleMarker.value.bitPattern == 0x7ff0_0000_0000_0002)
    }
}
