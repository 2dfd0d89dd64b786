/// A JSON value as Docker sent it. Numbers keep their digits and objects their order, so what is read from one
/// container can be written into the next without loss.
package indirect enum DockerJSON: Equatable, Sendable {
    package struct Member: Equatable, Sendable {
        package var key: String
        package var value: DockerJSON

        package init(_ key: String, _ value: DockerJSON) {
            self.key = key
            self.value = value
        }
    }

    case null
    case bool(Bool)
    /// The digits as they were written.
    case number(String)
    case string(String)
    case array([DockerJSON])
    case object([Member])

    /// Arrays and objects inside each other.
    package static let depthLimit = 64

    package static func integer(_ value: Int) -> DockerJSON { .number(String(value)) }

    package static func strings(_ values: [String]) -> DockerJSON { .array(values.map { .string($0) }) }

    /// An object of texts, in the order of its keys.
    package static func texts(_ values: [String: String]) -> DockerJSON {
        .object(values.sorted { $0.key < $1.key }.map { Member($0.key, .string($0.value)) })
    }

    /// The member of an object; nil when there is none, when it is null, and when this is no object. Writing nil
    /// removes.
    package subscript(key: String) -> DockerJSON? {
        get {
            guard case .object(let members) = self, let found = members.first(where: { $0.key == key }),
                found.value != .null
            else { return nil }
            return found.value
        }
        set {
            guard case .object(var members) = self else { return }
            members.removeAll { $0.key == key }
            if let newValue { members.append(Member(key, newValue)) }
            self = .object(members)
        }
    }

    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    package var integer: Int? {
        if case .number(let digits) = self { Int(digits) } else { nil }
    }

    /// The elements of an array, else none.
    package var elements: [DockerJSON] {
        if case .array(let elements) = self { elements } else { [] }
    }

    /// The members of an object, else none.
    package var members: [Member] {
        if case .object(let members) = self { members } else { [] }
    }

    package var strings: [String] { elements.compactMap(\.string) }

    /// The texts of an object; members that are no text are left out.
    package var texts: [String: String] {
        Dictionary(members.compactMap { member in member.value.string.map { (member.key, $0) } }) { $1 }
    }

    /// Whether there is nothing in it: null, `""`, `[]`, `{}`.
    package var isEmpty: Bool {
        switch self {
        case .null: true
        case .bool, .number: false
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        }
    }
}

extension DockerJSON: CustomStringConvertible {
    /// The value as JSON without spaces.
    package var description: String { String(decoding: encoded(), as: UTF8.self) }

    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return bytes
    }

    private func write(into bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .number(let digits): bytes += digits.utf8
        case .string(let text): Self.write(text, into: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                element.write(into: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.write(member.key, into: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.write(into: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): bytes += "\\\"".utf8
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                bytes += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
