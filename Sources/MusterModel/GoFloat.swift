/// Numbers as Go's strconv writes them with the shortest exact digits, which is how Prometheus and everything that
/// reads it spell values.
package enum GoFloat {
    /// Format 'g' (`%v`, templates, the text exposition): `1`, `0.5`, `1e+06`, `NaN`, `+Inf`. With the shortest digits
    /// Go writes an exponent when it is below -4 or above 5.
    package static func general(_ value: Double) -> String {
        guard let parts = Parts(value) else { return special(value) }
        return (-4...5).contains(parts.point - 1) ? parts.fixed : parts.scientific
    }

    /// Format 'f': never an exponent.
    package static func fixed(_ value: Double) -> String { Parts(value)?.fixed ?? special(value) }

    /// As Prometheus's HTTP API writes sample values: 'f' from 1e-6 to below 1e21, else 'e'.
    package static func json(_ value: Double) -> String {
        guard let parts = Parts(value) else { return special(value) }
        let magnitude = value.magnitude
        return magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21) ? parts.scientific : parts.fixed
    }

    /// Format 'e': always an exponent.
    package static func scientific(_ value: Double) -> String { Parts(value)?.scientific ?? special(value) }

    private static func special(_ value: Double) -> String {
        value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf"
    }

    /// Sign, the shortest decimal digits that read back to the same double, and where their point stands.
    private struct Parts {
        var sign: String
        var digits: [Character]
        /// Digits before the point; 0 or less when zeros follow it first.
        var point: Int

        /// Nil for NaN and the infinities.
        init?(_ value: Double) {
            guard value.isFinite else { return nil }
            sign = value.sign == .minus ? "-" : ""
            let halves = value.magnitude.description.split(separator: "e")
            let mantissa = halves[0].split(separator: ".", omittingEmptySubsequences: false)
            let exponent = halves.count > 1 ? Int(halves[1]) ?? 0 : 0
            let whole = mantissa[0]
            let fraction = mantissa.count > 1 ? mantissa[1] : ""
            digits = Array(whole) + Array(fraction)
            point = whole.count + exponent
            while digits.count > 1, digits.first == "0" {
                digits.removeFirst()
                point -= 1
            }
            while digits.count > 1, digits.last == "0" { digits.removeLast() }
            if digits == ["0"] { point = 1 }
        }

        var fixed: String {
            if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + String(digits) }
            if point >= digits.count {
                return sign + String(digits) + String(repeating: "0", count: point - digits.count)
            }
            return sign + String(digits[..<point]) + "." + String(digits[point...])
        }

        /// At least two digits of exponent, as in Go.
        var scientific: String {
            let exponent = digits == ["0"] ? 0 : point - 1
            let power = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
            let rest = digits.count > 1 ? "." + String(digits[1...]) : ""
            return sign + String(digits[0]) + rest + "e" + (exponent < 0 ? "-" : "+") + power
        }
    }
}
