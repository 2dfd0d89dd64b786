import Foundation

/// Numbers for people: few digits, and a unit's prefix instead of zeros. Programs take the API's own digits.
package enum HumaneNumber {
    /// Up to four digits below 10,000, then three with k, M, G, T or P (powers of 1,000): `0.25`, `1234`, `12.3k`.
    /// What is smaller or larger has an exponent. NaN and the infinities are spelled as Prometheus does.
    package static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        let (sign, size) = (value < 0 ? "-" : "", value.magnitude)
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if size == 0 { return "0" }
        if size < 1e-3 { return sign + String(format: "%.3g", size) }
        if size < 9_999.5 { return sign + digits(size, 4) }
        return scaled(size, 1_000, ["k", "M", "G", "T", "P"]).map { sign + $0 } ?? sign + String(format: "%.3g", size)
    }

    /// Bytes in powers of 1,024: `512B`, `1.5GiB`.
    package static func bytes(_ value: Double) -> String {
        guard value.isFinite else { return text(value) }
        let (sign, size) = (value < 0 ? "-" : "", value.magnitude)
        if size < 1_023.5 { return sign + String(format: "%.0fB", size) }
        return scaled(size, 1_024, ["KiB", "MiB", "GiB", "TiB", "PiB"]).map { sign + $0 } ?? text(value) + "B"
    }

    /// `value` is in percent: `0.5%`, `12.3%`, `412%`.
    package static func percent(_ value: Double) -> String {
        guard value.isFinite else { return text(value) }
        return String(format: value.magnitude < 99.95 ? "%.1f%%" : "%.0f%%", value)
    }

    /// All digits, in groups of three.
    package static func count(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// Nil when the last suffix is not enough.
    private static func scaled(_ size: Double, _ base: Double, _ suffixes: [String]) -> String? {
        var rest = size
        for suffix in suffixes {
            rest /= base
            if rest < base - 0.5 { return digits(rest, 3) + suffix }
        }
        return nil
    }

    /// `size` is at least 0.001; digits before the point are never rounded away, zeros behind it are not written.
    private static func digits(_ size: Double, _ count: Int) -> String {
        let places = max(0, count - 1 - Int(log10(size).rounded(.down)))
        let text = String(format: "%.\(places)f", size)
        guard text.contains(".") else { return text }
        let trimmed = text.reversed().drop { $0 == "0" }
        return String((trimmed.first == "." ? trimmed.dropFirst() : trimmed).reversed())
    }
}

/// `1 host`, `1,200 hosts`. A noun that ends in `s` has one form, as `series`.
func counted(_ count: Int, _ noun: String) -> String {
    "\(HumaneNumber.count(count)) \(noun)" + (count == 1 || noun.hasSuffix("s") ? "" : "s")
}

/// The sentence about rows that are not shown.
func leftOutText(_ count: Int, _ noun: String, shown: Int) -> String {
    "… and \(counted(count, "more \(noun)")); --limit \(shown + count) shows all."
}
