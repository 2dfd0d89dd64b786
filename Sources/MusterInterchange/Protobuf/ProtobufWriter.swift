/// Writes fields of protobuf messages one after the other.
package struct ProtobufWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package static func key(_ field: Int, _ wireType: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: field << 3 | wireType)
    }

    package static func varintBytes(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }

    package mutating func rawVarint(_ value: UInt64) {
        var left = value
        while left >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: left))
    }

    /// Left out when 0, as proto3 does.
    package mutating func varint(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        rawVarint(Self.key(field, 0))
        rawVarint(value)
    }

    /// Left out when all bits are 0, as proto3 does; -0.0 is written.
    package mutating func fixed64(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        rawVarint(Self.key(field, 1))
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    package mutating func double(_ field: Int, _ value: Double) { fixed64(field, value.bitPattern) }

    /// Left out when empty, as proto3 does.
    package mutating func string(_ field: Int, _ value: String) {
        guard !value.isEmpty else { return }
        raw(field, Array(value.utf8))
    }

    /// A length-delimited field, also when it is empty.
    package mutating func raw(_ field: Int, _ value: [UInt8]) {
        rawVarint(Self.key(field, 2))
        rawVarint(UInt64(value.count))
        bytes += value
    }

    package mutating func message(_ field: Int, _ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        raw(field, inner.bytes)
    }

    /// Fields that were written elsewhere.
    package mutating func append(_ fields: [UInt8]) { bytes += fields }
}
