/// Summation with Neumaier's correction: small terms survive beside large ones.
struct KahanSum {
    private(set) var sum: Double
    private(set) var correction = 0.0

    init(_ first: Double) { sum = first }

    init(sum: Double, correction: Double) {
        self.sum = sum
        self.correction = correction
    }

    @inline(__always)
    mutating func add(_ term: Double) {
        let next = sum + term
        if next.isInfinite {
            correction = 0
        } else if sum.magnitude >= term.magnitude {
            correction += (sum - next) + term
        } else {
            correction += (term - next) + sum
        }
        sum = next
    }

    @inline(__always)
    var value: Double { sum + correction }
}

/// The mean: sum by count as long as the sum is finite, from then on incrementally.
struct KahanMean {
    private var total: KahanSum
    private var count = 1.0
    private var isIncremental = false

    init(_ first: Double) { total = KahanSum(first) }

    mutating func add(_ value: Double) {
        count += 1
        if !isIncremental {
            var next = total
            next.add(value)
            if !next.sum.isInfinite {
                total = next
                return
            }
            isIncremental = true
            total = KahanSum(sum: total.sum / (count - 1), correction: total.correction / (count - 1))
        }
        let share = (count - 1) / count
        total = KahanSum(sum: share * total.sum, correction: share * total.correction)
        total.add(value / count)
    }

    var value: Double { isIncremental ? total.value : total.sum / count + total.correction / count }
}
