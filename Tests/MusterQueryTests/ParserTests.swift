import MusterModel
import MusterQuery
import Testing

@Suite struct QueryParsing {
    @Test(arguments: [
        ("up", #"{__name__="up"}"#), ("node:cpu:rate", #"{__name__="node:cpu:rate"}"#), (":a", #"{__name__=":a"}"#),
        (#"up{job="api"}"#, #"{__name__="up",job="api"}"#), (#"{job="api",}"#, #"{job="api"}"#),
        (#"up{ job = "a" , x!='b',y=~"c|d",z!~`e` }"#, #"{__name__="up",job="a",x!="b",y=~"c|d",z!~"e"}"#),
        (#"{__name__="up"}"#, #"{__name__="up"}"#), (#"{"my metric", job="a"}"#, #"{__name__="my metric",job="a"}"#),
        (#"{"my label"="x"}"#, #"{my label="x"}"#), ("up{}", #"{__name__="up"}"#), ("up # why\n", #"{__name__="up"}"#),
        ("up > 5", #"{__name__="up"} > 5"#), ("up>=-0.5", #"{__name__="up"} >= -0.5"#),
        ("up == 1e3", #"{__name__="up"} == 1000"#),
        ("up != 0x1F", #"{__name__="up"} != 31"#), ("up < +Inf", #"{__name__="up"} < +Inf"#),
        ("up <= -inf", #"{__name__="up"} <= -Inf"#),
        ("up == NaN", #"{__name__="up"} == NaN"#), ("up > .5", #"{__name__="up"} > 0.5"#),
        ("up > 5.", #"{__name__="up"} > 5"#),
        ("up > 5.e2", #"{__name__="up"} > 500"#), ("up > - -1", #"{__name__="up"} > 1"#),
        ("up > 1e400", #"{__name__="up"} > +Inf"#),
        ("(up)", #"{__name__="up"}"#), ("((up) > 1)", #"{__name__="up"} > 1"#), ("(up > 1)", #"{__name__="up"} > 1"#),
        ("(up) > 1", #"{__name__="up"} > 1"#), ("\tup\r\n{job='a'}\n>1", #"{__name__="up",job="a"} > 1"#),
        (#"{a="\"\\\n\t"}"#, #"{a="\"\\\n"# + "\t" + #""}"#), (#"{a='it\'s "x"'}"#, #"{a="it's \"x\""}"#),
        (#"{a="\x41\101\u00e9\U0001F600"}"#, #"{a="AAé😀"}"#), (#"{a="\xc3\xa9"}"#, #"{a="é"}"#),
        ("{a=`\\d`}", #"{a="\\d"}"#), ("{a=`x\ny`}", #"{a="x\ny"}"#), (#"{a="",b!=""}"#, #"{a="",b!=""}"#),
        (#"offset{a="x"}"#, #"{__name__="offset",a="x"}"#), (#"bool"#, #"{__name__="bool"}"#),
    ])
    func `queries are read`(text: String, expected: String) throws {
        #expect(try query(text).description == expected)
    }

    @Test(arguments: [
        ("", 1, 1, "expected a metric name"), ("  ", 1, 3, "found the end of the query"),
        ("{}", 1, 1, "would match every series"),
        (#"{a=""}"#, 1, 1, "would match every series"), (#"{a=~".*"}"#, 1, 1, "would match every series"),
        ("up{", 1, 4, "expected a label name"), ("up{a}", 1, 5, "expected one of = != =~ !~"),
        ("up{a=}", 1, 6, "expected a quoted value"),
        ("up{a=b}", 1, 6, #"expected a quoted value, found "b""#), (#"up{a="b"#, 1, 6, "this string has no end"),
        ("up{a=\"b\nc\"}", 1, 6, "this string has no end"), (#"up{a="b" c="d"}"#, 1, 10, #"expected "," or "}""#),
        (#"up{,}"#, 1, 4, "expected a label name"), (#"up{a="\q"}"#, 1, 7, #"unknown escape \q"#),
        (#"up{a="\x4"}"#, 1, 7, "needs 2 digits"), (#"up{a="\ud800"}"#, 1, 7, "no Unicode character"),
        (#"up{a="\xff"}"#, 1, 6, "no valid UTF-8"), (#"up{a="\400"}"#, 1, 7, "at most"),
        (#"up{a="\"#, 1, 7, "has no end"),
        (#"up{a=~"("}"#, 1, 7, "missing )"), (#"up{a:b="c"}"#, 1, 4, "expected a label name"),
        ("up >", 1, 5, "expected a number"), ("up > x", 1, 6, "expected a number"),
        ("up > 1 2", 1, 8, "end of the query"),
        ("up + 1", 1, 4, "expected one of == !="), ("up down", 1, 4, "expected a comparison"),
        ("up > bool 1", 1, 6, "bool is not read"),
        ("rate(up[5m])", 1, 1, "functions are not read"), ("up[5m]", 1, 3, "range selectors are not read"),
        ("up offset 5m", 1, 4, "offset is not read"), ("(up", 1, 4, #"expected ")""#),
        ("up)", 1, 3, "expected a comparison"),
        ("up > 1s", 1, 6, "bad number"), ("up > 0x", 1, 6, "bad number"), ("up > 1e", 1, 6, "bad number"),
        ("5", 1, 1, "expected a metric name"), ("up$", 1, 3, "unexpected character '$'"),
        ("up\n\n  {a=é}", 3, 6, "unexpected character"),
        (#"up{"x"}"#, 1, 4, "name is set twice"), (#"up{__name__="x"}"#, 1, 4, "name is set twice"),
        (#"{"a","b"}"#, 1, 6, "name is set twice"), (#"{""="x"}"#, 1, 2, "a name is empty"),
    ])
    func `errors point at the place`(text: String, line: Int, column: Int, message: String) {
        do throws(QueryError) {
            Issue.record("\(text) reads as \(try query(text))")
        } catch {
            guard case .syntax(let errorLine, let errorColumn, let errorMessage, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect((errorLine, errorColumn) == (line, column), "\(error)")
            #expect(errorMessage.contains(message), "\(error)")
        }
    }

    @Test func `an error shows the line and a caret`() {
        do throws(QueryError) {
            _ = try query("up{\n\tjob=api}")
        } catch {
            #expect(
                error.description == """
                    2:6: expected a quoted value, found "api"
                       job=api}
                           ^
                    """)
        }
        let long = "up{a=\"" + String(repeating: "x", count: 500) + "\",b=}"
        do throws(QueryError) {
            _ = try query(long)
        } catch {
            let lines = error.description.split(separator: "\n")
            #expect(lines.allSatisfy { $0.count < 120 })
            #expect(Array(lines[1])[lines[2].count - 1] == "}")
        }
    }

    @Test func `text and matchers have limits`() throws {
        var limits = QueryLimits()
        limits.expressionBytes = 20
        limits.matchers = 2
        #expect(throws: Never.self) { try query(#"up{a="bbbbbbbbbbbb"}"#, limits: limits) }
        #expect(throws: QueryError.self) { try query(#"up{a="bbbbbbbbbbbbb"}"#, limits: limits) }
        #expect(throws: Never.self) { try query(#"{a="b",c="d"}"#, limits: limits) }
        #expect(throws: QueryError.self) { try query(#"{a="",b="",c="d"}"#, limits: limits) }
    }

    @Test func `no text makes the parser trap`() {
        var state: UInt64 = 11
        let pieces = [
            "up", "{", "}", "\"", "'", "`", "\\", "=", "=~", "!", ",", "a", "1", ".", "e", "0x", "-", "(", ")", "#",
            "\n", "é", "\\u",
            "\\x4", "[", ":", "\0", "😀", ">", "inf",
        ]
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<8 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(state >> 33) % pieces.count]
            }
            _ = try? query(text)
        }
    }
}
