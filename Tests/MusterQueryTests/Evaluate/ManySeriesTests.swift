import MusterModel
import MusterQuery
import Testing

/// What is grouped, matched and ordered by hash tables and heaps, against plain dictionaries.
@Suite struct ManySeries {
    private struct Row {
        var labels: Labels
        var value: Double
    }

    private static let rows: [Row] = {
        var random = SplitMix(seed: 99)
        var rows: [Labels: Double] = [:]
        while rows.count < 3_000 {
            let labels: Labels = [
                "__name__": "m", "job": "job-\(random.next() % 40)", "host": "host-\(random.next() % 700)",
                "zone": "\(random.next() % 3)",
            ]
            rows[labels] = Double(random.next() % 1_000)
        }
        return rows.map { Row(labels: $0.key, value: $0.value) }
    }()

    private static let all = view(rows.map { ($0.labels, [$0.value]) })

    private func grouped(_ names: Set<String>) -> [Labels: [Double]] {
        Dictionary(grouping: Self.rows) { $0.labels.filtered { names.contains($0) } }.mapValues { $0.map(\.value) }
    }

    @Test(arguments: [["job"], ["host"], ["zone", "job"], ["host", "job", "zone"], []])
    func `groups by any labels`(names: [String]) throws {
        let groups = grouped(Set(names))
        let by = names.joined(separator: ", ")
        #expect(try vector("sum by (\(by)) (m)", Self.all) == groups.mapValues { $0.reduce(0, +) })
        #expect(try vector("count by (\(by)) (m)", Self.all) == groups.mapValues { Double($0.count) })
        #expect(try vector("max by (\(by)) (m)", Self.all) == groups.mapValues { $0.max() ?? .nan })
        let others = ["job", "host", "zone"].filter { !names.contains($0) }.joined(separator: ", ")
        #expect(try vector("min without (\(others)) (m)", Self.all) == groups.mapValues { $0.min() ?? .nan })
    }

    @Test func `each series finds its group's sum`() throws {
        let sums = grouped(["job", "zone"]).mapValues { $0.reduce(0, +) }
        let expected = Dictionary(
            uniqueKeysWithValues: Self.rows.map { row in
                let group = row.labels.filtered { $0 == "job" || $0 == "zone" }
                return (row.labels.filtered { $0 != "__name__" }, row.value - (sums[group] ?? .nan))
            })
        let sum = "sum by (job, zone) (m)"
        #expect(try vector("m - on (job, zone) group_left () \(sum)", Self.all) == expected)
        #expect(try vector("-(\(sum) - ignoring (host) group_right () m)", Self.all) == expected)
    }

    @Test func `set operators over halves`() throws {
        let large = Dictionary(
            uniqueKeysWithValues: Self.rows.filter { $0.value > 500 }.map { ($0.labels, $0.value) })
        #expect(try vector("m and (m > 500)", Self.all) == large)
        #expect(try vector("m unless (m <= 500)", Self.all) == large)
        #expect(try vector("(m > 500) or (m <= 500)", Self.all).count == Self.rows.count)
    }

    @Test func `an answer is in the order of label sets`() throws {
        let time = QueryTime.range(start: 0, end: 0, step: 1)
        guard case .matrix(let series) = try answer("m", Self.all, at: time).value else {
            return #expect(Bool(false))
        }
        func key(_ labels: Labels) -> [String] { labels.pairs.flatMap { [$0.name, $0.value] } }
        let expected = Self.rows.map(\.labels).sorted { key($0).lexicographicallyPrecedes(key($1)) }
        #expect(series.map(\.labels) == expected)
    }

    @Test func `made labels are numbered apart from the view's`() throws {
        let joined = #"label_join(m, "all", "/", "job", "host", "zone")"#
        #expect(try vector("count by (all) (\(joined))", Self.all).count == Self.rows.count)
        let again = #"label_replace(\#(joined), "job", "$1", "all", "([^/]*)/.*")"#
        #expect(
            try vector("sum by (job) (\(again))", Self.all) == grouped(["job"]).mapValues { $0.reduce(0, +) })
    }

    /// The largest gap is told with two digits, as Go's %.2g writes them.
    @Test(arguments: [
        (12.0, "12"), (120, "1.2e+02"), (9.96, "10"), (99.6, "1e+02"), (0.5, "0.5"), (0.123, "0.12"), (1, "1"),
        (0.000_123, "0.00012"), (0.000_012_3, "1.2e-05"), (1e6, "1e+06"), (15_500, "1.6e+04"),
    ])
    func `gaps with two digits`(gap: Double, text: String) throws {
        let view = view([
            (["__name__": "h", "le": "1"], [gap]), (["__name__": "h", "le": "2"], [0]),
            (["__name__": "h", "le": "+Inf"], [2 * gap]),
        ])
        let found = try #require(try annotations("histogram_quantile(0.5, h)", view).first)
        #expect(found.contains("with a max diff of \(text), over 1 samples"), "\(found)")
    }
}
