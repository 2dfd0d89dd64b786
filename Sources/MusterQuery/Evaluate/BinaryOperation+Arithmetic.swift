import RealModule

extension BinaryOperation.Operator {
    /// Of arithmetic. Comparisons give their left side, which is what a filter lets through.
    @inline(__always)
    func value(_ left: Double, _ right: Double) -> Double {
        switch self {
        case .add: left + right
        case .subtract: left - right
        case .multiply: left * right
        case .divide: left / right
        case .modulo: left.truncatingRemainder(dividingBy: right)
        case .power: left.raised(to: right)
        case .atan2: Double.atan2(y: left, x: right)
        case .equal, .notEqual, .less, .greater, .lessOrEqual, .greaterOrEqual, .and, .or, .unless: left
        }
    }

    /// Whether a comparison holds, by IEEE 754; arithmetic always does.
    @inline(__always)
    func holds(_ left: Double, _ right: Double) -> Bool {
        switch self {
        case .equal: left == right
        case .notEqual: left != right
        case .less: left < right
        case .greater: left > right
        case .lessOrEqual: left <= right
        case .greaterOrEqual: left >= right
        case .add, .subtract, .multiply, .divide, .modulo, .power, .atan2, .and, .or, .unless: true
        }
    }

    /// Between two scalars a comparison gives 0 or 1.
    func scalarValue(_ left: Double, _ right: Double) -> Double {
        isComparison ? holds(left, right) ? 1 : 0 : value(left, right)
    }

    /// What stands in the result for two values that are there: absent when a filter does not let it through.
    @inline(__always)
    func result(_ left: Double, _ right: Double, kept: Double, returnsBool: Bool) -> Double {
        guard isComparison else { return value(left, right) }
        let holds = holds(left, right)
        if returnsBool { return holds ? 1 : 0 }
        return holds ? kept : SeriesTable.absent
    }
}

extension Double {
    /// C's `pow`, for which RealModule takes no negative base.
    fileprivate func raised(to exponent: Double) -> Double {
        if exponent == 0 || self == 1 { return 1 }
        if isNaN || exponent.isNaN { return .nan }
        let power = Double.pow(magnitude, exponent)
        if sign == .plus || exponent.isInfinite { return power }
        guard exponent == exponent.rounded(.towardZero) else { return isZero || isInfinite ? power : .nan }
        let isOdd = exponent.truncatingRemainder(dividingBy: 2) != 0
        return isOdd ? -power : power
    }
}
