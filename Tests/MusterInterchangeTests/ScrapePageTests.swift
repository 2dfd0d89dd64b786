import MusterInterchange
import MusterModel
import Testing

/// A target with these labels besides job and instance.
func target(
    _ path: String = "/metrics", port: Int = 9_100, labels: Labels = [:], honorsLabels: Bool = false,
    interval: Duration = .seconds(1), maxSeries: Int = 1_000
) -> ScrapeTarget {
    let own: Labels = ["job": "node", "instance": "h:\(port)"]
    return ScrapeTarget(
        endpoint: .tcp(host: "h", port: port), path: path,
        labels: TargetLabels(labels.merging(own), honorsLabels: honorsLabels), interval: interval, timeout: interval,
        maxSeries: maxSeries)
}

/// A page and what its rows are called.
private struct ReadPage {
    var page = ScrapePage()
    var rows = ReadRows()
    var last = ScrapePage.Read()
    var target = MusterInterchangeTests.target()

    /// `name{labels} value` for each series, without job and instance.
    mutating func read(_ text: String, type: String? = nil) throws -> [String] {
        last = try page.read(Array(text.utf8), contentType: type, target: target)
        return rows.spelled(last.reading).map {
            $0.replacing(",instance=\"h:9100\",job=\"node\"", with: "")
                .replacing("{instance=\"h:9100\",job=\"node\"}", with: "")
                .replacing("instance=\"h:9100\",job=\"node\",", with: "")
        }
    }
}

@Suite struct ScrapePages {
    @Test func `series begin once, go on without labels, and end when they are not written`() throws {
        var page = ReadPage()
        #expect(
            try page.read("a 1\nb{x=\"y\"} 2\nc 3\n") == [
                "a 1", "b{x=\"y\"} 2", "c 3",
            ])
        #expect(page.last.reading.started.count == 3 && page.last.samples == 3)
        #expect(try page.read("a 4\nb{x=\"y\"} 5\nc 6\n").count == 3)
        #expect(page.last.reading.started.isEmpty && page.last.reading.ended.isEmpty)
        #expect(try page.read("c 7\na 8\n") == ["a 8", "b{x=\"y\"} stale", "c 7"])
        #expect(page.page.seriesCount == 2)
        #expect(try page.read("b{x=\"y\"} 9\nc 1\nd 2\n").filter { $0.hasSuffix("stale") } == ["a stale"])
        #expect(page.last.reading.started.map(\.labels.metricName) == ["b", "d"])
        #expect(try page.read("").count == 3 && page.page.seriesCount == 0)
        #expect(try page.read("").isEmpty)
    }

    @Test func `a series that is written in another way is another row`() throws {
        var page = ReadPage()
        _ = try page.read("a{x=\"1\",y=\"2\"} 1\n")
        let again = try page.read("a{y=\"2\",x=\"1\"} 2\n")
        // The old row ends and the new one begins with the same labels: whoever holds the series goes on with it.
        #expect(page.last.reading.ended.count == 1 && page.last.reading.started.count == 1)
        #expect(again == ["a{x=\"1\",y=\"2\"} 2"])
    }

    @Test func `kinds, units and help come from the lines above`() throws {
        var page = ReadPage()
        _ = try page.read(
            """
            # HELP c How many\\nof them.
            # TYPE c counter
            c_total{a="b"} 1
            c_created 2
            other 1
            # TYPE h histogram
            # UNIT h seconds
            h_bucket{le="+Inf"} 1
            h_sum 2
            h_count 3
            # TYPE s summary
            s{quantile="0.5"} 1
            # TYPE g gauge
            g 1
            # EOF

            """.replacing("\nother 1", with: ""), type: "application/openmetrics-text; version=1.0.0")
        let starts = Dictionary(
            uniqueKeysWithValues: page.last.reading.started.map { ($0.labels.metricName, $0) })
        #expect(starts["c_total"]?.kind == .counter && starts["c_total"]?.help == "How many\nof them.")
        #expect(starts["c_created"]?.kind == .gauge)
        for name in ["h_bucket", "h_sum", "h_count"] {
            #expect(starts[name]?.kind == .histogram && starts[name]?.unit == "seconds", "\(name)")
        }
        #expect(starts["s"]?.kind == .summary && starts["g"]?.kind == .gauge && starts["g"]?.help == "")
        _ = try page.read("# TYPE a counter\na 1\nab 2\n# HELP ab Text\nab_sum 3\n")
        let plain = page.last.reading.started
        #expect(plain.map(\.kind) == [.counter, .untyped, .untyped])
    }

    @Test func `what breaks a rule is left out alone and counted once`() throws {
        var page = ReadPage()
        let long = String(repeating: "v", count: Limits.labelValueBytes + 1)
        let many = (0..<Limits.labelsPerSet - 2).map { "l\($0)=\"v\"" }.joined(separator: ",")
        let text = "a 1\nb{x=\"\(long)\"} 2\nc{\(many)} 3\nd{x=\"1\",x=\"2\"} 4\n"
        #expect(try page.read(text) == ["a 1"])
        #expect(
            page.last.refusals.counts == [.labelValueTooLong: 1, .tooManyLabels: 1, .duplicateLabel: 1])
        #expect(page.last.samples == 4)
        #expect(try page.read(text) == ["a 1"])
        #expect(page.last.refusals.total == 0)
        // Gone without ever having been there, its row is free for another.
        #expect(try page.read("a 1\ne 5\n") == ["a 1", "e 5"])
        #expect(page.last.reading.ended.isEmpty)
    }

    @Test func `of one series twice the first counts, and times are not kept`() throws {
        var page = ReadPage()
        #expect(try page.read("a 1 1700000000000\na 2\nb 3 5\n") == ["a 1", "b 3"])
        #expect(page.last.duplicates == 1 && page.last.timestamps == 2 && page.last.samples == 3)
    }

    @Test(
        arguments: [
            ("a 1\nb x\n", nil, .malformed, "line 2, column 3"), ("a{x=1} 1\n", nil, .malformed, "line 1"),
            ("a 1\n", "application/openmetrics-text", .malformed, "# EOF"),
            ("a 1\nb 1\nc 1\nd 1\n", nil, .tooManySeries, "more than the 3 series allowed"),
        ] as [(String, String?, ScrapeFailure.Reason, String)])
    func `a scrape fails as a whole, and what was there is told`(
        text: String, type: String?, reason: ScrapeFailure.Reason, words: String
    ) throws {
        var page = ReadPage()
        page.target.maxSeries = 3
        _ = try page.read("gone 1\n")
        _ = try page.read("a 1\nb{x=\"y\"} 2\nrefused{x=\"1\",x=\"2\"} 1\n")
        let error = #expect(throws: ScrapeFailure.self) { try page.read(text, type: type) }
        #expect(error?.reason == reason && error?.detail.contains(words) == true, "\(error as Any)")
        let lost = Set(page.page.abandoned.compactMap { page.rows.live[$0]?.metricName })
        #expect(lost == ["a", "b"] && page.page.abandoned.count == 2)
    }

    @Test func `a page that never succeeded has nothing to give up`() throws {
        var page = ScrapePage()
        #expect(throws: ScrapeFailure.self) {
            try page.read(Array("a 1\nb x\n".utf8), contentType: nil, target: target())
        }
        #expect(page.abandoned.isEmpty)
    }

    /// Against a plain dictionary: endpoints that come, go, and change their order.
    @Test func `random expositions read as a dictionary would`() throws {
        var generator = SplitMix(seed: 77)
        var page = ReadPage()
        page.target = target(maxSeries: 1_000)
        var before: Set<String> = []
        var (starts, ends) = (0, 0)
        for round in 0..<400 {
            let shown = (0..<120).filter { _ in UInt8.random(in: 0...255, using: &generator) < UInt8(round % 200 + 20) }
                .shuffled(using: &generator)
            var wanted: [String: Double] = [:]
            var text = ""
            for number in shown {
                let value = Double(Int.random(in: 0...9, using: &generator))
                text += "m\(number % 7){n=\"\(number)\"} \(Int(value))\n"
                wanted["m\(number % 7){instance=\"h:9100\",job=\"node\",n=\"\(number)\"}"] = value
            }
            let read = try page.page.read(Array(text.utf8), contentType: nil, target: page.target)
            var found = page.rows.take(read.reading)
            let stale = Set(found.filter { StaleMarker.isMarker($0.value) }.keys)
            #expect(stale == before.subtracting(wanted.keys))
            for key in stale { found[key] = nil }
            #expect(found == wanted)
            #expect(page.page.seriesCount == wanted.count)
            starts += read.reading.started.count
            ends += read.reading.ended.count
            before = Set(wanted.keys)
        }
        #expect(starts > 3_000 && starts - ends == before.count)
    }

    @Test func `no bytes make it trap, and rows stay whole over failures`() throws {
        var generator = SplitMix(seed: 78)
        let text = Array("# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 3 4\n{\"c.d\",e=\"f\"} 5\n".utf8)
        var page = ReadPage()
        var outcomes = [0, 0]
        for _ in 0..<10_000 {
            do {
                let read = try page.page.read(mutated(text, &generator), contentType: nil, target: page.target)
                _ = page.rows.take(read.reading)
                outcomes[1] += 1
            } catch {
                #expect(Set(page.page.abandoned) == Set(page.rows.live.keys))
                page = ReadPage()
                outcomes[0] += 1
            }
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 }, "\(outcomes)")
    }
}

@Suite struct LabelsOfTargets {
    @Test(
        arguments: [
            // Series, target, honors, result.
            (["a": "1"], ["job": "j"], false, ["a": "1", "job": "j"]),
            (["job": "own"], ["job": "j"], false, ["exported_job": "own", "job": "j"]),
            (
                ["job": "own", "exported_job": "x"], ["job": "j"], false,
                ["exported_exported_job": "own", "exported_job": "x", "job": "j"]
            ),
            (
                ["job": "own"], ["job": "j", "exported_job": "t"], false,
                ["exported_exported_job": "own", "exported_job": "t", "job": "j"]
            ),
            (
                ["a": "1", "exported_a": "2"], ["a": "t", "exported_a": "u"], false,
                ["a": "t", "exported_a": "u", "exported_exported_a": "1", "exported_exported_exported_a": "2"]
            ),
            (["job": "own"], ["job": "j", "instance": "i"], true, ["job": "own", "instance": "i"]),
            (["host": "h"], ["job": "j"], true, ["exported_host": "h", "job": "j"]),
            (["host": "h"], [:], false, ["exported_host": "h"]),
            (["host": "h", "exported_host": "e"], [:], false, ["exported_host": "e", "exported_exported_host": "h"]),
        ] as [(Labels, Labels, Bool, Labels)])
    func `labels that collide are renamed or win`(series: Labels, target: Labels, honors: Bool, result: Labels) {
        #expect(TargetLabels(target, honorsLabels: honors).applied(to: series) == result)
    }
}
