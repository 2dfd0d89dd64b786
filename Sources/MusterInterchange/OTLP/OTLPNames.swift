/// Names and units of OpenTelemetry in Prometheus's characters and with its suffixes: the rules of OpenTelemetry's
/// "Prometheus and OpenMetrics Compatibility" specification, in the form Prometheus's own receiver applies them.
package enum OTLPNames {
    /// What the suffixes depend on.
    package enum Kind: Sendable, Equatable {
        case gauge
        case counter
        case other
    }

    /// Units of the Unified Code for Units of Measure and what Prometheus calls them.
    private static let units: [String: String] = [
        "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
        "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
        "TiBy": "tebibytes", "kBy": "kilobytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes",
        "TBy": "terabytes",
        "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
        "Hz": "hertz", "1": "", "%": "percent",
    ]

    private static let unitsPer: [String: String] = [
        "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
    ]

    /// Words joined by `_`, the unit behind them, `_total` for counters and `_ratio` for gauges of unit 1; each only
    /// once. Nil when nothing readable is left.
    package static func metric(_ name: String, unit: String, kind: Kind, hasSuffixes: Bool = true) -> String? {
        guard hasSuffixes else {
            let kept = words(name) { isLetterOrDigit($0) || $0 == 0x3a || $0 == 0x5f }
            return finished(kept.joined(separator: "_"))
        }
        var parts = words(name) { isLetterOrDigit($0) || $0 == 0x3a }
        addUnit(unit, to: &parts)
        if kind == .counter { moveLast("total", &parts) }
        if kind == .gauge, unit == "1" { moveLast("ratio", &parts) }
        return finished(parts.joined(separator: "_"))
    }

    /// The unit as metadata spells it: `bytes_per_second`.
    package static func unit(_ unit: String) -> String {
        var parts: [String] = []
        addUnit(unit, to: &parts)
        return parts.joined(separator: "_")
    }

    /// Every other character becomes `_`; a first digit gets `key_` before it, a single first `_` gets `key`. Nil when
    /// nothing readable is left.
    package static func label(_ name: String) -> String? {
        var text = String(
            decoding: name.unicodeScalars.map { scalar -> UInt8 in
                let byte = UInt8(exactly: scalar.value) ?? 0
                return isLetterOrDigit(byte) || byte == 0x5f ? byte : 0x5f
            }, as: UTF8.self)
        if let first = text.utf8.first, isDigit(first) { text = "key_" + text }
        if text.hasPrefix("_"), !text.hasPrefix("__") { text = "key" + text }
        return text.utf8.contains { $0 != 0x5f } && !(text == "key_" && name != "key_") ? text : nil
    }

    private static func finished(_ name: String) -> String? {
        guard let first = name.utf8.first, name.utf8.contains(where: { $0 != 0x5f }) else { return nil }
        return isDigit(first) ? "_" + name : name
    }

    /// A unit in braces is a remark and adds nothing.
    private static func addUnit(_ unit: String, to parts: inout [String]) {
        let halves = unit.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if let main = halves.first.map({ String($0).trimmedASCII }), isNamed(main) {
            let name = cleaned(units[main] ?? main)
            if !name.isEmpty, !parts.contains(name) { parts.append(name) }
        }
        guard halves.count == 2 else { return }
        let per = String(halves[1]).trimmedASCII
        guard isNamed(per) else { return }
        let name = cleaned(unitsPer[per] ?? per)
        if !name.isEmpty, !parts.contains("per_" + name) { parts.append("per_" + name) }
    }

    private static func isNamed(_ unit: String) -> Bool {
        !unit.isEmpty && !unit.contains { $0 == "{" || $0 == "}" }
    }

    private static func cleaned(_ unit: String) -> String {
        words(unit) { isLetterOrDigit($0) || $0 == 0x3a }.joined(separator: "_")
    }

    private static func words(_ text: String, _ isKept: (UInt8) -> Bool) -> [String] {
        text.utf8.split { !isKept($0) }.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func moveLast(_ word: String, _ parts: inout [String]) {
        parts.removeAll { $0 == word }
        parts.append(word)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 || isDigit(byte) }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 <= 9 }
}
