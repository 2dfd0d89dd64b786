import MusterModel

/// An operator between two values, for all steps.
struct BinaryEvaluator {
    let op: MetricOperation.Operator
    let returnsBool: Bool
    let matching: MetricOperation.Matching?
    let steps: Int

    private static let gap = StaleMarker.value

    func evaluate(
        _ left: MetricEvaluator.Value, _ right: MetricEvaluator.Value
    ) throws(LogQLError) -> MetricEvaluator.Value {
        switch (left, right) {
        case (.scalar(let a), .scalar(let b)): .scalar(op.isComparison ? isTrue(a, b) ? 1 : 0 : number(a, b))
        case (.series(let series), .scalar(let b)):
            .series(series.map { each($0) { result($0, b, kept: $0) } }.filter(hasValues))
        case (.scalar(let a), .series(let series)):
            .series(series.map { each($0) { result(a, $0, kept: $0) } }.filter(hasValues))
        case (.series(let a), .series(let b)): try .series(op.isSet ? combined(a, b) : matched(a, b))
        }
    }

    private func each(_ series: MetricSeries, _ change: (Double) -> Double) -> MetricSeries {
        MetricSeries(
            labels: series.labels, values: series.values.map { StaleMarker.isMarker($0) ? Self.gap : change($0) })
    }

    private func hasValues(_ series: MetricSeries) -> Bool { series.values.contains { !StaleMarker.isMarker($0) } }

    /// A comparison without bool keeps a value or leaves a gap.
    private func result(_ a: Double, _ b: Double, kept: Double) -> Double {
        guard op.isComparison else { return number(a, b) }
        if returnsBool { return isTrue(a, b) ? 1 : 0 }
        return isTrue(a, b) ? kept : Self.gap
    }

    private func isTrue(_ a: Double, _ b: Double) -> Bool {
        LabelCondition.Comparison(rawValue: op.rawValue)?.isTrue(a, b) ?? false
    }

    private func number(_ a: Double, _ b: Double) -> Double {
        switch op {
        case .add: a + b
        case .subtract: a - b
        case .multiply: a * b
        case .divide: a / b
        case .modulo: a.truncatingRemainder(dividingBy: b)
        default: Power.raise(a, to: b)
        }
    }

    // MARK: Matching

    /// The labels that have to be alike.
    private func signature(_ labels: Labels) -> Labels {
        guard let matching else { return labels }
        return labels.filtered { matching.labels.contains($0) == matching.isOn }
    }

    private func matched(_ left: [MetricSeries], _ right: [MetricSeries]) throws(LogQLError) -> [MetricSeries] {
        let left = Dictionary(grouping: left) { signature($0.labels) }
        let right = Dictionary(grouping: right) { signature($0.labels) }
        var results: [MetricSeries] = []
        for (labels, many) in left {
            guard let others = right[labels] else { continue }
            var values = [Double](repeating: Self.gap, count: steps)
            for step in 0..<steps {
                let a = try value(of: many, at: step, labels, "left")
                let b = try value(of: others, at: step, labels, "right")
                guard !StaleMarker.isMarker(a), !StaleMarker.isMarker(b) else { continue }
                values[step] = result(a, b, kept: a)
            }
            let result = MetricSeries(labels: labels, values: values)
            if hasValues(result) { results.append(result) }
        }
        return results
    }

    /// Of series with one signature at most one may have a value.
    private func value(
        of series: [MetricSeries], at step: Int, _ labels: Labels, _ side: String
    ) throws(LogQLError) -> Double {
        var value = Self.gap
        for series in series where !StaleMarker.isMarker(series.values[step]) {
            guard StaleMarker.isMarker(value) else {
                throw LogQLError(
                    .matching,
                    "\(op.rawValue) finds several series for \(labels) on its \(side); "
                        + "bring that side to one with sum by (...), or match on more labels")
            }
            value = series.values[step]
        }
        return value
    }

    // MARK: Sets

    private func combined(_ left: [MetricSeries], _ right: [MetricSeries]) -> [MetricSeries] {
        let presentLeft = presence(left)
        let presentRight = presence(right)
        let kept = left.map { series -> MetricSeries in
            guard op != .or else { return series }
            let others = presentRight[signature(series.labels)]
            return masked(series) { (others?[$0] ?? false) == (op == .and) }
        }
        guard op == .or else { return kept.filter(hasValues) }
        let added = right.map { series -> MetricSeries in
            let others = presentLeft[signature(series.labels)]
            return masked(series) { !(others?[$0] ?? false) }
        }
        return joined((kept + added).filter(hasValues))
    }

    /// Series of both sides can have the same labels at different steps.
    private func joined(_ series: [MetricSeries]) -> [MetricSeries] {
        var places: [Labels: Int] = [:]
        var joined: [MetricSeries] = []
        for series in series {
            guard let place = places[series.labels] else {
                places[series.labels] = joined.count
                joined.append(series)
                continue
            }
            for step in 0..<steps where !StaleMarker.isMarker(series.values[step]) {
                joined[place].values[step] = series.values[step]
            }
        }
        return joined
    }

    private func masked(_ series: MetricSeries, _ isKept: (Int) -> Bool) -> MetricSeries {
        MetricSeries(
            labels: series.labels,
            values: series.values.indices.map { isKept($0) ? series.values[$0] : Self.gap })
    }

    /// At which steps a signature has a value.
    private func presence(_ all: [MetricSeries]) -> [Labels: [Bool]] {
        var presence: [Labels: [Bool]] = [:]
        for series in all {
            var steps = presence[signature(series.labels)] ?? [Bool](repeating: false, count: steps)
            for (step, value) in series.values.enumerated() where !StaleMarker.isMarker(value) { steps[step] = true }
            presence[signature(series.labels)] = steps
        }
        return presence
    }
}
