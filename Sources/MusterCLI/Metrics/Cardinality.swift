import Foundation

/// How many series there are and whose they are: the data of `/api/v1/status/tsdb`, Prometheus's fields and our own.
package struct Cardinality: Decodable, Sendable {
    package struct Head: Decodable, Sendable {
        var numSeries: Int
        var numLabelPairs: Int
        var chunkCount: Int
        /// Milliseconds since 1970; of no meaning when there is no series.
        var minTime: Int64
        var maxTime: Int64
    }

    package struct Count: Decodable, Sendable {
        var name: String
        var value: Int
    }

    /// A host, or another source with a budget of its own.
    package struct Owner: Decodable, Sendable {
        var name: String
        var value: Int
        /// The most series it may have.
        var budget: Int
        /// New series that were not stored.
        var refused: Int
    }

    var headStats: Head
    var seriesCountByMetricName: [Count]
    var labelValueCountByLabelName: [Count]
    var memoryInBytesByLabelName: [Count]
    var seriesCountByLabelValuePair: [Count]
    var seriesByOwner: [Owner]
    var refusedByMetricName: [Count]
}

/// Cardinality for people: what was refused first, then the totals, then who has the most of what.
package struct CardinalityReport {
    package enum Subject: String, CaseIterable, Sendable {
        case metric
        case label
        case host
        case pair
    }

    private let cardinality: Cardinality
    /// Rows of each table.
    private let limit: Int

    package init(_ cardinality: Cardinality, limit: Int) {
        self.cardinality = cardinality
        self.limit = limit
    }

    /// One table alone when a subject is named.
    package func lines(by subject: Subject?, _ terminal: Terminal) -> [String] {
        var lines = refusals(terminal) + [totals]
        for subject in subject.map({ [$0] }) ?? [.metric, .label, .host, .pair] {
            let table = table(subject)
            lines += [""] + (table.isEmpty ? ["No series, so nothing by \(subject.rawValue)."] : table.lines(terminal))
        }
        return lines
    }

    // MARK: What was refused

    private func refusals(_ terminal: Terminal) -> [String] {
        let owners = cardinality.seriesByOwner.filter { $0.refused > 0 }.sorted { $0.refused > $1.refused }
        let metrics = cardinality.refusedByMetricName.filter { $0.value > 0 }
        guard !owners.isEmpty || !metrics.isEmpty else { return [] }
        var lines = owners.prefix(limit).map { terminal.paint(Self.refusal($0), .red) }
        if owners.count > limit { lines.append(leftOutText(owners.count - limit, "host", shown: limit)) }
        if !metrics.isEmpty {
            let named = metrics.prefix(limit).map { "\(Terminal.sanitized($0.name)) (\(HumaneNumber.count($0.value)))" }
            let rest = metrics.count > limit ? " and \(HumaneNumber.count(metrics.count - limit)) more" : ""
            lines.append("Refused by metric: " + named.joined(separator: ", ") + rest)
        }
        let worst = cardinality.labelValueCountByLabelName.first.map {
            " (\(Terminal.sanitized($0.name)) has the most, \(HumaneNumber.count($0.value)))"
        }
        lines.append(
            "Way out: take the label with too many values out of the metric where it is made"
                + (worst ?? "") + ", or raise metrics.seriesPerHost, metrics.seriesPerMetric or metrics.maxMemory in "
                + "muster.yaml. What is stored goes on; only new series are refused.")
        return lines + [""]
    }

    private static func refusal(_ owner: Cardinality.Owner) -> String {
        let (name, series) = (Terminal.sanitized(owner.name), HumaneNumber.count(owner.value))
        let (budget, refused) = (HumaneNumber.count(owner.budget), HumaneNumber.count(owner.refused))
        guard owner.value < owner.budget else {
            return "\(name) has used up its budget of \(budget) series: \(refused) new ones were refused."
        }
        return "\(name) has \(series) of \(budget) series; \(refused) new ones were refused, "
            + "earlier, by the budget of a metric or for lack of memory."
    }

    // MARK: Totals and tables

    private var totals: String {
        let head = cardinality.headStats
        return "\(HumaneNumber.count(head.numSeries)) series, \(HumaneNumber.count(head.numLabelPairs)) pairs of label "
            + "and value, \(HumaneNumber.count(head.chunkCount)) chunks"
    }

    private func table(_ subject: Subject) -> Table {
        switch subject {
        case .metric: counts("METRIC", "SERIES", cardinality.seriesCountByMetricName)
        case .label: labels
        case .host: hosts
        case .pair: counts("PAIR", "SERIES", cardinality.seriesCountByLabelValuePair)
        }
    }

    private func counts(_ name: Table.Column, _ count: String, _ counts: [Cardinality.Count]) -> Table {
        var table = Table(.number(count), name)
        for item in counts.prefix(limit) { table.row(.init(HumaneNumber.count(item.value)), .init(item.name)) }
        return table
    }

    /// The API counts values and memory in two lists, each with its own greatest; here a label is one row.
    private var labels: Table {
        let memory = Dictionary(
            cardinality.memoryInBytesByLabelName.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        var table = Table(.number("VALUES"), .number("MEMORY"), "LABEL")
        for label in cardinality.labelValueCountByLabelName.prefix(limit) {
            table.row(
                .init(HumaneNumber.count(label.value)),
                .init(memory[label.name].map { HumaneNumber.bytes(Double($0)) } ?? "-"), .init(label.name))
        }
        return table
    }

    private var hosts: Table {
        var table = Table(.number("SERIES"), .number("BUDGET"), .number("USED"), .number("REFUSED"), "HOST")
        for owner in cardinality.seriesByOwner.prefix(limit) {
            let used = owner.budget > 0 ? Double(owner.value) / Double(owner.budget) : 1
            let colour: Terminal.Colour? = owner.refused > 0 || used >= 1 ? .red : used >= 0.8 ? .yellow : nil
            table.row(
                .init(HumaneNumber.count(owner.value)), .init(HumaneNumber.count(owner.budget)),
                .init(HumaneNumber.percent(used * 100), colour),
                .init(HumaneNumber.count(owner.refused), owner.refused > 0 ? .red : nil), .init(owner.name))
        }
        return table
    }
}
