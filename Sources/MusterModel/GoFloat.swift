/// Numbers as Go's strconv writes them with the shortest exact digits, which is how Prometheus and everything that
/// reads it spell values.
package enum GoFloat {
    /// Format 'g' (`%v`, templates, the text exposition): `1`, `0.5`, `1e+06`, `NaN`, `+Inf`. With the shortest digits
    /// Go writes an exponent when it is below -4 or above 5.
    package static func general(_ value: Double) -> String {
        text(value) { parts, bytes in
            (-4...5).contains(parts.point - 1) ? parts.appendFixed(to: &bytes) : parts.appendScientific(to: &bytes)
        }
    }

    /// Format 'f': never an exponent.
    package static func fixed(_ value: Double) -> String { text(value) { $0.appendFixed(to: &$1) } }

    /// As Prometheus's HTTP API writes sample values: 'f' from 1e-6 to below 1e21, else 'e'.
    package static func json(_ value: Double) -> String {
        var bytes: [UInt8] = []
        append(json: value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The same as bytes.
    package static func append(json value: Double, to bytes: inout [UInt8]) {
        guard let parts = Parts(value) else { return bytes.append(contentsOf: special(value).utf8) }
        let magnitude = value.magnitude
        if magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21) {
            parts.appendScientific(to: &bytes)
        } else {
            parts.appendFixed(to: &bytes)
        }
    }

    /// Format 'e': always an exponent.
    package static func scientific(_ value: Double) -> String { text(value) { $0.appendScientific(to: &$1) } }

    private static func text(_ value: Double, _ write: (Parts, inout [UInt8]) -> Void) -> String {
        guard let parts = Parts(value) else { return special(value) }
        var bytes: [UInt8] = []
        write(parts, &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func special(_ value: Double) -> String {
        value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf"
    }

    /// Sign, the shortest decimal digits that read back to the same double, and where their point stands.
    private struct Parts {
        private static let zero = UInt8(ascii: "0")

        private var isNegative: Bool
        /// In ASCII, the first `count` of them.
        private var digits: InlineArray<24, UInt8>
        private var count = 0
        /// Digits before the point; 0 or less when zeros follow it first.
        private(set) var point = 0

        /// Nil for NaN and the infinities.
        init?(_ value: Double) {
            guard value.isFinite else { return nil }
            isNegative = value.sign == .minus
            digits = InlineArray(repeating: Self.zero)
            let magnitude = value.magnitude
            // The neighbours of whole numbers below 2^53 are at most 1 away, so all digits are needed, and no more.
            if magnitude < 0x1p53, let whole = UInt64(exactly: magnitude) {
                take(whole)
            } else {
                take(magnitude.description)
            }
            while count > 1, digits[count - 1] == Self.zero { count -= 1 }
            if count == 0 { (count, point) = (1, 1) }
        }

        private mutating func take(_ whole: UInt64) {
            var rest = whole
            while rest > 0 {
                rest /= 10
                count += 1
            }
            point = count
            rest = whole
            for index in stride(from: count - 1, through: 0, by: -1) {
                digits[index] = Self.zero + UInt8(rest % 10)
                rest /= 10
            }
        }

        /// The standard library's description has the shortest digits, with a point or an exponent or both.
        private mutating func take(_ description: String) {
            var (isWhole, isExponent, isPowerNegative, power) = (true, false, false, 0)
            for byte in description.utf8 {
                switch byte {
                case UInt8(ascii: "."): isWhole = false
                case UInt8(ascii: "e"): isExponent = true
                case UInt8(ascii: "-"): isPowerNegative = true
                case Self.zero...UInt8(ascii: "9") where isExponent: power = power * 10 + Int(byte - Self.zero)
                case Self.zero...UInt8(ascii: "9"):
                    if isWhole { point += 1 }
                    if count > 0 || byte != Self.zero {
                        guard count < digits.count else { return }
                        digits[count] = byte
                        count += 1
                    } else {
                        point -= 1
                    }
                default: break
                }
            }
            point += isPowerNegative ? -power : power
        }

        func appendFixed(to bytes: inout [UInt8]) {
            if isNegative { bytes.append(UInt8(ascii: "-")) }
            if point <= 0 {
                bytes.append(Self.zero)
                bytes.append(UInt8(ascii: "."))
                for _ in 0..<(-point) { bytes.append(Self.zero) }
            }
            for index in 0..<count {
                if index == point, index > 0 { bytes.append(UInt8(ascii: ".")) }
                bytes.append(digits[index])
            }
            if point > count { for _ in count..<point { bytes.append(Self.zero) } }
        }

        /// At least two digits of exponent, as in Go.
        func appendScientific(to bytes: inout [UInt8]) {
            if isNegative { bytes.append(UInt8(ascii: "-")) }
            bytes.append(digits[0])
            if count > 1 { bytes.append(UInt8(ascii: ".")) }
            for index in 1..<max(1, count) { bytes.append(digits[index]) }
            bytes.append(UInt8(ascii: "e"))
            let exponent = point - 1
            bytes.append(UInt8(ascii: exponent < 0 ? "-" : "+"))
            if exponent.magnitude < 10 { bytes.append(Self.zero) }
            bytes.append(contentsOf: "\(exponent.magnitude)".utf8)
        }
    }
}
