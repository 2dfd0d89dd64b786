/// Numbers with units, as they stand in queries and in labels.
enum Units {
    private static let durations: [(name: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9),
        ("d", 86_400e9), ("w", 604_800e9), ("y", 31_536_000e9),
    ]

    /// Nanoseconds of `1h30m`, `1.5s`, `250ms`, `-5m`; nil for anything else and for more than 292 years.
    static func duration(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        var rest = Array(text.utf8)[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest = rest.dropFirst() }
        guard !rest.isEmpty else { return nil }
        var sum: Int64 = 0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isDigit || $0 == UInt8(ascii: ".") }
            rest = rest.dropFirst(digits.count)
            let letters = rest.prefix { !$0.isDigit && $0 != UInt8(ascii: ".") }
            rest = rest.dropFirst(letters.count)
            let name = String(decoding: letters, as: UTF8.self)
            guard let unit = durations.first(where: { $0.name == name })?.nanoseconds,
                let part = nanoseconds(String(decoding: digits, as: UTF8.self), unit)
            else { return nil }
            let (next, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { return nil }
            sum = next
        }
        return isNegative ? -sum : sum
    }

    private static func nanoseconds(_ digits: String, _ unit: Double) -> Int64? {
        if let whole = Int64(digits) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: Int64(unit))
            return overflow ? nil : product
        }
        return decimal(digits).flatMap { Int64(exactly: ($0 * unit).rounded()) }
    }

    /// Largest unit first: `1h30m`, `1ms500us`.
    static func text(nanoseconds: Int64) -> String {
        guard nanoseconds != 0 else { return "0s" }
        var text = nanoseconds < 0 ? "-" : ""
        var rest = nanoseconds.magnitude
        for (name, size) in [
            ("h", UInt64(3_600_000_000_000)), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000),
            ("us", 1_000), ("ns", 1),
        ] where rest >= size {
            text += "\(rest / size)\(name)"
            rest %= size
        }
        return text
    }

    private static let bytePowers: [(name: String, size: Double)] = [
        ("k", 1e3), ("m", 1e6), ("g", 1e9), ("t", 1e12), ("p", 1e15), ("e", 1e18), ("ki", 0x1p10), ("mi", 0x1p20),
        ("gi", 0x1p30), ("ti", 0x1p40), ("pi", 0x1p50), ("ei", 0x1p60), ("", 1),
    ]

    /// `20KB` is 20,000, `20KiB` 20,480; letters of any case, the `B` may be left out.
    static func bytes(_ text: String) -> Double? {
        let trimmed = text.utf8.filter { $0 != 0x20 }
        let digits = trimmed.prefix { $0.isDigit || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ",") }
        var unit = String(decoding: trimmed.dropFirst(digits.count), as: UTF8.self).lowercased()
        if unit.hasSuffix("b") { unit.removeLast() }
        let plain = String(decoding: digits.filter { $0 != UInt8(ascii: ",") }, as: UTF8.self)
        guard let power = bytePowers.first(where: { $0.name == unit })?.size, let number = decimal(plain) else {
            return nil
        }
        return (number * power).rounded(.down)
    }

    /// A number in a query or a label: `5`, `.5`, `1e3`, `-2`, `0x1f`, `+Inf`.
    static func number(_ text: String) -> Double? {
        if text.hasPrefix("0x") || text.hasPrefix("0X") {
            return UInt64(text.dropFirst(2), radix: 16).map { Double($0) }
        }
        if let value = Double(text) { return text.utf8.contains(UInt8(ascii: "x")) ? nil : value }
        return decimal(text)
    }

    /// `5.` and `.5` lack a digit that Swift asks for.
    private static func decimal(_ digits: String) -> Double? {
        guard digits.utf8.contains(where: \.isDigit) else { return nil }
        let padded = (digits.hasPrefix(".") ? "0" : "") + digits + (digits.hasSuffix(".") ? "0" : "")
        return Double(padded)
    }
}
