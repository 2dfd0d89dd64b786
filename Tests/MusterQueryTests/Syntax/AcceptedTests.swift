import MusterQuery
import Testing

@Suite struct AcceptedQueries {
    static let literals = [
        Spelled("1"), Spelled(".5", "0.5"), Spelled("5.", "5"), Spelled("1.e3", "1000"), Spelled("123.4567"),
        Spelled("5e-3", "0.005"), Spelled("5e3", "5000"), Spelled("5E+3", "5000"), Spelled("+5.5e-3", "0.0055"),
        Spelled("1e-400", "0"), Spelled("-0", "-0"), Spelled("0xc", "12"), Spelled("0XFF", "255"),
        Spelled("0x_1F", "31"), Spelled("0755", "493"), Spelled("-0755", "-493"), Spelled("08", "8"),
        Spelled("09.5", "9.5"), Spelled("1_000", "1000"), Spelled("1_000_000.5_0", "1000000.5"),
        Spelled("0xDEAD_BEEF", "3735928559"), Spelled("9007199254740993", "9007199254740992"),
        Spelled("123456789012345678901", "123456789012345680000"), Spelled("Inf", "+Inf"), Spelled("+inf", "+Inf"),
        Spelled("-iNf", "-Inf"), Spelled("nan", "NaN"), Spelled("NaN"), Spelled("1h30m", "5400"),
        Spelled("-1h30m", "-5400"), Spelled("250ms", "0.25"), Spelled("1y2w3d4h5m6s7ms", "33019506.007"),
        Spelled("1w", "604800"), Spelled("  1 # a comment", "1"), Spelled("# first\n1\r\n#last", "1"),
        Spelled("\"a\""), Spelled("'a'", "\"a\""), Spelled("`a`", "\"a\""), Spelled("('a')", "(\"a\")"),
        Spelled(#""double-quoted string \" with escaped quote""#),
        Spelled(#"'single-quoted string \' with escaped quote'"#, #""single-quoted string ' with escaped quote""#),
        Spelled("`raw \\n \" '`", #""raw \\n \" '""#), Spelled("`two\nlines`", #""two\nlines""#),
        Spelled(#""\a\b\f\n\r\t\v\\""#), Spelled(#""\x41\101\u00e9\U0001F600""#, #""AAé😀""#),
        Spelled(#""\xc3\xa9""#, #""é""#), Spelled(#""\u200b\u00a0\u0007\x7f""#, #""\u200b\u00a0\a\x7f""#),
        Spelled("\"#no comment\""), Spelled("\"日本\""),
    ]

    static let selectors = [
        Spelled("foo"), Spelled("foo{}", "foo"), Spelled("foo:bar_1"), Spelled(":", ":"), Spelled("_x"),
        Spelled("min"), Spelled("MIN"), Spelled("sum{a=\"b\"}"), Spelled("and"), Spelled("or"), Spelled("unless"),
        Spelled("by"), Spelled("without"), Spelled("offset"), Spelled("start"), Spelled("end"), Spelled("step"),
        Spelled("range"), Spelled("fill"), Spelled("anchored"), Spelled("limitk"), Spelled("max_of"),
        Spelled("count_values"), Spelled("rate"), Spelled("time"), Spelled("abs{a=\"b\"}"),
        Spelled("and and and"), Spelled("sum + sum"), Spelled("offset offset 5m"), Spelled("start @ start()"),
        Spelled(
            "foo{a=\"b\", foo!=\"bar\", test=~\"test\", bar!~\"baz\"}",
            #"foo{a="b",bar!~"baz",foo!="bar",test=~"test"}"#),
        Spelled("foo{a='b',}", #"foo{a="b"}"#), Spelled("foo {\n a = `b` }", #"foo{a="b"}"#),
        Spelled(#"foo{a="}"}"#),
        Spelled(#"foo{by="x",on="y",bool="z",inf="w"}"#, #"foo{bool="z",by="x",inf="w",on="y"}"#),
        Spelled(#"{a="b"}"#), Spelled(#"{__name__="foo"}"#),
        Spelled(
            #"{__name__=~"foo.*",__name__!="foob"}"#,
            #"{__name__!="foob",__name__=~"foo.*"}"#),
        Spelled(#"{"foo"}"#, #"{__name__="foo"}"#), Spelled(#"{'foo', a="b"}"#, #"{__name__="foo",a="b"}"#),
        Spelled(#"{a="b", "http.status"}"#, #"{__name__="http.status",a="b"}"#),
        Spelled(#"{"http.status", "a.b"="c"}"#, #"{"a.b"="c",__name__="http.status"}"#),
        Spelled(#"{"bar", __name__="baz"}"#, #"{__name__="bar",__name__="baz"}"#),
        Spelled(#"{"_0"="1"}"#, #"{_0="1"}"#), Spelled(#"{"0"="1"}"#), Spelled(#"{""="0",a="b"}"#),
        Spelled(#"{"héllo \"x\""="1"}"#), Spelled(#"foo{a=~".+|"}"#), Spelled(#"{a=~".+"}"#), Spelled(#"{a!=""}"#),
        Spelled(#"{a!~"|x"}"#), Spelled(#"foo{a=""}"#), Spelled("foo{a=\"\\n\"}"),
        Spelled("foo#c\n{#d\na=\"b\"#e\n}", #"foo{a="b"}"#),
    ]

    static let ranges = [
        Spelled("foo[5m]"), Spelled("foo [ 5m ]", "foo[5m]"), Spelled("foo[600]", "foo[10m]"),
        Spelled("foo[1.5]", "foo[1s500ms]"), Spelled("foo[0x10]", "foo[16s]"), Spelled("foo[7d]", "foo[1w]"),
        Spelled("foo[8d]"), Spelled("foo[365d]", "foo[1y]"), Spelled("foo[400d]"), Spelled("foo[1001ms]", "foo[1s1ms]"),
        Spelled("foo[0.001]", "foo[1ms]"), Spelled("foo[1.001]", "foo[1s1ms]"), Spelled("foo[24h]", "foo[1d]"),
        Spelled("foo[+5m]", "foo[5m]"), Spelled("foo[5m+1h]", "foo[1h5m]"), Spelled("foo[5m * 2]", "foo[10m]"),
        Spelled("foo[2^3]", "foo[8s]"), Spelled("foo[2^3^0]", "foo[2s]"), Spelled("foo[-2^2+10]", "foo[6s]"),
        Spelled("foo[(5m - 1m) / 2]", "foo[2m]"), Spelled("foo[7m % 5m]", "foo[2m]"), Spelled("foo[10-2-3]", "foo[5s]"),
        Spelled("foo[min_of(5m, 1h)]", "foo[5m]"), Spelled("foo[MAX_OF(5m, 1h) + 1m]", "foo[1h1m]"),
        Spelled("foo[(-1)^2]", "foo[1s]"), Spelled("foo[5m*-1+10m]", "foo[5m]"),
        Spelled("foo offset 5m"), Spelled("foo OFFSET 1h30m", "foo offset 1h30m"), Spelled("foo offset -7m"),
        Spelled("foo offset -1h30m"), Spelled("foo offset 300", "foo offset 5m"),
        Spelled("foo offset +5", "foo offset 5s"),
        Spelled("foo offset 0s", "foo"), Spelled("foo offset -.5", "foo offset -500ms"),
        Spelled("foo offset (5m * 2)", "foo offset 10m"), Spelled("foo offset -(1m + 1m)", "foo offset -2m"),
        Spelled("foo offset max_of(1m, 2m)", "foo offset 2m"), Spelled("foo offset (4s-8)", "foo offset -4s"),
        Spelled("foo offset 5m + 3", "foo offset 5m + 3"), Spelled("foo offset -2 ^ 2", "foo offset -2s ^ 2"),
        Spelled("foo[5m] offset 1w"), Spelled("foo{a=\"b\"}[5m] offset -1h"),
        Spelled("foo @ 1603774568", "foo @ 1603774568.000"), Spelled("foo @ -100", "foo @ -100.000"),
        Spelled("foo @ +1.25", "foo @ 1.250"), Spelled("foo @ 3.33", "foo @ 3.330"), Spelled("foo @ 0", "foo @ 0.000"),
        Spelled("foo @ 0.0006", "foo @ 0.001"), Spelled("foo @ 1m", "foo @ 60.000"), Spelled("foo @ start()"),
        Spelled("foo @ END ( )", "foo @ end()"), Spelled("foo offset 5m @ end()", "foo @ end() offset 5m"),
        Spelled("foo[5m] @ 123 offset 1m", "foo[5m] @ 123.000 offset 1m"), Spelled("foo @ 1 - 1", "foo @ 1.000 - 1"),
        Spelled("foo[10m:6s]"), Spelled("foo[10m:]"), Spelled("foo[10m : 6s]", "foo[10m:6s]"),
        Spelled("foo[600:60]", "foo[10m:1m]"), Spelled("foo[4s+4s:1s*2] offset (5s-8)", "foo[8s:2s] offset -3s"),
        Spelled("foo[10m+10m:]", "foo[20m:]"), Spelled("foo offset 1h[5m:]", "foo offset 1h[5m:]"),
        Spelled("foo @ start()[5m:1m] @ end() offset 1d"), Spelled("(foo + bar)[5m:]"), Spelled("(foo)[5m:]"),
        Spelled("sum(foo)[5m:] offset 5m"), Spelled("rate(foo[5m])[1h:5m]"), Spelled("vector(1)[5m:]"),
        Spelled("-foo offset 5m"), Spelled("a + b offset 5m"), Spelled("a + b @ 5", "a + b @ 5.000"),
        Spelled("max_over_time(rate(foo[1m])[5m:10s] @ start() offset 1m)"),
        Spelled("max_over_time((-foo)[5m:])"),
    ]

    static let operations = [
        Spelled("1 + 1"), Spelled("1+1", "1 + 1"), Spelled("1 - -1"), Spelled("1 + +1", "1 + 1"), Spelled("--1", "1"),
        Spelled("-+-foo", "--foo"), Spelled("+foo", "foo"), Spelled("-foo"), Spelled("-(1)"), Spelled("- - 1", "1"),
        Spelled("-1^2", "-1 ^ 2"), Spelled("(-1)^2", "(-1) ^ 2"), Spelled("2 ^ -1"), Spelled("-foo * 2"),
        Spelled("1 == bool 1"), Spelled("1 >BOOL 2", "1 > bool 2"), Spelled("1 atan2 2"),
        Spelled("foo ATAN2 bar", "foo atan2 bar"),
        Spelled("1 > bool foo"), Spelled("foo == 1"), Spelled("1 == foo"), Spelled("foo == bool 1"),
        Spelled("2.5 / bar"),
        Spelled("foo and bar"), Spelled("foo OR bar", "foo or bar"), Spelled("foo Unless bar", "foo unless bar"),
        Spelled("foo + bar or bla and blub"),
        Spelled(
            "bar + on(foo) bla / on(baz, buz) group_right(test) blub",
            "bar + on (foo) bla / on (baz, buz) group_right (test) blub"),
        Spelled("foo * on(test,blub) bar", "foo * on (test, blub) bar"),
        Spelled("foo*on(test,blub)group_left bar", "foo * on (test, blub) group_left () bar"),
        Spelled("foo and on(test,blub) bar", "foo and on (test, blub) bar"),
        Spelled("foo and on() bar", "foo and on () bar"),
        Spelled("foo and ignoring() bar", "foo and bar"), Spelled("foo unless on(bar) baz", "foo unless on (bar) baz"),
        Spelled("foo / ON(test,blub) GROUP_LEFT(bar,) bar", "foo / on (test, blub) group_left (bar) bar"),
        Spelled("foo / ignoring(test,blub) group_left(blub) bar", "foo / ignoring (test, blub) group_left (blub) bar"),
        Spelled("foo - on(test,blub) group_right(bar,foo) bar", "foo - on (test, blub) group_right (bar, foo) bar"),
        Spelled("foo < bool on(a) group_left() bar", "foo < bool on (a) group_left () bar"),
        Spelled(
            "a + on(by, bool, on, group_left, \"x.y\", 'z', and) b",
            #"a + on (by, bool, on, group_left, "x.y", z, and) b"#),
        Spelled("a + on(a:b) b", #"a + on ("a:b") b"#), Spelled("a + on() b", "a + on () b"),
        Spelled("1 + on() 1", "1 + 1"),
        Spelled("a + fill", "a + fill"), Spelled("fill + fill_left * fill_right"),
        Spelled(
            "a * on(x) group_left (y) (z)",
            "a * on (x) group_left (y) (z)"),
        Spelled("(a + b) * c"), Spelled("((((1))))"), Spelled("NaN + -Inf"), Spelled("a%b", "a % b"),
        Spelled("a^b^c", "a ^ b ^ c"),
        Spelled("a>=b<=c!=d==e<f>g", "a >= b <= c != d == e < f > g"),
    ]

    static let calls = [
        Spelled("sum(foo)"), Spelled("SUM(foo)", "sum(foo)"), Spelled("sum by (foo) (some)"),
        Spelled("sum by(foo)(some)", "sum by (foo) (some)"),
        Spelled("sum(some) by (foo)", "sum by (foo) (some)"), Spelled("sum by () (some)", "sum(some)"),
        Spelled("sum without() (some)", "sum without () (some)"),
        Spelled(
            "avg without(and, by, avg, count, alert, annotations)(some)",
            "avg without (and, by, avg, count, alert, annotations) (some)"),
        Spelled(
            "sum by (\"foo bar\", foo,)({\"some.metric\"})", #"sum by ("foo bar", foo) ({__name__="some.metric"})"#),
        Spelled("COUNT_VALUES(\"value\", foo)", "count_values(\"value\", foo)"), Spelled("topk(5, some)"),
        Spelled("bottomk by (a) (2 * 3, some)"),
        Spelled("quantile(0.9, some) without (a)", "quantile without (a) (0.9, some)"), Spelled("group(a)"),
        Spelled("stdvar(stddev(a))"),
        Spelled("sum(sum)"), Spelled("count by (le) (max(min))"), Spelled("topk(scalar(foo), bar)"),
        Spelled("time()"), Spelled("pi()"), Spelled("floor(some)"), Spelled("rate(foo[5m])"),
        Spelled("rate (foo[5m])", "rate(foo[5m])"),
        Spelled("round(foo)"), Spelled("round(foo, 5)"), Spelled("minute()"), Spelled("year(foo)"),
        Spelled("day_of_month(vector(0))"),
        Spelled("label_join(foo, \"d\", \",\")"), Spelled("label_join(foo, \"d\", \",\", \"a\", \"b\", \"c\")"),
        Spelled("label_replace(up{job=\"a\"}, \"foo\", \"$1\", \"job\", \"(.*)\")"),
        Spelled("clamp(foo, 1, scalar(bar))"),
        Spelled("histogram_quantile(0.9, sum by (le) (rate(foo_bucket[10m])))"),
        Spelled("histogram_fraction(0, 0.2, foo)"),
        Spelled("quantile_over_time(0.5, foo[5m])"), Spelled("predict_linear(foo[1h], 4 * 3600)"),
        Spelled("absent(foo{a=\"b\"})"),
        Spelled("absent_over_time(foo[5m:])"), Spelled("sort_desc(a)"), Spelled("vector(1h)", "vector(3600)"),
        Spelled("scalar(vector(time()))"),
        Spelled("abs(-foo)"), Spelled("rate(foo[5m] offset 1h) > 0 and on (a) up == 0"),
        Spelled("time() - max(foo) by (x) > 1h", "time() - max by (x) (foo) > 3600"),
    ]

    @Test(arguments: literals) func `literals print as Prometheus prints them`(_ row: Spelled) throws {
        try expectPrinted(row)
    }
    @Test(arguments: selectors) func `selectors print as Prometheus prints them`(_ row: Spelled) throws {
        try expectPrinted(row)
    }
    @Test(arguments: ranges) func `ranges, offset and @ print as Prometheus prints them`(_ row: Spelled) throws {
        try expectPrinted(row)
    }
    @Test(arguments: operations) func `operations print as Prometheus prints them`(_ row: Spelled) throws {
        try expectPrinted(row)
    }
    @Test(arguments: calls) func `calls and aggregations print as Prometheus prints them`(_ row: Spelled) throws {
        try expectPrinted(row)
    }

    private func expectPrinted(_ row: Spelled) throws {
        let expression = try parsed(row.text)
        #expect(expression.description == row.printed)
        #expect(try parsed(row.printed).description == row.printed)
    }

    @Test func `every function is read with the arguments of its signature`() throws {
        for function in Function.allCases {
            let signature = function.signature
            let arguments = signature.arguments.map { type in
                switch type {
                case .scalar: "1"
                case .string: "\"a\""
                case .vector: "x"
                case .matrix: "x[5m]"
                }
            }
            for count in (arguments.count - signature.optional)...arguments.count {
                let text = "\(function.rawValue)(\(arguments.prefix(count).joined(separator: ", ")))"
                #expect(try parsed(text).description == text)
                #expect(try parsed(text).type == function.result)
            }
        }
    }

    @Test func `every aggregation is read with and without labels`() throws {
        for op in Aggregation.Operator.allCases {
            let parameter = op == .countValues ? "\"a\", " : op.takesParameter ? "1, " : ""
            for head in [op.rawValue, "\(op.rawValue) by (a, b) ", "\(op.rawValue) without (a) "] {
                #expect(try parsed("\(head)(\(parameter)x)").description == "\(head)(\(parameter)x)")
            }
        }
    }
}
