package import MusterModel

/// The identity of an alert: FNV-1a, 64 bits, over `name 0xFF value 0xFF` of its labels in order of their names. Labels
/// with empty values do not count. The same number Prometheus and Alertmanager use, so links and silences fit.
package struct Fingerprint: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let number: UInt64

    package init(number: UInt64) { self.number = number }

    package init(_ labels: Labels) {
        var hash = FNV()
        for pair in labels.pairs where !pair.value.isEmpty {
            hash.add(pair.name.utf8)
            hash.add(CollectionOfOne(0xFF))
            hash.add(pair.value.utf8)
            hash.add(CollectionOfOne(0xFF))
        }
        number = hash.value
    }

    /// Nil unless the text is 16 lower-case hexadecimal digits.
    package init?(_ text: String) {
        guard text.utf8.count == 16, let number = UInt64(text, radix: 16) else { return nil }
        self.number = number
        guard description == text else { return nil }
    }

    /// 16 lower-case hexadecimal digits.
    package var description: String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    package static func < (a: Fingerprint, b: Fingerprint) -> Bool { a.number < b.number }
}

extension Fingerprint: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let fingerprint = Fingerprint(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is no fingerprint of 16 hexadecimal digits")
        }
        self = fingerprint
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// FNV-1a, 64 bits.
struct FNV {
    var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }
}
