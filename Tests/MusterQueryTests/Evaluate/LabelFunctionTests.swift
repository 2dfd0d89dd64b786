import MusterModel
import MusterQuery
import Testing

@Suite struct LabelFunctions {
    static let one = view([(["__name__": "m", "src": "host-10:9100", "old": "was"], [1])])

    @Test(
        arguments: [
            // The whole value has to match; groups by number, in braces, by name.
            (#"label_replace(m, "new", "$1", "src", "(.*):.*")"#, "new", "host-10"),
            (#"label_replace(m, "new", "${2}x", "src", "(.*)-(\\d+):.*")"#, "new", "10x"),
            (#"label_replace(m, "new", "$port/$host", "src", "(?P<host>.*):(?P<port>.*)")"#, "new", "9100/host-10"),
            (#"label_replace(m, "new", "$1x", "src", "(.*):.*")"#, "new", nil),
            (#"label_replace(m, "new", "$2$1$9", "src", "(.*)-(.*)")"#, "new", "10:9100host"),
            (#"label_replace(m, "new", "$$1 $ ${ $-", "src", ".*")"#, "new", "$1 $ ${ $-"),
            (#"label_replace(m, "new", "$01", "src", "(.*)")"#, "new", nil),
            (#"label_replace(m, "new", "$0", "src", "h.*")"#, "new", "host-10:9100"),
            (#"label_replace(m, "new", "x", "src", "host")"#, "new", nil),
            (#"label_replace(m, "old", "x", "src", "nothing")"#, "old", "was"),
            (#"label_replace(m, "old", "", "src", ".*")"#, "old", nil),
            (#"label_replace(m, "new", "[$1]", "absent", "(.*)")"#, "new", "[]"),
            (#"label_replace(m, "new", "[$1]", "src", "(x)?.*")"#, "new", "[]"),
            (#"label_replace(m, "old", "a\nb", "src", ".*")"#, "old", "a\nb"),
            (#"label_replace(m, "__name__", "n", "src", ".*")"#, "__name__", "n"),
            (#"label_replace(rate(m[5m]) or m, "__name__", "n", "src", ".*")"#, "__name__", "n"),
            (#"label_replace(-m, "kept", "$1", "__name__", "(.*)")"#, "kept", "m"),
            (#"label_replace(-m, "kept", "$1", "__name__", "(.*)")"#, "__name__", nil),
            (#"label_join(m, "new", "/", "old", "src", "absent")"#, "new", "was/host-10:9100/"),
            (#"label_join(m, "new", "/")"#, "new", nil), (#"label_join(m, "old", "", "absent")"#, "old", nil),
            (#"label_join(-m, "__name__", "_", "__name__", "old")"#, "__name__", "m_was"),
        ] as [(String, String, String?)])
    func `a label is made of others`(text: String, name: String, value: String?) throws {
        let labels = try #require(try vector(text, Self.one).keys.first)
        #expect(labels[name] == value)
    }

    @Test func `what a query makes is matched, grouped and ordered like what it read`() throws {
        let view = view([
            (["__name__": "m", "a": "x1"], [1]), (["__name__": "m", "a": "x2"], [2]),
            (["__name__": "n", "b": "x"], [10]),
        ])
        let joined = #"label_replace(m, "b", "x", "a", ".*")"#
        #expect(try vector("sum by (b) (\(joined))", view) == [["b": "x"]: 3])
        #expect(try vector("sum(\(joined) * on (b) group_left n)", view) == [[:]: 30])
        #expect(try vector(#"sum by (b) (label_replace(m, "b", "made-$1", "a", "(.*)"))"#, view).count == 2)
        #expect(
            try matrix(#"label_replace(m, "z", "$1", "a", "x(.)")"#, view, from: 0, to: 0, step: 1).keys
                .map(\.description).sorted() == [#"m{a="x1",z="1"}"#, #"m{a="x2",z="2"}"#])
    }

    @Test(
        arguments: [
            (#"label_replace(m, "a", "", "a", ".*")"#, "vector cannot contain metrics with the same labelset"),
            (#"label_join(m, "a", "")"#, "vector cannot contain metrics with the same labelset"),
            (#"label_replace(m, "", "x", "a", ".*")"#, #"invalid label name in label_replace(): """#),
            (
                #"label_replace(m, "a", "x", "a", "(")"#,
                "invalid regular expression in label_replace(): (: missing ): ("
            ),
        ] as [(String, String)])
    func `labels that cannot be`(text: String, message: String) {
        let view = view([(["__name__": "m", "a": "1"], [1]), (["__name__": "m", "a": "2"], [2])])
        #expect(failure(text, view) == .execution(message))
    }

    @Test func `series that become one at different times are joined`() throws {
        var limits = QueryLimits()
        limits.lookback = .seconds(60)
        let view = view([(["__name__": "m", "a": "1"], [1, nil]), (["__name__": "m", "a": "2"], [nil, 2])])
        let time = QueryTime.range(start: 0, end: 60_000, step: 60_000)
        let samples = [Sample(milliseconds: 0, value: 1), Sample(milliseconds: 60_000, value: 2)]
        #expect(
            try answer(#"label_replace(m, "a", "", "a", ".*")"#, view, at: time, limits: limits).value
                == .matrix([SeriesSamples(labels: ["__name__": "m"], samples: samples)]))
    }
}
