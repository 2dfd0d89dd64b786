import MusterModel
import Testing

/// Says of what it was asked to compile that it is an error.
private struct Engine: PatternCompiler {
    func compile(_ expression: String) throws(PatternError) -> any Pattern {
        throw PatternError(expression: expression, reason: "asked")
    }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        throw PatternError(expression: expression, reason: "nothing is searched here")
    }
}

@Suite struct SimpleMatchers {
    @Test(
        arguments: [
            ("api", ["api"]), ("a|b|c", ["a", "b", "c"]), ("a|b|a", ["a", "b"]), ("(a|b)", ["a", "b"]),
            ("(?:a|b)", ["a", "b"]), ("^(a|b)$", ["a", "b"]), ("^a$", ["a"]), ("", [""]), ("a|", ["a", ""]),
            (#"10\.0\.0\.1:9100"#, ["10.0.0.1:9100"]), (#"a\-b"#, ["a-b"]), (#"a\$"#, ["a$"]),
            ("grün|β", ["grün", "β"]),
            (".*", nil), (".+", nil), ("a.*", nil), (".*a.+", nil),
        ] as [(String, [String]?)])
    func `literals in disguise need no engine`(expression: String, literals: [String]?) throws {
        #expect(try LabelMatcher("x", .matches, expression, compiler: Engine()).literals == literals)
        #expect(try LabelMatcher("x", .notMatches, expression, compiler: Engine()).literals == nil)
    }

    @Test(arguments: [
        "a.c", "a*", "[ab]", "(a)(b)", "(a|b)c", "a|b.*", "(?i)a", #"\d"#, "a{2}", "a?", "^^", "(", ".*.*", ".*?",
        "a.*b",
        #"a\"#, "(a", "((a))",
    ])
    func `anything more is the engine's`(expression: String) {
        #expect(throws: PatternError.self) { try LabelMatcher("x", .matches, expression, compiler: Engine()) }
    }

    @Test(
        arguments: [
            (".*", ["", "a", "\n"], []), (".+", ["a", "\n"], [""]), ("/v1/.*", ["/v1/", "/v1/x"], ["/v1", "x/v1/"]),
            ("/v1/.+", ["/v1/x"], ["/v1/"]), (".*fs", ["fs", "tmpfs"], ["fsx", ""]), (".+fs", ["tmpfs"], ["fs"]),
            (".*fs.*", ["fs", "tmpfs", "fsx", "xfsx"], ["f", "fxs"]), (".+aa.*", ["aaa", "xaa"], ["aa"]),
            ("a|b", ["a", "b"], ["ab", "", "c"]), (".*é", ["é", "xé"], ["e"]), ("e.*", ["e", "e\u{301}"], ["f"]),
        ] as [(String, [String], [String])])
    func `texts beside a gap`(expression: String, matching: [String], other: [String]) throws {
        let matcher = try LabelMatcher("x", .matches, expression, compiler: Engine())
        #expect(matching.allSatisfy(matcher.isMatch) && !other.contains(where: matcher.isMatch))
        let opposite = try LabelMatcher("x", .notMatches, expression, compiler: Engine())
        #expect(!matching.contains(where: opposite.isMatch) && other.allSatisfy(opposite.isMatch))
    }

    @Test func `many literals are looked up as a few are`() throws {
        let literals = (0..<1_000).map { "host-\($0)" }
        let matcher = try LabelMatcher("x", .matches, literals.joined(separator: "|"), compiler: Engine())
        #expect(matcher.literals == literals)
        #expect(literals.allSatisfy(matcher.isMatch) && !matcher.isMatch("host-") && !matcher.isMatch("host-1000"))
    }

    @Test func `equality lists its value`() throws {
        #expect(LabelMatcher("x", equals: "a.*").literals == ["a.*"])
        #expect(try LabelMatcher("x", .notEqual, "a", compiler: Engine()).literals == nil)
        #expect(try LabelMatcher("x", .notEqual, "a", compiler: Engine()).isMatch("b"))
    }

    @Test func `pairs that are sorted make labels without sorting`() {
        #expect(Labels(sortedPairs: [.init("a", "1"), .init("b", "2")]) == ["b": "2", "a": "1"])
        #expect(Labels(sortedPairs: []) == [:])
    }
}
