import MusterModel
import MusterQuery

extension Promqltest.Expectation {
    /// Every expected annotation came, and none that was not expected.
    func compare(_ annotations: [(severity: QueryAnnotation.Severity, text: String)]) throws {
        for (severity, expected, isExcluded) in [
            (QueryAnnotation.Severity.warning, warnings, hasNoWarnings), (.info, infos, hasNoInfos),
        ] {
            let actual = annotations.filter { $0.severity == severity }.map(\.text)
            if isExcluded, let unexpected = actual.first { throw Mismatch("unexpected annotation: \(unexpected)") }
            guard !expected.isEmpty else { continue }
            guard expected.allSatisfy({ check in actual.contains(where: check.isMatch) }),
                actual.allSatisfy({ text in expected.contains { $0.isMatch(text) } })
            else { throw Mismatch("expected \(expected), got annotations \(actual)") }
        }
    }

    func compare(_ value: QueryAnswer.Value) throws {
        switch value {
        case .string(let text, _):
            guard text == string else { throw Mismatch("got the string \(text)") }
        case .scalar(let sample):
            guard let scalar else { throw Mismatch("got the scalar \(sample.value)") }
            guard Self.isNear(sample.value, scalar) else { throw Mismatch("got \(sample.value)") }
        case .vector(let elements):
            try compare(elements)
        case .matrix(let matrix):
            try compare(matrix)
        }
    }

    private func compare(_ elements: [QueryAnswer.Element]) throws {
        guard scalar == nil else { throw Mismatch("got a vector of \(elements.count)") }
        for (index, element) in elements.enumerated() {
            guard let position = series.firstIndex(where: { $0.labels == element.labels }) else {
                throw Mismatch("unexpected \(element.labels) \(element.sample.value)")
            }
            guard case .value(let expected) = series[position].values.first,
                Self.isNear(element.sample.value, expected)
            else { throw Mismatch("\(element.labels) is \(element.sample.value), not \(series[position].values)") }
            guard !isOrdered || position == index else {
                throw Mismatch("\(element.labels) is at \(index), not at \(position)")
            }
        }
        try compareCount(of: elements.map(\.labels))
    }

    private func compare(_ matrix: [SeriesSamples]) throws {
        for (series, following) in zip(matrix, matrix.dropFirst())
        where !Self.areInOrder(series.labels, following.labels) {
            throw Mismatch("\(series.labels) stands before \(following.labels)")
        }
        for found in matrix {
            guard let notation = series.first(where: { $0.labels == found.labels }) else {
                throw Mismatch("unexpected \(found.labels) \(found.samples)")
            }
            let expected = notation.values.enumerated().compactMap { index, value -> Sample? in
                guard case .value(let number) = value else { return nil }
                return Sample(milliseconds: steps.time(index), value: number)
            }
            guard found.samples.count == expected.count,
                zip(found.samples, expected).allSatisfy({
                    $0.milliseconds == $1.milliseconds && Self.isNear($0.value, $1.value)
                })
            else { throw Mismatch("\(found.labels) has \(found.samples), not \(expected)") }
        }
        try compareCount(of: matrix.map(\.labels))
    }

    private func compareCount(of found: [Labels]) throws {
        guard Set(found).count == found.count else { throw Mismatch("the same labels twice in \(found)") }
        let missing = series.filter { !found.contains($0.labels) && $0.values.contains { $0 != .omitted } }
        guard missing.isEmpty else { throw Mismatch("missing \(missing.map(\.labels))") }
    }

    /// By name and value, label by label.
    private static func areInOrder(_ a: Labels, _ b: Labels) -> Bool {
        for (left, right) in zip(a.pairs, b.pairs) where left != right {
            return left.name == right.name ? left.value < right.value : left.name < right.name
        }
        return a.pairs.count <= b.pairs.count
    }

    /// A relative error below 1e-6. NaN is near NaN; the stale marker only near itself.
    static func isNear(_ a: Double, _ b: Double) -> Bool {
        let stale = StaleMarker.value.bitPattern
        if a.bitPattern == stale || b.bitPattern == stale { return a.bitPattern == b.bitPattern }
        if a.isNaN && b.isNaN || a == b { return true }
        let smallest = Double.leastNormalMagnitude
        let sum = a.magnitude + b.magnitude
        let difference = (a - b).magnitude
        if a == 0 || b == 0 || sum < smallest { return difference < 1e-6 * smallest }
        return difference / min(sum, .greatestFiniteMagnitude) < 1e-6
    }
}
