package import MusterModel

/// Writes Prometheus text 0.0.4, for `/metrics` and `/federate`.
package struct ExpositionWriter: Sendable {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// The head of a family; its samples follow, before any other family's.
    package mutating func family(_ family: FamilyMetadata) {
        let name = Self.legacy(family.name, isLabel: false)
        if !family.help.isEmpty { append("# HELP \(name) \(Self.escapedHelp(family.help))\n") }
        append("# TYPE \(name) \(family.family.kind)\n")
    }

    /// One line. A sample without a time has that of the reading.
    package mutating func sample(_ labels: Labels, _ value: Double, milliseconds: Int64? = nil) {
        append(Self.legacy(labels.metricName, isLabel: false))
        let rest = labels.pairs.filter { $0.name != "__name__" }
        if !rest.isEmpty {
            let spelled = rest.map { "\(Self.legacy($0.name, isLabel: true))=\"\(Labels.escaped($0.value))\"" }
            append("{" + spelled.joined(separator: ",") + "}")
        }
        append(" " + GoFloat.general(value))
        if let milliseconds { append(" \(milliseconds)") }
        append("\n")
    }

    private mutating func append(_ text: String) { bytes += Array(text.utf8) }

    private static func escapedHelp(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// Readers of this format know ASCII names only: every other byte becomes `_`.
    static func legacy(_ name: String, isLabel: Bool) -> String {
        var bytes = name.utf8.map { byte in
            ExpositionScanner.isNameByte(byte) && !(isLabel && byte == 0x3a) ? byte : 0x5f
        }
        if let first = bytes.first, first &- 0x30 <= 9 { bytes.insert(0x5f, at: 0) }
        return bytes.isEmpty ? "_" : String(decoding: bytes, as: UTF8.self)
    }
}
