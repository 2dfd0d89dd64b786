/// Buckets of a classic histogram: how many observations were at most each upper bound.
/// Source of the rules: Prometheus, promql/quantile.go, BucketQuantile and BucketFraction.
struct ClassicHistogram {
    /// Counts that fell, and were raised to the one before.
    struct Repair: Equatable {
        var lowestBound = Double.infinity
        var highestBound = -Double.infinity
        var largestGap = 0.0
    }

    private var bounds: [Double] = []
    private var counts: [Double] = []

    var isEmpty: Bool { bounds.isEmpty }

    mutating func removeAll() {
        bounds.removeAll(keepingCapacity: true)
        counts.removeAll(keepingCapacity: true)
    }

    /// In ascending order of bounds. Buckets that spell one bound differently are one.
    mutating func append(upperBound: Double, count: Double) {
        if bounds.last == upperBound {
            counts[counts.count - 1] += count
        } else {
            bounds.append(upperBound)
            counts.append(count)
        }
    }

    /// Interpolated linearly within its bucket. The lowest begins at zero when it ends above; what lies in the last,
    /// which is open, is its lower bound. NaN without an open bucket, with no other, or without observations.
    mutating func quantile(_ q: Double) -> (value: Double, repair: Repair?) {
        if q.isNaN { return (.nan, nil) }
        if q < 0 { return (-.infinity, nil) }
        if q > 1 { return (.infinity, nil) }
        guard let open = bounds.last, open == .infinity else { return (.nan, nil) }
        let repair = makeMonotonic()
        let last = bounds.count - 1
        guard last >= 1, counts[last] != 0 else { return (.nan, repair) }
        var rank = q * counts[last]
        let bucket = counts[..<last].firstIndex { $0 >= rank } ?? last
        if bucket == last { return (bounds[last - 1], repair) }
        if bucket == 0, bounds[0] <= 0 { return (bounds[0], repair) }
        var start = 0.0
        var count = counts[bucket]
        if bucket > 0 {
            start = bounds[bucket - 1]
            count -= counts[bucket - 1]
            rank -= counts[bucket - 1]
        }
        return (start + (bounds[bucket] - start) * (rank / count), repair)
    }

    /// The share of observations between two values.
    func fraction(_ lower: Double, _ upper: Double) -> Double {
        guard bounds.last == .infinity, let count = counts.last, count != 0, !lower.isNaN, !upper.isNaN else {
            return .nan
        }
        guard lower < upper else { return 0 }
        return (rank(of: upper) - rank(of: lower)) / count
    }

    /// How many observations lie below a value, interpolated linearly within its bucket.
    private func rank(of value: Double) -> Double {
        var before = 0.0
        for index in bounds.indices {
            let start = index > 0 ? bounds[index - 1] : bounds[0] <= 0 ? -.infinity : 0
            if start >= value { return Swift.min(before, counts[counts.count - 1]) }
            if bounds[index] > value {
                let inBucket =
                    start == -.infinity
                    ? counts[index] : before + (counts[index] - before) * (value - start) / (bounds[index] - start)
                return Swift.min(inBucket, counts[counts.count - 1])
            }
            before = counts[index]
        }
        return counts[counts.count - 1]
    }

    /// Counts of upper bounds may only grow. A difference of one part in 10^12 is rounding, and no repair.
    private mutating func makeMonotonic() -> Repair? {
        var repair: Repair?
        var highest = counts[0]
        for index in counts.indices.dropFirst() where counts[index] != highest {
            if isAlmostEqual(counts[index], highest) {
                counts[index] = highest
            } else if counts[index] < highest {
                var repaired = repair ?? Repair()
                repaired.lowestBound = Swift.min(repaired.lowestBound, bounds[index])
                repaired.highestBound = Swift.max(repaired.highestBound, bounds[index])
                repaired.largestGap = Swift.max(repaired.largestGap, highest - counts[index])
                repair = repaired
                counts[index] = highest
            } else {
                highest = counts[index]
            }
        }
        return repair
    }

    private func isAlmostEqual(_ a: Double, _ b: Double) -> Bool {
        if a.isNaN && b.isNaN { return true }
        let sum = a.magnitude + b.magnitude
        let difference = (a - b).magnitude
        // Most counts differ by far, and that needs no division.
        if difference > 2e-12 * sum { return false }
        if a == 0 || b == 0 || sum < .leastNormalMagnitude { return difference < 1e-12 * .leastNormalMagnitude }
        return difference / Swift.min(sum, .greatestFiniteMagnitude) < 1e-12
    }
}
