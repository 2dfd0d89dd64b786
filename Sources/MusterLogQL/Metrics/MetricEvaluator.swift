import MusterModel

/// Works out a plan once all lines have been seen, each part for all steps at once.
struct MetricEvaluator {
    enum Value {
        case scalar(Double)
        case series([MetricSeries])
    }

    let grid: MetricGrid
    let tables: [RangeTable]

    func evaluate(_ plan: MetricPlan) throws(LogQLError) -> Value {
        switch plan {
        case .number(let value): return .scalar(value)
        case .vector(let value):
            return .series([MetricSeries(labels: [:], values: [Double](repeating: value, count: grid.count))])
        case .range(let number): return .series(tables[number].values)
        case .aggregate(let op, let parameter, let grouping, let operand):
            guard case .series(let series) = try evaluate(operand) else { return .series([]) }
            return .series(aggregate(op, parameter, grouping, series))
        case .binary(let op, let returnsBool, let matching, let left, let right):
            let left = try evaluate(left)
            let right = try evaluate(right)
            return try BinaryEvaluator(op: op, returnsBool: returnsBool, matching: matching, steps: grid.count)
                .evaluate(left, right)
        case .labelReplace(let operand, let replacement, let pattern):
            guard case .series(let series) = try evaluate(operand) else { return .series([]) }
            return .series(try replaceLabels(of: series, replacement, pattern))
        }
    }

    // MARK: Aggregations

    private func aggregate(
        _ op: VectorAggregation.Operator, _ parameter: Int?, _ grouping: LogGrouping?, _ series: [MetricSeries]
    ) -> [MetricSeries] {
        if op.sorts { return sorted(series, descending: op == .sortDescending) }
        let groups = Dictionary(grouping: series) { $0.labels.grouped(grouping) }
        guard op.takesParameter else {
            return groups.map { MetricSeries(labels: $0.key, values: reduced(op, $0.value)) }
        }
        let best = groups.values.flatMap { kept(parameter ?? 1, of: $0, largest: op == .topk) }
        return sorted(best, descending: op == .topk)
    }

    /// By the value at the first step, which is all there is in an instant query; NaN last.
    private func sorted(_ series: [MetricSeries], descending: Bool) -> [MetricSeries] {
        series.sorted { a, b in
            guard let x = a.values.first, let y = b.values.first else { return false }
            if x.isNaN || y.isNaN || x == y {
                return x.isNaN != y.isNaN ? y.isNaN : a.labels.isBefore(b.labels)
            }
            return descending ? x > y : x < y
        }
    }

    private func reduced(_ op: VectorAggregation.Operator, _ series: [MetricSeries]) -> [Double] {
        (0..<grid.count).map { step in
            let values = series.map { $0.values[step] }.filter { !StaleMarker.isMarker($0) }
            guard let first = values.first else { return StaleMarker.value }
            let count = Double(values.count)
            switch op {
            case .sum: return values.reduce(0, +)
            case .avg: return values.reduce(0, +) / count
            case .count: return count
            case .min: return values.dropFirst().reduce(first) { $1 < $0 || $0.isNaN ? $1 : $0 }
            case .max: return values.dropFirst().reduce(first) { $1 > $0 || $0.isNaN ? $1 : $0 }
            default:
                let mean = values.reduce(0, +) / count
                let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
                return op == .stdvar ? variance : variance.squareRoot()
            }
        }
    }

    /// At each step the values of the `count` largest or smallest series; of equal ones the first by labels.
    private func kept(_ count: Int, of series: [MetricSeries], largest: Bool) -> [MetricSeries] {
        let ordered = series.sorted { $0.labels.isBefore($1.labels) }
        guard ordered.count > count else { return ordered }
        var kept = ordered
        for step in 0..<grid.count {
            let present = ordered.indices.filter { !StaleMarker.isMarker(ordered[$0].values[step]) }
            guard present.count > count else { continue }
            let ranked = present.sorted { a, b in
                let (x, y) = (ordered[a].values[step], ordered[b].values[step])
                if x.isNaN || y.isNaN || x == y { return x.isNaN != y.isNaN ? y.isNaN : a < b }
                return largest ? x > y : x < y
            }
            for index in ranked.dropFirst(count) { kept[index].values[step] = StaleMarker.value }
        }
        return kept.filter { $0.values.contains { !StaleMarker.isMarker($0) } }
    }

    // MARK: Labels

    private func replaceLabels(
        of series: [MetricSeries], _ replacement: LabelReplacement, _ pattern: any Pattern
    ) throws(LogQLError) -> [MetricSeries] {
        let template = ReplacementTemplate(replacement.replacement)
        let names = pattern.groupNames
        var known: Set<Labels> = []
        var replaced: [MetricSeries] = []
        for var series in series {
            if let captures = pattern.captures(series.labels[replacement.source] ?? "") {
                let text = template.expanded(captures, names: names)
                series.labels[replacement.label] = text.isEmpty ? nil : text
            }
            guard known.insert(series.labels).inserted else {
                throw LogQLError(
                    .matching, "label_replace makes two series alike: \(series.labels); keep a label that differs")
            }
            replaced.append(series)
        }
        return replaced
    }
}
