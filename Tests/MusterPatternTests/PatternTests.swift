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

    @Test func `matchers of labels use it`() throws {
        let matcher = try LabelMatcher("path", .matches, "/v1/.*", compiler: RE2Compiler())
        #expect(matcher.isMatch(["path": "/v1/users"]))
        #expect(!matcher.isMatch(["other": "x"]))
        #expect(try LabelMatcher("path", .notMatches, "/v1/.*", compiler: RE2Compiler()).isMatch(Labels()))
        #expect(throws: PatternError.self) { try LabelMatcher("path", .matches, "(", compiler: RE2Compiler()) }
    }
}
