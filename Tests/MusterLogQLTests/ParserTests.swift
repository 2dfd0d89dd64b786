import MusterLogQL
import Testing

/// Queries in any spelling and as they are written back.
private let readable: [(String, String)] = [
    (#"{job="a"}"#, #"{job="a"}"#),
    (#"  {job="a",}  "#, #"{job="a"}"#),
    (#"({job="a"})"#, #"{job="a"}"#),
    (#"{job="a", b!="c", d=~"e|f", g!~"h.*"}"#, #"{job="a", b!="c", d=~"e|f", g!~"h.*"}"#),
    ("{job=`a\\b`}", #"{job="a\\b"}"#),
    (#"{job=~".+"}"#, #"{job=~".+"}"#),
    (#"{job="\u00e9\x41\101\n"}"#, #"{job="éAA\n"}"#),
    (#"{job="a"} |= "x""#, #"{job="a"} |= "x""#),
    (#"{job="a"}|="x"!="y"|~"z"!~"w""#, #"{job="a"} |= "x" != "y" |~ "z" !~ "w""#),
    (#"{job="a"} |= "x" or "y" or `z`"#, #"{job="a"} |= "x" or "y" or "z""#),
    ("{job=\"a\"} # streams\n |= \"x\" # text", #"{job="a"} |= "x""#),
    (#"({job="a"} |= "x") |= "y""#, #"{job="a"} |= "x" |= "y""#),
    (#"{job="a"} | json"#, #"{job="a"} | json"#),
    (#"{job="a"} | json a="b.c[0]", d"#, #"{job="a"} | json a="b.c[0]", d="d""#),
    (#"{job="a"} | json a="[\"b c\"].d""#, #"{job="a"} | json a="[\"b c\"].d""#),
    (#"{job="a"} | json != "x""#, #"{job="a"} | json != "x""#),
    (#"{job="a"} | logfmt"#, #"{job="a"} | logfmt"#),
    (#"{job="a"} | logfmt --strict --keep-empty a, b="c""#, #"{job="a"} | logfmt --strict --keep-empty a="a", b="c""#),
    (#"{job="a"} | regexp `(?P<x>\d+)`"#, #"{job="a"} | regexp "(?P<x>\\d+)""#),
    (#"{job="a"} | pattern `<ip> - <_> "<m>"`"#, #"{job="a"} | pattern "<ip> - <_> \"<m>\"""#),
    (#"{job="a"} | unpack"#, #"{job="a"} | unpack"#),
    (#"{job="a"} | decolorize"#, #"{job="a"} | decolorize"#),
    (#"{job="a"} | status=500"#, #"{job="a"} | status == 500"#),
    (#"{job="a"} | status != 5e2"#, #"{job="a"} | status != 500"#),
    (#"{job="a"} | a < -1.5"#, #"{job="a"} | a < -1.5"#),
    (#"{job="a"} | a > 0x10"#, #"{job="a"} | a > 16"#),
    (#"{job="a"} | a >= 250ms"#, #"{job="a"} | a >= 250ms"#),
    (#"{job="a"} | a > 1h30m"#, #"{job="a"} | a > 1h30m"#),
    (#"{job="a"} | a > 1.5s"#, #"{job="a"} | a > 1s500ms"#),
    (#"{job="a"} | a > -5µs"#, #"{job="a"} | a > -5us"#),
    (#"{job="a"} | a <= 20KB"#, #"{job="a"} | a <= 20000B"#),
    (#"{job="a"} | a < 5MiB"#, #"{job="a"} | a < 5242880B"#),
    (#"{job="a"} | a="x" | b=~"y" | c!~"z""#, #"{job="a"} | a="x" | b=~"y" | c!~"z""#),
    (#"{job="a"} | a="x" and b="y" or c="z""#, #"{job="a"} | a="x" and b="y" or c="z""#),
    (#"{job="a"} | a="x" or b="y" and c="z""#, #"{job="a"} | a="x" or b="y" and c="z""#),
    (#"{job="a"} | (a="x" or b="y") and c="z""#, #"{job="a"} | (a="x" or b="y") and c="z""#),
    (#"{job="a"} | a="x", b="y" c="z""#, #"{job="a"} | a="x" and b="y" and c="z""#),
    (#"{job="a"} | a="x" (b=1 or c=2)"#, #"{job="a"} | a="x" and (b == 1 or c == 2)"#),
    (#"{job="a"} | a="x" and (b="y" and c="z")"#, #"{job="a"} | a="x" and (b="y" and c="z")"#),
    (#"{job="a"} | ((a="x"))"#, #"{job="a"} | a="x""#),
    (#"{job="a"} | json="x""#, #"{job="a"} | json="x""#),
    (#"{job="a"} | line_format "{{.a}} {{ .b | ToUpper }}""#, #"{job="a"} | line_format "{{.a}} {{ .b | ToUpper }}""#),
    (
        #"{job="a"} | line_format `{{ replace "a" "b" .c }}`"#,
        #"{job="a"} | line_format "{{ replace \"a\" \"b\" .c }}""#
    ),
    (#"{job="a"} | label_format a=b, c="{{.d}}""#, #"{job="a"} | label_format a=b, c="{{.d}}""#),
    (#"{job="a"} | drop a, b="c", d=~"e" | keep f"#, #"{job="a"} | drop a, b="c", d=~"e" | keep f"#),
    (#"rate({job="a"}[5m])"#, #"rate({job="a"} [5m])"#),
    (#"rate({job="a"}[5m] |= "x")"#, #"rate({job="a"} |= "x" [5m])"#),
    (#"rate({job="a"} |= "x" [5m])"#, #"rate({job="a"} |= "x" [5m])"#),
    (#"rate(({job="a"} |= "x")[5m])"#, #"rate({job="a"} |= "x" [5m])"#),
    (#"rate(({job="a"} |= "x" [5m]))"#, #"rate({job="a"} |= "x" [5m])"#),
    (#"count_over_time({job="a"}[1d] offset 1w)"#, #"count_over_time({job="a"} [24h] offset 168h)"#),
    (#"count_over_time({job="a"}[5m] offset -1h)"#, #"count_over_time({job="a"} [5m] offset -1h)"#),
    (#"count_over_time({job="a"} | a > 5 [90s])"#, #"count_over_time({job="a"} | a > 5 [1m30s])"#),
    (#"bytes_rate({job="a"}[1m])"#, #"bytes_rate({job="a"} [1m])"#),
    (#"bytes_over_time({job="a"}[1m])"#, #"bytes_over_time({job="a"} [1m])"#),
    (#"absent_over_time({job="a"}[1m])"#, #"absent_over_time({job="a"} [1m])"#),
    (#"sum_over_time({job="a"} | unwrap x [1m])"#, #"sum_over_time({job="a"} | unwrap x [1m])"#),
    (#"rate({job="a"} | json | unwrap bytes(x) [1m])"#, #"rate({job="a"} | json | unwrap bytes(x) [1m])"#),
    (
        #"avg_over_time({job="a"} | unwrap duration(x) | __error__="" [1m]) by (b)"#,
        #"avg_over_time({job="a"} | unwrap duration(x) | __error__="" [1m]) by (b)"#
    ),
    (
        #"max_over_time without (b) ({job="a"} | unwrap duration_seconds(x) [1m])"#,
        #"max_over_time({job="a"} | unwrap duration_seconds(x) [1m]) without (b)"#
    ),
    (
        #"quantile_over_time(0.95, {job="a"} | unwrap x [1m])"#,
        #"quantile_over_time(0.95, {job="a"} | unwrap x [1m])"#
    ),
    (#"sum(rate({job="a"}[1m]))"#, #"sum(rate({job="a"} [1m]))"#),
    (#"sum by (a, b) (rate({job="a"}[1m]))"#, #"sum by (a, b) (rate({job="a"} [1m]))"#),
    (#"sum(rate({job="a"}[1m])) by (a,b,)"#, #"sum by (a, b) (rate({job="a"} [1m]))"#),
    (#"avg without(a)(rate({job="a"}[1m]))"#, #"avg without (a) (rate({job="a"} [1m]))"#),
    (#"count by () (rate({job="a"}[1m]))"#, #"count by () (rate({job="a"} [1m]))"#),
    (#"topk(3, rate({job="a"}[1m])) by (a)"#, #"topk by (a) (3, rate({job="a"} [1m]))"#),
    (#"sort_desc(bottomk(1, rate({job="a"}[1m])))"#, #"sort_desc(bottomk(1, rate({job="a"} [1m])))"#),
    ("vector(1)+vector(1)", "vector(1) + vector(1)"),
    ("1 + 2 * 3", "1 + 2 * 3"),
    ("(1 + 2) * 3", "(1 + 2) * 3"),
    ("1 - 2 - 3", "1 - 2 - 3"),
    ("1 - (2 - 3)", "1 - (2 - 3)"),
    ("2 ^ 3 ^ 2", "2 ^ 3 ^ 2"),
    ("(2 ^ 3) ^ 2", "(2 ^ 3) ^ 2"),
    ("-2 * +3", "-2 * 3"),
    ("1 > bool 2", "1 > bool 2"),
    ("vector(1) == on (a) vector(2)", "vector(1) == on (a) vector(2)"),
    ("vector(1) / ignoring(a,b) vector(2)", "vector(1) / ignoring (a, b) vector(2)"),
    ("vector(1) or vector(2) and vector(3)", "vector(1) or vector(2) and vector(3)"),
    ("(vector(1) or vector(2)) unless on () vector(3)", "(vector(1) or vector(2)) unless on () vector(3)"),
    ("vector(1) + 1 > 1", "vector(1) + 1 > 1"),
    (
        #"label_replace(vector(1), "a", "$1", "b", "(.*)")"#,
        #"label_replace(vector(1), "a", "$1", "b", "(.*)")"#
    ),
]

/// Queries that are wrong, where, and a piece of what is said.
private let unreadable: [(String, column: Int, String)] = [
    ("", 1, "empty"),
    ("   # only a comment", 20, "empty"),
    ("{}", 1, "no empty value"),
    (#"{job=""}"#, 1, "no empty value"),
    (#"{job=~".*"}"#, 1, "no empty value"),
    (#"{job!="a"}"#, 1, "no empty value"),
    (#"{job="a""#, 9, "expected \"}\""),
    (#"{job=a}"#, 6, "double quotes"),
    (#"{job='a'}"#, 6, "not in '"),
    (#"{job="a}"#, 6, "closing quote"),
    ("{job=`a}", 6, "closing `"),
    (#"{job="\d"}"#, 7, "escape"),
    (#"{job=~"("}"#, 7, "not valid"),
    (#"{"job"="a"}"#, 2, "a label's name"),
    (#"{job>"a"}"#, 5, "=, !=, =~ or !~"),
    (#"{job="a"} extra"#, 11, "the end of the query"),
    (#"{job="a"} |= 5"#, 14, "double quotes"),
    (#"{job="a"} |= "a" or"#, 20, "the end of the query"),
    (#"{job="a"} |~ "[""#, 14, "not valid"),
    (#"{job="a"} |> "<_>""#, 11, "pattern filter"),
    (#"{job="a"} !> "<_>""#, 11, "pattern filter"),
    (#"{job="a"} |= ip("::1")"#, 14, "ip(...)"),
    (#"{job="a"} | a = ip("::1")"#, 17, "ip(...)"),
    (#"{job="a"} |"#, 12, "a stage"),
    (#"{job="a"} | jsn"#, 13, "is no stage"),
    (#"{job="a"} | frobnicate "x""#, 13, "is no stage"),
    (#"{job="a"} | json a="b..c""#, 20, "no path"),
    (#"{job="a"} | json a="[x]""#, 20, "no path"),
    (#"{job="a"} | json a="""#, 20, "no path"),
    (#"{job="a"} | logfmt --fast"#, 22, "--keep-empty"),
    (#"{job="a"} | regexp "a(b)""#, 20, "groups named"),
    (#"{job="a"} | regexp "(""#, 20, "not valid"),
    (#"{job="a"} | pattern "abc""#, 21, "captures nothing"),
    (#"{job="a"} | pattern "<a><b>""#, 21, "without text"),
    (#"{job="a"} | pattern "<a> <a>""#, 21, "twice"),
    (#"{job="a"} | line_format 5"#, 25, "double quotes"),
    (#"{job="a"} | line_format "{{.a""#, 25, "does not close"),
    (#"{job="a"} | line_format "{{}}""#, 25, "empty"),
    (#"{job="a"} | line_format "{{ printf .a }}""#, 25, "printf"),
    (#"{job="a"} | line_format "{{ replace .a }}""#, 25, "it takes 3"),
    (#"{job="a"} | line_format "{{ .a .b }}""#, 25, "no function"),
    (#"{job="a"} | line_format "{{ if .a }}x{{ end }}""#, 25, "if"),
    (#"{job="a"} | label_format a"#, 27, "\"=\""),
    (#"{job="a"} | label_format a=b, a=c"#, 31, "twice"),
    (#"{job="a"} | label_format a=5"#, 28, "double quotes"),
    (#"{job="a"} | drop"#, 17, "a label's name"),
    (#"{job="a"} | unwrap x"#, 13, "metric query"),
    (#"{job="a"} | a > "x""#, 17, "a number"),
    (#"{job="a"} | a =~ 5"#, 18, "double quotes"),
    (#"{job="a"} | a > 5parsecs"#, 17, "no number"),
    (#"{job="a"} | a > -5MB"#, 17, "no number"),
    (#"{job="a"} | (a > 5"#, 19, "\")\""),
    (#"{job="a"} | a > 5 or"#, 21, "a condition"),
    ("rate()", 6, "streams such as"),
    (#"rate({job="a"})"#, 15, "a range such as [5m]"),
    (#"rate({job="a"}[])"#, 16, "a range such as 5m"),
    (#"rate({job="a"}[5])"#, 16, "no duration"),
    (#"rate({job="a"}[0s])"#, 16, "no duration"),
    (#"rate({job="a"}[5m]"#, 19, "\")\""),
    (#"rate({job="a"}[5m] offset)"#, 26, "an offset"),
    (#"rate({job="a"}[999999y])"#, 16, "no duration"),
    (#"rate({job="a"}[5m]) by (a)"#, 1, "takes no by"),
    (#"sum_over_time({job="a"}[5m])"#, 1, "needs numbers"),
    (#"count_over_time({job="a"} | unwrap x [5m])"#, 1, "counts lines"),
    (#"sum_over_time({job="a"} | unwrap x [5m]) by (a)"#, 1, "takes no by"),
    (#"sum_over_time({job="a"} | unwrap x | json [5m])"#, 36, "follow unwrap"),
    (#"sum_over_time({job="a"} | unwrap x | unwrap y [5m])"#, 36, "follow unwrap"),
    (#"sum_over_time({job="a"} | unwrap cube(x) [5m])"#, 34, "converts with"),
    (#"quantile_over_time(2, {job="a"} | unwrap x [5m])"#, 20, "from 0 to 1"),
    (#"quantile_over_time({job="a"} | unwrap x [5m])"#, 20, "a number"),
    (#"rate_counter({job="a"} | unwrap x [5m])"#, 1, "not supported"),
    ("sum(1)", 5, "not a number"),
    ("topk(vector(1))", 6, "a number"),
    ("topk(0, vector(1))", 6, "at least 1"),
    ("topk(1.5, vector(1))", 6, "at least 1"),
    ("sort(vector(1)) by (a)", 1, "takes no by"),
    ("frob(1)", 1, "no function"),
    ("1 +", 4, "a metric expression"),
    ("1 or vector(2)", 3, "vector(1)"),
    ("1 + bool 2", 3, "comparisons"),
    ("vector(1) + on(a) 2", 11, "needs series"),
    ("vector(1) * on(a) group_left(b) vector(2)", 19, "not supported"),
    ("vector()", 8, "a number"),
    ("1e999", 1, "no number"),
    ("1 $ 2", 3, "unexpected character '$'"),
    (#"label_replace(vector(1), "a b", "", "", "")"#, 26, "no label's name"),
    (#"label_replace(vector(1), "a", "", "b", "(")"#, 40, "not valid"),
    (#"label_replace(1, "a", "", "b", "")"#, 15, "series first"),
]

struct ParserTests {
    @Test func thereAreManyCases() { #expect(readable.count + unreadable.count >= 150) }

    @Test(arguments: readable)
    func queriesAreReadAndWrittenBack(text: String, expected: String) throws {
        let query = try parsed(text)
        #expect(query.description == expected)
        #expect(try parsed(query.description) == query)
    }

    @Test(arguments: unreadable)
    func whatIsWrongHasAPlaceAndAReason(text: String, column: Int, message: String) {
        let error = #expect(throws: LogQLError.self) { try parsed(text) }
        #expect(error?.line == 1)
        #expect(error?.column == column, "\(error?.description ?? "")")
        #expect(error?.message.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test func placesCountLinesAndCharacters() {
        let error = #expect(throws: LogQLError.self) { try parsed("{job=\"a\"}\n |= \"é\" $") }
        #expect(error?.line == 2)
        #expect(error?.column == 9)
        #expect(error?.description.hasPrefix("the query, line 2, column 9: unexpected character '$'") == true)
    }

    @Test func whatLokiHasAndWeDoNotIsSaidSo() {
        for text in [
            #"{job="a"} |= ip("::1")"#, #"{job="a"} |> "<_>""#, #"{job="a"} | line_format "{{ .a | fromJson }}""#,
            "approx_topk(1, vector(1))", #"{job="a"} | distinct a"#,
        ] {
            #expect(throws: LogQLError.self) { try parsed(text) }
            do { _ = try parsed(text) } catch { #expect((error as? LogQLError)?.kind == .unsupported, "\(text)") }
        }
    }

    @Test func largeQueriesAreRefusedNotFollowed() {
        let deep = String(repeating: "(", count: 5_000)
        let long = #"{job="a"}"# + String(repeating: #" |= "x""#, count: 5_000)
        let huge = #"{job=""# + String(repeating: "a", count: 70_000) + #""}"#
        let wide = "vector(1)" + String(repeating: "+1", count: 3_000)
        for text in [deep + "1", #"{job="a"} | "# + deep, long, huge, wide, deep + #"{job="a"}"#, "rate(" + deep] {
            do {
                _ = try parsed(text)
                Issue.record("\(text.prefix(40))")
            } catch {
                #expect((error as? LogQLError)?.kind == .limit, "\(error)")
            }
        }
    }

    @Test func changedQueriesAreReadOrRefusedAndNeverTrap() {
        var generator = SeededGenerator(seed: 7)
        let pieces = ["|", "=", "\"", "{", "}", "(", ")", "[", "]", "json", " or ", "5m", "\\", "`", "\u{0}", "é", "-"]
        var read = 0
        for round in 0..<4_000 {
            var bytes = Array(readable[round % readable.count].0.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = Int.random(in: 0...bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes.insert(contentsOf: Array(generator.pick(pieces).utf8), at: place)
                case 1 where place < bytes.count: bytes.remove(at: place)
                case 2 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                default: bytes.removeLast(min(bytes.count, 3))
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let query = try? parsed(text) else { continue }
            read += 1
            #expect((try? parsed(query.description)) == query, "\(text) -> \(query)")
        }
        #expect(read > 200)
    }
}
