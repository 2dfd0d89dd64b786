package import MusterModel

/// The labels of a stream as Loki's protocol spells them: `{app="web", env='prod'}`. Values are texts as Go writes
/// them, since senders quote them with Go's `%q`: in double or single quotes with escapes, in backquotes without.
package enum LokiLabelText {
    /// Throws what the text or the set breaks, naming the stream.
    package static func parse(_ text: String) throws(LogRefusal) -> Labels {
        let bytes = Array(text.utf8)
        return try parse(bytes.span, 0..<bytes.count)
    }

    /// The text that stands in `range`, which need not be UTF-8.
    static func parse(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(LogRefusal) -> Labels {
        var reader = LabelTextReader(range)
        let pairs: [(name: String, value: String)]
        do throws(LabelTextProblem) {
            pairs = try reader.read(bytes)
        } catch {
            let shown = range.prefix(2 * InterchangeLimits.seriesNameBytes)
            let beginning = Array(bytes, range.lowerBound..<range.lowerBound + shown.count)
            throw LogRefusal(
                .malformedLabels, "\(error.text) at byte \(error.offset - range.lowerBound) of the labels",
                stream: String(decoding: beginning, as: UTF8.self))
        }
        return try LogStreamLabels.checked(pairs)
    }

    /// `{a="b", c="d"}`, sorted by name, as every reader of Loki's labels takes it.
    package static func text(_ labels: Labels) -> String {
        "{" + labels.pairs.map { "\($0.name)=\"\(Labels.escaped($0.value))\"" }.joined(separator: ", ") + "}"
    }
}

private struct LabelTextProblem: Error {
    var text: String
    var offset: Int
}

private struct LabelTextReader {
    private var offset: Int
    private let end: Int

    init(_ range: Range<Int>) {
        offset = range.lowerBound
        end = range.upperBound
    }

    mutating func read(_ bytes: Span<UInt8>) throws(LabelTextProblem) -> [(name: String, value: String)] {
        var pairs: [(name: String, value: String)] = []
        guard take("{", bytes) else { throw problem("no {") }
        // One label more than allowed is enough to refuse, and bounds the memory.
        while !take("}", bytes), pairs.count <= Limits.labelsPerSet {
            if !pairs.isEmpty {
                guard take(",", bytes) else { throw problem("no comma between two labels") }
                if take("}", bytes) { break }
            }
            let name = try name(bytes)
            guard take("=", bytes) else { throw problem("no = after a label name") }
            pairs.append((name, try value(bytes)))
        }
        guard pairs.count <= Limits.labelsPerSet else { return pairs }
        skipSpace(bytes)
        guard offset == end else { throw problem("something follows the closing }") }
        return pairs
    }

    private mutating func name(_ bytes: Span<UInt8>) throws(LabelTextProblem) -> String {
        skipSpace(bytes)
        let start = offset
        while offset < end, Self.isNameByte(bytes[offset]) { offset += 1 }
        guard offset > start else { throw problem(offset < end ? "no label name" : "labels that do not end") }
        return String(decoding: Array(bytes, start..<offset), as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "_")
    }

    private mutating func value(_ bytes: Span<UInt8>) throws(LabelTextProblem) -> String {
        skipSpace(bytes)
        let start = offset
        guard offset < end, [0x22, 0x27, 0x60].contains(bytes[offset]) else { throw problem("no quoted label value") }
        let quote = bytes[offset]
        offset += 1
        var text: [UInt8] = []
        while offset < end {
            let byte = bytes[offset]
            offset += 1
            switch byte {
            case quote:
                guard let value = String(validating: text, as: UTF8.self) else {
                    throw LabelTextProblem(text: "a label value that is no UTF-8", offset: start)
                }
                return value
            case UInt8(ascii: "\\") where quote != UInt8(ascii: "`"): try escape(bytes, quote: quote, into: &text)
            case UInt8(ascii: "\n") where quote != UInt8(ascii: "`"):
                throw LabelTextProblem(text: "a line break in a label value", offset: offset - 1)
            default: text.append(byte)
            }
        }
        throw LabelTextProblem(text: "a label value that does not end", offset: start)
    }

    /// The escapes of Go's texts; a quote only in texts in the same quotes.
    private mutating func escape(
        _ bytes: Span<UInt8>, quote: UInt8, into text: inout [UInt8]
    ) throws(LabelTextProblem) {
        guard offset < end else { throw problem("a label value that does not end") }
        let byte = bytes[offset]
        offset += 1
        switch byte {
        case quote, UInt8(ascii: "\\"): text.append(byte)
        case UInt8(ascii: "a"): text.append(0x07)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "v"): text.append(0x0b)
        case UInt8(ascii: "x"): text.append(UInt8(truncatingIfNeeded: try digits(2, radix: 16, bytes)))
        case UInt8(ascii: "u"): try scalar(digits: 4, bytes, into: &text)
        case UInt8(ascii: "U"): try scalar(digits: 8, bytes, into: &text)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            offset -= 1
            guard let value = UInt8(exactly: try digits(3, radix: 8, bytes)) else {
                throw problem("an octal escape above 377")
            }
            text.append(value)
        default: throw LabelTextProblem(text: "an unknown escape", offset: offset - 1)
        }
    }

    private mutating func scalar(
        digits count: Int, _ bytes: Span<UInt8>, into text: inout [UInt8]
    ) throws(LabelTextProblem) {
        let start = offset
        guard let scalar = Unicode.Scalar(try digits(count, radix: 16, bytes)) else {
            throw LabelTextProblem(text: "an escape that is no character", offset: start)
        }
        text += Array(String(scalar).utf8)
    }

    /// At most eight, so that they fit.
    private mutating func digits(_ count: Int, radix: Int, _ bytes: Span<UInt8>) throws(LabelTextProblem) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard offset < end, let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue, digit < radix else {
                throw problem("an escape without its \(count) digits")
            }
            value = value &* UInt32(radix) &+ UInt32(digit)
            offset += 1
        }
        return value
    }

    private mutating func take(_ character: Unicode.Scalar, _ bytes: Span<UInt8>) -> Bool {
        skipSpace(bytes)
        guard offset < end, bytes[offset] == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    private mutating func skipSpace(_ bytes: Span<UInt8>) {
        while offset < end, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[offset]) { offset += 1 }
    }

    private func problem(_ text: String) -> LabelTextProblem { LabelTextProblem(text: text, offset: offset) }
}
