import MusterQuery
import Testing

/// A text and what is wrong with it: `line:column: message`.
struct Refused: Sendable, CustomTestStringConvertible {
    var text: String
    var complaint: String
    var testDescription: String { text }

    init(_ text: String, _ complaint: String) {
        self.text = text
        self.complaint = complaint
    }
}

@Suite struct RefusedQueries {
    static let tokens = [
        Refused("", "1:1: the query is empty"), Refused("# only a comment\n\n", "3:1: the query is empty"),
        Refused(".", "1:1: unexpected character '.'"), Refused("a ; b", "1:3: unexpected character ';'"),
        Refused("a ! b", "1:3: unexpected character '!'"), Refused("a$", "1:2: unexpected character '$'"),
        Refused("é", "1:1: unexpected character 'é'"), Refused("a\n + é", "2:4: unexpected character 'é'"),
        Refused("2.5.", #"1:1: "2.5." is neither a number nor a duration such as 1h30m"#),
        Refused("100..4", #"1:1: "100..4" is neither a number nor a duration such as 1h30m"#),
        Refused("0deadbeef", #"1:1: "0deadbeef" is neither a number nor a duration such as 1h30m"#),
        Refused("0xg", #"1:1: "0xg" is neither a number nor a duration such as 1h30m"#),
        Refused("0x1.5", #"1:1: "0x1.5" is neither a number nor a duration such as 1h30m"#),
        Refused("0b101", #"1:1: "0b101" is neither a number nor a duration such as 1h30m"#),
        Refused("1_", #"1:1: "1_" is neither a number nor a duration such as 1h30m"#),
        Refused("1__0", #"1:1: "1__0" is neither a number nor a duration such as 1h30m"#),
        Refused("1_.5", #"1:1: "1_.5" is neither a number nor a duration such as 1h30m"#),
        Refused("1e", #"1:1: "1e" is neither a number nor a duration such as 1h30m"#),
        Refused("1e+", #"1:1: "1e+" is neither a number nor a duration such as 1h30m"#),
        Refused("1e5_", #"1:1: "1e5_" is neither a number nor a duration such as 1h30m"#),
        Refused("1e400", #"1:1: "1e400" is neither a number nor a duration such as 1h30m"#),
        Refused("0x8000000000000000", #"1:1: "0x8000000000000000" is neither a number nor a duration such as 1h30m"#),
        Refused("1and 2", #"1:1: "1and" is neither a number nor a duration such as 1h30m"#),
        Refused("5mm", #"1:1: "5mm" is neither a number nor a duration such as 1h30m"#),
        Refused("1.5h", #"1:1: "1.5h" is neither a number nor a duration such as 1h30m"#),
        Refused("foo[5m1]", #"1:5: "5m1" is neither a number nor a duration such as 1h30m"#),
        Refused("foo[5m1h]", #"1:5: "5m1h" is neither a number nor a duration such as 1h30m"#),
        Refused("foo[1m1m]", #"1:5: "1m1m" is neither a number nor a duration such as 1h30m"#),
        Refused("foo[300y]", #"1:5: "300y" is neither a number nor a duration such as 1h30m"#),
        Refused(
            String(repeating: "9", count: 400),
            "1:1: \"\(String(repeating: "9", count: 40))...\" is neither a number nor a duration such as 1h30m"),
        Refused("\"a", "1:1: this string has no end: \" is missing"),
        Refused("'a\n'", "1:1: this string has no end: ' is missing"),
        Refused("x + `a", "1:5: this string has no end: ` is missing"),
        Refused("\"a\\", "1:1: this string has no end: \" is missing"),
        Refused("\"a\\\n\"", "1:1: this string has no end: \" is missing"),
        Refused(#""\c""#, #"1:2: unknown escape \c; in a regular expression write \\c, or use `...`"#),
        Refused(#""a\'""#, #"1:3: unknown escape \'; in a regular expression write \\', or use `...`"#),
        Refused(#"'\é'"#, #"1:2: unknown escape \é; in a regular expression write \\é, or use `...`"#),
        Refused(#"x{a=~"\d"}"#, #"1:7: unknown escape \d; in a regular expression write \\d, or use `...`"#),
        Refused(#""\x4""#, "1:2: this escape needs 2 digits"), Refused(#""\x.1""#, "1:2: this escape needs 2 digits"),
        Refused(#""\u12""#, "1:2: this escape needs 4 digits"),
        Refused(#""\U0010fff""#, "1:2: this escape needs 8 digits"),
        Refused(#""\18""#, "1:2: this escape needs 3 digits"),
        Refused(#""\400""#, #"1:2: an octal escape is at most \377"#),
        Refused(#""\ud800""#, "1:2: this escape is no Unicode character"),
        Refused(#""\U00110000""#, "1:2: this escape is no Unicode character"),
        Refused(#""\xff""#, "1:1: the escapes of this string make no valid UTF-8"),
    ]

    static let grammar = [
        Refused("1 +", "1:4: expected an expression, found the end of the query"),
        Refused("*1", #"1:1: expected an expression, found "*""#),
        Refused("(1))", #"1:4: expected an operator or the end of the query, found ")""#),
        Refused("((1)", #"1:5: expected ")", found the end of the query"#),
        Refused("()", #"1:2: expected an expression, found ")""#),
        Refused("1 2", #"1:3: expected an operator or the end of the query, found "2""#),
        Refused("a b", #"1:3: expected an operator or the end of the query, found "b""#),
        Refused("a \"b\"", #"1:3: expected an operator or the end of the query, found the string "b""#),
        Refused("a =~ b", #"1:3: expected an operator or the end of the query, found "=~""#),
        Refused("a = b", #"1:3: expected an operator or the end of the query, found "=""#),
        Refused("a,b", #"1:2: expected an operator or the end of the query, found ",""#),
        Refused("a]", #"1:2: expected an operator or the end of the query, found "]""#),
        Refused("on", #"1:1: expected an expression, found "on"; as a metric's name write {__name__="on"}"#),
        Refused("1 + bool", #"1:9: expected an expression, found the end of the query"#),
        Refused("BOOL", #"1:1: expected an expression, found "BOOL"; as a metric's name write {__name__="BOOL"}"#),
        Refused(
            "atan2(1, 2)", #"1:1: expected an expression, found "atan2"; as a metric's name write {__name__="atan2"}"#),
        Refused(
            "a - on(b) ignoring(c) d",
            #"1:11: expected an expression, found "ignoring"; as a metric's name write {__name__="ignoring"}"#),
        Refused("nope(1)", #"1:1: there is no function "nope""#),
        Refused("Rate(a[5m])", #"1:1: there is no function "Rate"; it is written rate"#),
        Refused("a:b(1)", #"1:1: there is no function "a:b""#), Refused("by(a)", #"1:1: there is no function "by""#),
        Refused("INFO(a)", #"1:1: there is no function "INFO"; it is written info"#),
        Refused("rate(a[5m],)", #"1:12: expected an expression, found ")""#),
        Refused("rate(a[5m]", #"1:11: expected ")" or ",", found the end of the query"#),
        Refused("sum some by (a)", #"1:5: expected an operator or the end of the query, found "some""#),
        Refused("sum (a) by b", #"1:12: expected "(", found "b""#),
        Refused("sum by (a) b", #"1:12: expected "(", found "b""#),
        Refused("sum(a) by (b) without (c)", #"1:15: expected an operator or the end of the query, found "without""#),
        Refused("sum by (a) (b) by (c)", #"1:16: expected an operator or the end of the query, found "by""#),
        Refused("sum without(==)(a)", #"1:13: expected a label's name or ")", found "==""#),
        Refused("sum by (,)(a)", #"1:9: expected a label's name or ")", found ",""#),
        Refused("sum by (a,,)(b)", #"1:11: expected a label's name or ")", found ",""#),
        Refused("sum by (a b)(c)", #"1:11: expected "," or ")", found "b""#),
        Refused("sum by (\"\")(a)", "1:9: a label's name is empty"),
        Refused("a + on(1) b", #"1:8: expected a label's name or ")", found "1""#),
        Refused("a + on b", #"1:8: expected "(", found "b""#),
        Refused("a + group_left(b) c", "1:5: group_left needs on(...) or ignoring(...) before it"),
        Refused("a + GROUP_RIGHT b", "1:5: GROUP_RIGHT needs on(...) or ignoring(...) before it"),
        Refused("a{", #"1:3: expected a label's name or "}", found the end of the query"#),
        Refused("a}", #"1:2: expected an operator or the end of the query, found "}""#),
        Refused("a{b}", "1:4: expected one of = != =~ !~, found \"}\""),
        Refused("a{b>\"c\"}", "1:4: expected one of = != =~ !~, found \">\""),
        Refused("a{b==\"c\"}", "1:4: expected one of = != =~ !~, found \"==\""),
        Refused("a{b=c}", #"1:5: expected a quoted value, found "c""#),
        Refused("a{b=1}", #"1:5: expected a quoted value, found "1""#),
        Refused("a{b=}", #"1:5: expected a quoted value, found "}""#),
        Refused("a{b:c=\"d\"}", "1:4: unexpected character ':'"),
        Refused("a{,}", #"1:3: expected a label's name or "}", found ",""#),
        Refused("a{b=\"c\" d=\"e\"}", #"1:9: expected "," or "}", found "d""#),
        Refused("a{b=\"c\",,}", #"1:9: expected a label's name or "}", found ",""#),
        Refused("a{1=\"b\"}", #"1:3: expected a label's name or "}", found "1""#),
        Refused("a{{b=\"c\"}}", #"1:3: expected a label's name or "}", found "{""#),
        Refused("a{\"b\" \"c\"}", #"1:7: expected one of = != =~ !~, found the string "c""#),
        Refused("a[", "1:3: expected a duration, found the end of the query"),
    ]

    static let selectors = [
        Refused("{}", "1:1: the selector would match every series; at least one matcher must exclude the empty value"),
        Refused(
            "sum({a=\"\"})",
            "1:5: the selector would match every series; at least one matcher must exclude the empty value"),
        Refused(
            "{a=~\".*\"}",
            "1:1: the selector would match every series; at least one matcher must exclude the empty value"),
        Refused(
            "{a!~\".+\"}",
            "1:1: the selector would match every series; at least one matcher must exclude the empty value"),
        Refused(
            "{a!=\"b\",c=\"\"}",
            "1:1: the selector would match every series; at least one matcher must exclude the empty value"),
        Refused(
            "{\"\"}", "1:1: the selector would match every series; at least one matcher must exclude the empty value"),
        Refused("a{__name__=\"b\"}", "1:3: the metric's name is set twice, here and as a"),
        Refused("a{b=\"c\",__name__=~\"d\"}", "1:9: the metric's name is set twice, here and as a"),
        Refused("a{\"b\"}", "1:3: the metric's name is set twice, here and as a"),
        Refused("{\"a\",\"b\"}", "1:6: the metric's name is set twice, here and as a"),
        Refused("a{b=~\"(\"}", #"1:6: the regular expression "(" is not valid: missing ): ("#),
    ]

    static let times = [
        Refused("a[]", #"1:3: expected a duration, found "]""#),
        Refused("a[5m", #"1:5: expected "]" or ":", found the end of the query"#),
        Refused("a[x]", #"1:3: expected a duration, found "x""#),
        Refused("a[\"5m\"]", #"1:3: expected a duration, found the string "5m""#),
        Refused("a[inf]", #"1:3: expected a duration, found "inf""#),
        Refused("a[:5m]", #"1:3: expected a duration, found ":""#),
        Refused("a[5m:5m:5m]", #"1:8: expected "]", found ":""#),
        Refused("a[5m 5m]", #"1:6: expected "]" or ":", found "5m""#),
        Refused("a[0]", "1:3: the duration must be at least 1ms"),
        Refused("a[0s]", "1:3: the duration must be at least 1ms"),
        Refused("a[-5m]", "1:3: the duration must be at least 1ms"),
        Refused("a[0.0001]", "1:3: the duration must be at least 1ms"),
        Refused("a[5m-1h]", "1:3: the duration must be at least 1ms"),
        Refused("a[-2^2]", "1:3: the duration must be at least 1ms"),
        Refused("a[5m:0s]", "1:6: the duration must be at least 1ms"),
        Refused("a[9.5e10]", "1:3: this duration is out of range"),
        Refused("a[1e300*1e300]", "1:3: this duration is out of range"),
        Refused("a[5m/0]", "1:5: this duration divides by zero"),
        Refused("a[5m%(1-1)]", "1:5: this duration divides by zero"),
        Refused("a[(-1)^0.5]", "1:3: this duration is out of range"),
        Refused("a[5m > 1m]", "1:6: > is no arithmetic for durations"),
        Refused("a[5m and 1m]", "1:6: and is no arithmetic for durations"),
        Refused("a[min_of(1m)]", #"1:12: expected ",", found ")""#),
        Refused("a[(5m]", #"1:6: expected ")", found "]""#),
        Refused("a[5m+]", #"1:6: expected a duration, found "]""#),
        Refused("1[5m]", "1:2: only a selector has a range; for another expression write a subquery, [5m:]"),
        Refused("(a + b)[5m]", "1:8: only a selector has a range; for another expression write a subquery, [5m:]"),
        Refused("a[5m][5m]", "1:6: only a selector has a range; for another expression write a subquery, [5m:]"),
        Refused("a offset 1m[5m]", "1:12: offset and @ stand behind the range"),
        Refused("a @ 12 [5m]", "1:8: offset and @ stand behind the range"),
        Refused("a @ end()[5m]", "1:10: offset and @ stand behind the range"),
        Refused("a[5m][1h:]", "1:6: a subquery needs an instant vector before it, not a range vector"),
        Refused("1[5m:]", "1:2: a subquery needs an instant vector before it, not a scalar"),
        Refused("\"a\"[5m:]", "1:4: a subquery needs an instant vector before it, not a string"),
        Refused("a offset", "1:9: expected a duration, found the end of the query"),
        Refused("a offset x", #"1:10: expected a duration, found "x""#),
        Refused("a offset 9.3e9", "1:10: this duration is out of range"),
        Refused("a offset 1s offset 2s", "1:13: offset is given twice"),
        Refused("a[5m] OFFSET 1s offset 2s", "1:17: offset is given twice"),
        Refused("1 offset 1d", "1:3: offset needs a selector or a subquery before it"),
        Refused("(a) offset 1d", "1:5: offset needs a selector or a subquery before it"),
        Refused("rate(a[5m]) offset 1h", "1:13: offset needs a selector or a subquery before it"),
        Refused("a @", "1:4: expected a number, found the end of the query"),
        Refused("a @ x", #"1:5: expected a number, found "x""#),
        Refused("a @ start", #"1:10: expected "(", found the end of the query"#),
        Refused("a @ start(1)", #"1:11: expected ")", found "1""#),
        Refused("a @ --5", #"1:6: expected a number, found "-""#), Refused("a @ Inf", "1:5: this time is out of range"),
        Refused("a @ -Inf", "1:5: this time is out of range"),
        Refused("a @ NaN", "1:5: this time is out of range"), Refused("a @ 1e16", "1:5: this time is out of range"),
        Refused("a @ 1 @ 2", "1:7: @ is given twice"),
        Refused("a @ start() @ end()", "1:13: @ is given twice"),
        Refused("(a) @ 1", "1:5: @ needs a selector or a subquery before it"),
        Refused("sum(a) @ 1", "1:8: @ needs a selector or a subquery before it"),
        Refused("@ 1", #"1:1: expected an expression, found "@""#),
    ]

    static let types = [
        Refused("-\"a\"", "1:1: - needs a scalar or an instant vector, not a string"),
        Refused("-a[5m]", "1:1: - needs a scalar or an instant vector, not a range vector"),
        Refused("rate(+a[5m])", "1:6: + needs a scalar or an instant vector, not a range vector"),
        Refused("1 + \"a\"", "1:5: + needs scalars or instant vectors, not a string"),
        Refused("a[5m] * 2", "1:1: * needs scalars or instant vectors, not a range vector"),
        Refused("a > b[5m:]", "1:5: > needs scalars or instant vectors, not a range vector"),
        Refused("1 and 1", "1:3: and needs an instant vector on both sides"),
        Refused("a or 1", "1:3: or needs an instant vector on both sides"),
        Refused("1 unless a", "1:3: unless needs an instant vector on both sides"),
        Refused("1 or on(b) a", "1:3: or needs an instant vector on both sides"),
        Refused("1 == 1", "1:3: a comparison of two scalars must be written with bool: == bool"),
        Refused("time() > 5", "1:8: a comparison of two scalars must be written with bool: > bool"),
        Refused("a + bool b", "1:3: bool goes with comparisons, not with +"),
        Refused("a + bool 10", "1:3: bool goes with comparisons, not with +"),
        Refused("a and bool b", "1:3: bool goes with comparisons, not with and"),
        Refused("a == on(b) 10", "1:3: on needs an instant vector on both sides"),
        Refused("1 + ignoring(b) group_left a", "1:3: ignoring needs an instant vector on both sides"),
        Refused("a and on(b) group_left(c) d", "1:3: group_left is not allowed with and"),
        Refused("a or on(b) group_right d", "1:3: group_right is not allowed with or"),
        Refused("a unless ignoring(b) group_left d", "1:3: group_left is not allowed with unless"),
        Refused("a + on(b) group_left(c, b) d", "1:3: the label \"b\" stands in on and in group_left"),
        Refused("a + on(b) group_right(b) d", "1:3: the label \"b\" stands in on and in group_right"),
        Refused("sum(1)", "1:5: sum needs an instant vector here, not a scalar"),
        Refused("sum(a[5m])", "1:5: sum needs an instant vector here, not a range vector"),
        Refused("sum()", "1:1: sum takes 1 argument, got 0"), Refused("sum(a, b)", "1:1: sum takes 1 argument, got 2"),
        Refused("topk(a)", "1:1: topk takes 2 arguments, got 1"),
        Refused("topk(a, b)", "1:6: topk needs a scalar here, not an instant vector"),
        Refused("count_values(5, a)", "1:14: count_values needs a string here, not a scalar"),
        Refused("quantile(\"0.5\", a)", "1:10: quantile needs a scalar here, not a string"),
        Refused("floor()", "1:1: floor takes 1 argument, got 0"),
        Refused("floor(a, 1)", "1:1: floor takes 1 argument, got 2"),
        Refused("floor(1)", "1:7: floor needs an instant vector here, not a scalar"),
        Refused("time(a)", "1:1: time takes no arguments, got 1"),
        Refused("hour(a, b)", "1:1: hour takes at most 1 argument, got 2"),
        Refused("hour(1)", "1:6: hour needs an instant vector here, not a scalar"),
        Refused("round()", "1:1: round takes at least 1 argument, got 0"),
        Refused("round(a, b)", "1:10: round needs a scalar here, not an instant vector"),
        Refused("clamp(a, 1)", "1:1: clamp takes 3 arguments, got 2"),
        Refused("rate(a)", "1:6: rate needs a range vector here, not an instant vector"),
        Refused("  rate(a)", "1:8: rate needs a range vector here, not an instant vector"),
        Refused("abs(a[5m])", "1:5: abs needs an instant vector here, not a range vector"),
        Refused("vector(a)", "1:8: vector needs a scalar here, not an instant vector"),
        Refused("scalar(1)", "1:8: scalar needs an instant vector here, not a scalar"),
        Refused("label_join(a, \"b\")", "1:1: label_join takes at least 3 arguments, got 2"),
        Refused("label_join(a, \"b\", \"c\", \"d\", e)", "1:30: label_join needs a string here, not an instant vector"),
        Refused("label_replace(a, \"b\", \"c\", \"d\")", "1:1: label_replace takes 5 arguments, got 4"),
        Refused("label_replace(a, 1, \"b\", \"c\", \"d\")", "1:18: label_replace needs a string here, not a scalar"),
        Refused("histogram_quantile(a, b)", "1:20: histogram_quantile needs a scalar here, not an instant vector"),
        Refused("quantile_over_time(a[5m], 0.5)", "1:20: quantile_over_time needs a scalar here, not a range vector"),
        Refused("1 +\n rate(\n  a)", "3:3: rate needs a range vector here, not an instant vector"),
    ]

    @Test(arguments: tokens) func `a text that makes no tokens is refused`(_ row: Refused) { expect(row) }
    @Test(arguments: grammar) func `a text that is no query is refused`(_ row: Refused) { expect(row) }
    @Test(arguments: selectors) func `a selector for everything, or for two names, is refused`(_ row: Refused) {
        expect(row)
    }
    @Test(arguments: times) func `ranges, offsets and times that make no sense are refused`(_ row: Refused) {
        expect(row)
    }
    @Test(arguments: types) func `what does not fit together is refused`(_ row: Refused) { expect(row) }

    private func expect(_ row: Refused) {
        guard case .syntax(let line, let column, let message, _) = refusal(row.text) else {
            Issue.record("\(String(describing: refusal(row.text)))")
            return
        }
        #expect("\(line):\(column): \(message)" == row.complaint)
    }

    @Test(
        arguments: [
            ("info(up)", "info"), ("histogram_count(x)", "histogram_count"), ("sum(histogram_avg(x))", "histogram_avg"),
            ("histogram_quantiles(x, \"q\", 0.1)", "histogram_quantiles"), ("mad_over_time(x[5m])", "mad_over_time"),
            ("sort_by_label(x, \"a\")", "sort_by_label"), ("ts_of_max_over_time(x[5m])", "ts_of_max_over_time"),
            ("first_over_time(x[5m])", "first_over_time"),
            ("double_exponential_smoothing(x[5m], 1, 1)", "double_exponential_smoothing"),
            ("limitk(2, x)", "limitk"), ("limit_ratio by (a) (0.5, x)", "limit_ratio"), ("x anchored", "anchored"),
            ("rate(x[5m] smoothed)", "smoothed"), ("a + fill(1) b", "fill"),
            ("a + on(x) group_left fill_left(1) b", "fill_left"),
            ("a == bool fill_right (1) b", "fill_right"), ("x[step()]", "step() in a duration"),
            ("x[5m:RANGE()]", "range() in a duration"),
            ("x offset -step()", "step() in a duration"), ("x </ 5", "</"), ("x >/ 5", ">/"),
        ])
    func `what only Prometheus has is refused by name`(text: String, name: String) {
        #expect(refusal(text) == .unsupported(name))
        #expect(refusal(text)?.description == "\"\(name)\" is not supported")
    }

    @Test func `an error shows the line with a caret below the place`() {
        #expect(
            refusal("up +\n\trate(up)")?.description == """
                2:7: rate needs a range vector here, not an instant vector
                   rate(up)
                        ^
                """)
        let long = String(repeating: "a or ", count: 40) + "rate(é)" + String(repeating: " or b", count: 40)
        #expect(
            refusal(long)?.description == """
                1:206: unexpected character 'é'
                  \(String(long.dropFirst(145).prefix(100)))
                  \(String(repeating: " ", count: 60))^
                """)
    }
}
