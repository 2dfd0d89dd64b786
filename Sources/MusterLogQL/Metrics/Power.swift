/// Powers without the C library. Whole exponents by repeated squaring; others through logarithm and exponential, good
/// to some twelve digits.
enum Power {
    /// The special cases are those of C's `pow`.
    static func raise(_ base: Double, to exponent: Double) -> Double {
        if exponent == 0 || base == 1 { return 1 }
        if base.isNaN || exponent.isNaN { return .nan }
        if exponent.isInfinite { return infinite(base.magnitude, exponent) }
        let isWhole = exponent == exponent.rounded(.towardZero)
        if isWhole, exponent.magnitude <= 1_024 { return whole(base, Int(exponent)) }
        if base == 0 || base.isInfinite {
            return (base == 0) == (exponent > 0) ? 0 : .infinity
        }
        guard base > 0 || isWhole else { return .nan }
        let isOdd = isWhole && exponent.truncatingRemainder(dividingBy: 2) != 0
        let power = exponential(exponent * logarithm(base.magnitude))
        return base < 0 && isOdd ? -power : power
    }

    private static func infinite(_ magnitude: Double, _ exponent: Double) -> Double {
        magnitude == 1 ? 1 : (magnitude > 1) == (exponent > 0) ? .infinity : 0
    }

    private static func whole(_ base: Double, _ exponent: Int) -> Double {
        var (result, square, rest) = (1.0, base, exponent.magnitude)
        while rest > 0 {
            if rest & 1 == 1 { result *= square }
            square *= square
            rest >>= 1
        }
        return exponent < 0 ? 1 / result : result
    }

    private static let ln2 = 0.693147180559945309417

    /// Of a finite number above 0: ln m by the series of the inverse hyperbolic tangent, with m near 1.
    static func logarithm(_ value: Double) -> Double {
        var (significand, exponent) = (value.significand, Double(value.exponent))
        if significand > 1.414 { (significand, exponent) = (significand / 2, exponent + 1) }
        let ratio = (significand - 1) / (significand + 1)
        let square = ratio * ratio
        var (sum, term) = (0.0, ratio)
        for divisor in stride(from: 1.0, through: 31, by: 2) {
            sum += term / divisor
            term *= square
        }
        return 2 * sum + exponent * ln2
    }

    /// By Taylor's series around the nearest power of two.
    static func exponential(_ value: Double) -> Double {
        if value > 710 { return .infinity }
        if value < -746 { return 0 }
        let powers = (value / ln2).rounded()
        let rest = value - powers * ln2
        var (sum, term) = (1.0, 1.0)
        for index in 1...20 {
            term *= rest / Double(index)
            sum += term
        }
        return sum * Double(sign: .plus, exponent: Int(powers / 2), significand: 1)
            * Double(sign: .plus, exponent: Int(powers) - Int(powers / 2), significand: 1)
    }
}
