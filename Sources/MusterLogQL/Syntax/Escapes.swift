/// Backslash escapes of strings in Go.
enum Escapes {
    enum Result {
        case text(String)
        /// Where the escape begins that is none.
        case bad(Int)
    }

    private static let control: [UInt8: UInt8] = [
        UInt8(ascii: "a"): 7, UInt8(ascii: "b"): 8, UInt8(ascii: "t"): 9, UInt8(ascii: "n"): 10,
        UInt8(ascii: "v"): 11, UInt8(ascii: "f"): 12, UInt8(ascii: "r"): 13, UInt8(ascii: "\\"): 0x5c,
        UInt8(ascii: "\""): 0x22, UInt8(ascii: "'"): 0x27,
    ]

    /// The text between two double quotes. Bytes that are no UTF-8 become replacement characters.
    static func decoded(_ body: ArraySlice<UInt8>) -> Result {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(body.count)
        var index = body.startIndex
        while index < body.endIndex {
            guard body[index] == UInt8(ascii: "\\") else {
                bytes.append(body[index])
                index += 1
                continue
            }
            guard index + 1 < body.endIndex else { return .bad(index) }
            let kind = body[index + 1]
            if let byte = control[kind] {
                bytes.append(byte)
                index += 2
                continue
            }
            let (count, radix, skipped) = shape(kind)
            let digits = body[(index + skipped)...].prefix(count)
            guard count > 0, digits.count == count, digits.allSatisfy(\.isAlphanumeric),
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: radix)
            else { return .bad(index) }
            if count > 3 {
                guard let scalar = Unicode.Scalar(value) else { return .bad(index) }
                bytes.append(contentsOf: String(scalar).utf8)
            } else {
                guard let byte = UInt8(exactly: value) else { return .bad(index) }
                bytes.append(byte)
            }
            index += skipped + count
        }
        return .text(String(decoding: bytes, as: UTF8.self))
    }

    /// How many digits of which base follow, and how far from the backslash.
    private static func shape(_ kind: UInt8) -> (count: Int, radix: Int, skipped: Int) {
        switch kind {
        case UInt8(ascii: "x"): (2, 16, 2)
        case UInt8(ascii: "u"): (4, 16, 2)
        case UInt8(ascii: "U"): (8, 16, 2)
        case UInt8(ascii: "0")...UInt8(ascii: "7"): (3, 8, 1)
        default: (0, 10, 0)
        }
    }

    /// In double quotes, so that it reads back alike.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\x" + (digits.count < 2 ? "0" : "") + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
