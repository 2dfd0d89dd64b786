import MusterCLI
import MusterModel
import Testing

/// Sparkline tables as text, for several widths.
@Suite struct RangeTables {
    private let window = QueryWindow(range: .seconds(60), end: noon + .seconds(60), step: .seconds(10), columns: 80)
    private static let times = "2026-03-01T12:00:00.000Z to 2026-03-01T12:01:00.000Z, a point each 10s"

    private func lines(
        _ series: [(labels: String, values: [String?])], _ terminal: Terminal, limit: Int = 50, shared: Bool = false
    ) throws -> [String] {
        RangeTable(try matrix(series), window, limit: limit, isScaleShared: shared).lines(terminal)
    }

    private let loads: [(labels: String, values: [String?])] = [
        (#""__name__":"node_load1","host":"web-1","zone":"a""#, ["0", "1", "2", "3", "4", "5", "7"]),
        (#""__name__":"node_load1","host":"web-2","zone":"a""#, ["2", "2", nil, "2", "2", "2", "2"]),
    ]

    @Test(arguments: [80, 200, 74])
    func `a row is a name, a course and its figures`(_ width: Int) throws {
        #expect(
            try lines(loads, .screen(width)) == [
                #"node_load1{zone="a"}"#,
                Self.times.count <= width ? Self.times : "",
                "host   TREND    MIN  MAX  LAST",
                "web-1  ▁▂▃▄▅▆█    0    7     7",
                "web-2  ▄▄ ▄▄▄▄    2    2     2",
            ])
    }

    @Test func `on paper nothing is cut and nothing is coloured`() throws {
        let long = String(repeating: "x", count: 150)
        let found = try lines(
            [(#""a":"\#(long)1""#, ["1", "2"]), (#""a":"\#(long)2""#, ["2", "1"])], .paper)
        #expect(
            found == [
                Self.times,
                "a" + String(repeating: " ", count: 150) + "  TREND    MIN  MAX  LAST",
                long + "1  ▁█         1    2     2",
                long + "2  █▁         1    2     1",
            ])
    }

    @Test func `twenty columns keep the name, the course and the last value`() throws {
        #expect(
            try lines(loads, .screen(20)) == [
                #"node_load1{zone="a"}"#,
                "2026-03-01T12:00:00…",
                "host   TREND    LAST",
                "web-1  ▁▂▃▄▅▆█     7",
                "web-2  ▄▄ ▄▄▄▄     2",
            ])
    }

    @Test func `twelve columns keep the name and the course`() throws {
        let found = try lines(loads, .screen(14))
        #expect(Array(found.suffix(3)) == ["host   TREND  ", "web-1  ▁▂▃▄▅▆█", "web-2  ▄▄ ▄▄▄▄"])
    }

    @Test(arguments: 1...12)
    func `no line is wider than the narrowest screen`(_ width: Int) throws {
        for line in try lines(loads, .screen(width), limit: 2) { #expect(line.count <= width, "\(line)") }
    }

    @Test func `no line is wider than its screen, whatever the names and values`() throws {
        let names = [3, 30, 300].map { String(repeating: "n", count: $0) }
        for width in 1...220 {
            let series = names.map { (#""a":"\#($0)","b":"\#($0)""#, ["1234567890", nil, "-1e-99"] as [String?]) }
            let found = try lines(series, .screen(width))
            #expect(found.allSatisfy { $0.count <= width }, "\(width)")
            #expect(found.count == 5)
        }
    }

    @Test func `colours are only for terminals that want them`() throws {
        let plain = try lines(loads, .screen(80))
        let coloured = try lines(loads, .screen(80, hasColour: true))
        #expect(plain.allSatisfy { !$0.contains("\u{1B}") })
        #expect(coloured[0] == "\u{1B}[1m" + plain[0] + "\u{1B}[0m")
        #expect(coloured[2] == "\u{1B}[2m" + plain[2] + "\u{1B}[0m")
        #expect(coloured.suffix(2) == plain.suffix(2))
    }

    @Test func `NaN, infinities, gaps, negatives and one sample are drawn`() throws {
        let found = try lines(
            [
                (#""s":"inf""#, ["0", "NaN", "+Inf", "-Inf", nil, "7", "7"]),
                (#""s":"negative""#, ["-7", "-6", "-5", "-4", "-3", "-2", "0"]),
                (#""s":"one""#, [nil, nil, "42", nil, nil, nil, nil]),
                (#""s":"nan""#, ["NaN", "NaN", "NaN", "NaN", "NaN", "NaN", "NaN"]),
                (#""s":"none""#, []),
                (#""s":"big""#, ["12345", "12345", "12345", "12345", "12345", "12345", "9876543"]),
            ], .screen(80))
        #expect(
            Array(found.dropFirst())
                == [
                    "s         TREND     MIN    MAX   LAST",
                    "inf       ▁ █▁ ██  -Inf   +Inf      7",
                    "negative  ▁▂▃▄▅▆█    -7      0      0",
                    "one         ▄        42     42     42",
                    "nan                   -      -    NaN",
                    "none                  -      -      -",
                    "big       ▁▁▁▁▁▁█  12.3k  9.88M  9.88M",
                ].map(Self.aligned))
    }

    /// The table above is written for the eye; columns of figures are as wide as the widest.
    private static func aligned(_ line: String) -> String {
        let name = line.prefix(8), trend = line.dropFirst(10).prefix(7)
        let figures = line.dropFirst(17).split(separator: " ")
        let widths = [5, 5, 5]
        return "\(name)  \(trend)"
            + zip(figures, widths).map { "  " + String(repeating: " ", count: $1 - $0.count) + $0 }.joined()
    }

    @Test func `a shared scale makes rows comparable`() throws {
        let series: [(labels: String, values: [String?])] = [
            (#""s":"a""#, ["0", "1", "2", "3", "4", "5", "7"]),
            (#""s":"b""#, ["0", "10", "20", "30", "40", "50", "70"]),
        ]
        let own = try lines(series, .screen(80)), shared = try lines(series, .screen(80), shared: true)
        #expect(own[2].contains("▁▂▃▄▅▆█") && own[3].contains("▁▂▃▄▅▆█"))
        #expect(shared[2].contains("▁▁▁▁▁▁▁") && shared[3].contains("▁▂▃▄▅▆█"))
    }

    @Test func `one series alone has no column for its name`() throws {
        #expect(
            try lines([loads[0]], .screen(80)) == [
                #"node_load1{host="web-1",zone="a"}"#, Self.times, "TREND    MIN  MAX  LAST", "▁▂▃▄▅▆█    0    7     7",
            ])
        #expect(try lines([("", ["1"])], .paper) == [Self.times, "TREND    MIN  MAX  LAST", "▄          1    1     1"])
    }

    @Test func `rows beyond the limit are counted with the way to see them`() throws {
        let many = (0..<1_234).map { (#""s":"\#($0)""#, ["1"] as [String?]) }
        let found = try lines(many, .screen(80), limit: 3)
        #expect(found.count == 6)
        #expect(found.last == "… and 1,231 more series; --limit 1234 shows all.")
        #expect(try lines(many, .paper, limit: 1_234).count == 1_236)
    }

    @Test func `nothing found is said`() throws {
        #expect(try lines([], .screen(80)) == ["No series matches in this time."])
    }

    @Test func `labels cannot steer the terminal or break a row`() throws {
        let found = try lines(
            [(#""s":"\u001b[2J""#, ["1"]), (#""s":"a\nb""#, ["1"])], .screen(80))
        #expect(found.count == 4 && found.allSatisfy { !$0.contains("\u{1B}") && !$0.contains("\n") })
    }

    @Test func `more points than columns are drawn by their peaks over the whole width`() throws {
        let window = QueryWindow(range: .seconds(990), end: noon + .seconds(990), step: .seconds(10), columns: 40)
        var values = [String?](repeating: "0", count: 100)
        values[57] = "9"
        let lines = RangeTable(try matrix([("", values)]), window, limit: 9, isScaleShared: false).lines(.screen(46))
        let course = try #require(lines.last).prefix(30)
        #expect(course.filter { $0 == "█" }.count == 1 && course.filter { $0 == "▁" }.count == 29)
        #expect(lines.last?.count == 46)
    }
}
