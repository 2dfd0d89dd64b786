/// The spelling every name that may become a file name, a label value or part of a certificate has to keep:
/// 1 to `Limits.nameBytes` bytes of `[A-Za-z0-9._-]`, not `.` and not `..`.
package enum NameSpelling {
    package static func isValid(_ text: String) -> Bool {
        let bytes = text.utf8
        guard (1...Limits.nameBytes).contains(bytes.count), text != ".", text != ".." else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}

/// A host's identity, fixed when it is enrolled and carried in its certificate. Unlike the host's name it never
/// changes.
package struct HostID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    /// Nil when the text breaks `NameSpelling`.
    package init?(_ text: String) {
        guard NameSpelling.isValid(text) else { return nil }
        self.text = text
    }

    package var description: String { text }
    package static func < (a: HostID, b: HostID) -> Bool { a.text < b.text }
}

/// One lineage of an agent's state: made when an agent starts with an empty state directory, kept for as long as that
/// directory is intact. Sequences of frames count up within one boot and never restart, so
/// (host, boot, class, sequence) names a frame for ever. It is not the kernel's boot id.
package struct BootID: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }

    /// Nil unless the text is 32 lower-case hexadecimal digits.
    package init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ $0 < 0x80 }),
            let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
        guard description == text else { return nil }
    }

    /// 32 lower-case hexadecimal digits.
    package var description: String { Self.hex(high) + Self.hex(low) }

    private static func hex(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A service's name as people and other tools use it, kept to `NameSpelling`.
package struct ServiceName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        guard NameSpelling.isValid(text) else { return nil }
        self.text = text
    }

    package var description: String { text }
    package static func < (a: ServiceName, b: ServiceName) -> Bool { a.text < b.text }
}

/// A rollout's identity: made by the coordinator when a plan is stored.
package struct RolloutID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        guard NameSpelling.isValid(text) else { return nil }
        self.text = text
    }

    package var description: String { text }
    package static func < (a: RolloutID, b: RolloutID) -> Bool { a.text < b.text }
}
