/// Reduces values to one: those of a group at a step (`sum`), or of a window (`sum_over_time`). The first value makes
/// it, so an empty group or window has none.
protocol Reducer {
    init(_ first: Double)
    mutating func add(_ value: Double)
    var value: Double { get }
}

extension KahanSum: Reducer {}
extension KahanMean: Reducer {}

struct CountReducer: Reducer {
    private(set) var value = 1.0

    init(_ first: Double) {}
    mutating func add(_ value: Double) { self.value += 1 }
}

/// `group`, `present_over_time`.
struct OneReducer: Reducer {
    let value = 1.0

    init(_ first: Double) {}
    mutating func add(_ value: Double) {}
}

/// NaN only when there is nothing else.
struct MinReducer: Reducer {
    private(set) var value: Double

    init(_ first: Double) { value = first }
    mutating func add(_ value: Double) {
        if value < self.value || self.value.isNaN { self.value = value }
    }
}

/// NaN only when there is nothing else.
struct MaxReducer: Reducer {
    private(set) var value: Double

    init(_ first: Double) { value = first }
    mutating func add(_ value: Double) {
        if value > self.value || self.value.isNaN { self.value = value }
    }
}

/// Population variance of a group, by Welford's recurrence. Not a number as soon as one value is not finite.
struct VarianceReducer: Reducer {
    private var count = 1.0
    private var mean: Double
    private var squares: Double

    init(_ first: Double) {
        mean = first
        squares = first.isFinite ? 0 : .nan
    }

    mutating func add(_ value: Double) {
        count += 1
        let delta = value - mean
        mean += delta / count
        squares += delta * (value - mean)
    }

    var value: Double { squares / count }
}

struct DeviationReducer: Reducer {
    private var variance: VarianceReducer

    init(_ first: Double) { variance = VarianceReducer(first) }
    mutating func add(_ value: Double) { variance.add(value) }
    var value: Double { variance.value.squareRoot() }
}

/// Population variance of a window: Welford's recurrence on corrected sums.
struct WindowVarianceReducer: Reducer {
    private var count = 0.0
    private var mean = KahanSum(0)
    private var squares = KahanSum(0)

    init(_ first: Double) { add(first) }

    mutating func add(_ value: Double) {
        count += 1
        let delta = value - mean.value
        mean.add(delta / count)
        squares.add(delta * (value - mean.value))
    }

    var value: Double { squares.value / count }
}

struct WindowDeviationReducer: Reducer {
    private var variance: WindowVarianceReducer

    init(_ first: Double) { variance = WindowVarianceReducer(first) }
    mutating func add(_ value: Double) { variance.add(value) }
    var value: Double { variance.value.squareRoot() }
}

/// `last_over_time`.
struct LastReducer: Reducer {
    private(set) var value: Double

    init(_ first: Double) { value = first }
    mutating func add(_ value: Double) { self.value = value }
}

/// The quantile of values in any order, which are sorted in place. NaN counts as the smallest value; between two values
/// it is interpolated.
func quantile(_ q: Double, of values: inout [Double]) -> Double {
    guard !values.isEmpty, !q.isNaN else { return .nan }
    guard q >= 0 else { return -.infinity }
    guard q <= 1 else { return .infinity }
    values.sort { $0.isNaN ? !$1.isNaN : $0 < $1 }
    let last = Double(values.count - 1)
    let rank = q * last
    let lower = max(0, rank.rounded(.down))
    let upper = min(last, lower + 1)
    let weight = rank - rank.rounded(.down)
    return values[Int(lower)] * (1 - weight) + values[Int(upper)] * weight
}
