import MusterModel
import MusterPattern
import Testing

@Suite struct Patterns {
    @Test(arguments: [
        ("abc", "abc", true), ("abc", "xabc", false), ("abc", "abcx", false), ("a|b", "b", true), ("a|bc", "ac", false),
        ("", "", true), ("", "a", false), (".*", "", true), (".+", "", false), (".*", "two\nlines", true),
        ("/v[12]/.*", "/v2/users", true), ("(?i)api", "API", true), (#"\d+"#, "123", true), (#"\d+"#, "12a", false),
        ("grün.", "grüne", true), (#"\pL+"#, "Ωμέγα", true), ("a.c", "a\0c", true), ("^a$", "a", true),
    ])
    func `the whole text has to match`(expression: String, text: String, matches: Bool) throws {
        #expect(try RE2Compiler().compile(expression).isFullMatch(text) == matches)
    }

    @Test(arguments: [
        ("(", "missing )"), ("[a", "missing ]"), ("a**", "bad repetition"), ("a{5000}", "repetition"),
        (#"\1"#, "invalid escape"), ("(?=a)", "perl"), ("*", "repetition"), ("(?P<n", "capture"),
    ])
    func `an invalid expression says why`(expression: String, reason: String) {
        do throws(PatternError) {
            _ = try RE2Compiler().compile(expression)
            Issue.record("\(expression) compiled")
        } catch {
            #expect(error.expression == expression)
            #expect(error.reason.contains(reason), "\(error)")
            #expect(error.description.hasPrefix("the regular expression \"\(expression)\" is not valid: "))
        }
    }

    @Test func `an expression that needs too much memory is refused`() {
        let expression = String(repeating: #"(\pL{100}\pN{100}){5}"#, count: 40)
        #expect(throws: PatternError.self) { try RE2Compiler().compile(expression) }
    }

    @Test func `an expression that is too long is refused`() throws {
        let longest = String(repeating: "a", count: RE2Compiler.expressionBytes)
        #expect(try RE2Compiler().compile(longest).isFullMatch(longest))
        #expect(throws: PatternError.self) { try RE2Compiler().compile(longest + "a") }
    }

    /// A backtracking engine needs 2^30 steps and more for this one.
    @Test(.timeLimit(.minutes(1))) func `time is linear`() throws {
        let pattern = try RE2Compiler().compile("(a*)*b")
        let text = String(repeating: "a", count: 100_000)
        #expect(!pattern.isFullMatch(text))
        #expect(pattern.isFullMatch(text + "b"))
    }

    @Test func `one pattern serves many tasks`() async throws {
        let pattern = try RE2Compiler().compile("host-[0-9]+")
        let hits = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask { (0..<2_000).count { pattern.isFullMatch($0 % 2 == 0 ? "host-\($0)" : "other-\($0)") } }
            }
            return await group.reduce(0, +)
        }
        #expect(hits == 8_000)
    }

    @Test(
        arguments: [
            ("(.*):(.*)", "host:9100", ["host:9100", "host", "9100"]), ("(a)|(b)", "b", ["b", nil, "b"]),
            ("(a)|(b)", "c", nil), ("(a)|(b)", "ab", nil), ("x(y)?z", "xz", ["xz", nil]), ("x(y*)z", "xz", ["xz", ""]),
            ("abc", "abc", ["abc"]), ("abc", "abcd", nil), ("", "", [""]), ("(.*)", "", ["", ""]),
            ("((ä)(.))+", "äxäy", ["äxäy", "äy", "ä", "y"]), ("(?:a)(b)", "ab", ["ab", "b"]),
            ("(.)", "\n", ["\n", "\n"]),
            ("(.)b", "\0b", ["\0b", "\0"]),
        ] as [(String, String, [String?]?)])
    func `groups say what they captured of a text that matches as a whole`(
        expression: String, text: String, captures: [String?]?
    ) throws {
        #expect(try RE2Compiler().compile(expression).captures(text) == captures)
    }

    @Test func `groups have numbers and may have names`() throws {
        let pattern = try RE2Compiler().compile("(?P<host>[a-z]+)-(\\d+):(?P<port>\\d+)")
        #expect(pattern.groupNames == ["host": 1, "port": 3])
        #expect(pattern.captures("web-7:80") == ["web-7:80", "web", "7", "80"])
        #expect(try RE2Compiler().compile("(a)(?:b)").groupNames == [:])
        #expect(try RE2Compiler().compile("ab").groupNames == [:])
    }

    @Test func `matchers of labels use it`() throws {
        let matcher = try LabelMatcher("path", .matches, "/v1/.*", compiler: RE2Compiler())
        #expect(matcher.isMatch(["path": "/v1/users"]))
        #expect(!matcher.isMatch(["other": "x"]))
        #expect(try LabelMatcher("path", .notMatches, "/v1/.*", compiler: RE2Compiler()).isMatch(Labels()))
        #expect(throws: PatternError.self) { try LabelMatcher("path", .matches, "(", compiler: RE2Compiler()) }
    }

    /// What a matcher finds out without the engine, and what the engine says: short texts over a small alphabet.
    @Test func `simple expressions mean to a matcher what they mean to the engine`() throws {
        let texts = ["", "a", "b", "ab", "ba", "aa", "aba", "a.b", "a|b", ".", "\n", "a\nb", "(a)", "$a", "ä", "aä"]
        let expressions = [
            "", "a", "a|b", "a|", "|", "a|a|ab", "(a|b)", "(?:a|ab)", "^a$", "^(a|b)$", "^a|b$", ".*", ".+", "a.*",
            "a.+",
            ".*a", ".+a", ".*a.*", ".+b.+", ".*a.+", "a\\.b", "a\\|b", "\\(a\\)", "\\$a", "ä", ".*ä", "ä.*", "^.*$",
            "(.*)",
            "(a.+)", "a.b", "a.*b", "a*", "a?", "a+", "[ab]", "(a)(b)", "(a)|(b)", "a{2}", "(?i)A", ".*.*", ".", "..",
            ".*?", ".+?", "a$|b", "(?:a)|b", "\\.", "a\\nb", "$", "^", "^^a", "a$$", "a\\$",
        ]
        for expression in expressions {
            let pattern = try RE2Compiler().compile(expression)
            let matcher = try LabelMatcher("x", .matches, expression, compiler: RE2Compiler())
            let opposite = try LabelMatcher("x", .notMatches, expression, compiler: RE2Compiler())
            for text in texts {
                #expect(matcher.isMatch(text) == pattern.isFullMatch(text), "\(expression) \(text)")
                #expect(opposite.isMatch(text) != pattern.isFullMatch(text), "\(expression) \(text)")
            }
            for literal in matcher.literals ?? [] { #expect(pattern.isFullMatch(literal), "\(expression) \(literal)") }
            if let literals = matcher.literals {
                #expect(texts.filter(pattern.isFullMatch).allSatisfy(literals.contains), "\(expression)")
            }
        }
    }

    @Test(
        arguments: [
            ("b+", "abbbc", [1..<4]), ("^b", "ab", nil), ("(a)(x)?", "za", [1..<2, 1..<2, nil]), ("", "abc", [0..<0]),
            ("a.c", "a\nc", nil), ("(?i)ERROR", "an error", [3..<8]), (#"\bid\b"#, "void id", [5..<7]),
            ("ü", "grün", [2..<4]),
            ("(?P<n>[0-9]+)ms", "took 12ms", [5..<9, 5..<7]),
        ] as [(String, String, [Range<Int>?]?)])
    func `a search finds the first place`(expression: String, text: String, spans: [Range<Int>?]?) throws {
        let pattern = try RE2Compiler().compileSearch(expression)
        let bytes = Array(text.utf8)
        #expect(pattern.firstMatch(in: bytes.span, from: 0) == spans)
        #expect(pattern.isFound(in: bytes.span) == (spans != nil))
    }

    @Test func `a search goes on where it is told`() throws {
        let pattern = try RE2Compiler().compileSearch("a+")
        let bytes = Array("aa b aaa".utf8)
        #expect(pattern.firstMatch(in: bytes.span, from: 2) == [5..<8])
        #expect(pattern.firstMatch(in: bytes.span, from: 8) == nil)
        #expect(pattern.firstMatch(in: bytes.span, from: 9) == nil)
        #expect(pattern.firstMatch(in: bytes.span, from: -1) == nil)
        #expect(try RE2Compiler().compileSearch("(?P<x>a)").groupNames == ["x": 1])
        #expect(throws: PatternError.self) { try RE2Compiler().compileSearch("(") }
    }

    @Test func `bytes that are no UTF-8 hide nothing`() throws {
        let bytes: [UInt8] = [0xff, 0xfe, 0x80] + Array("needle".utf8) + [0xc3]
        #expect(try RE2Compiler().compileSearch("needle").isFound(in: bytes.span))
        #expect(try !RE2Compiler().compileSearch("^.{3}needle").isFound(in: bytes.span))
    }
}
