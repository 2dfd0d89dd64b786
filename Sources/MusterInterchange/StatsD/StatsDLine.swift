/// Why a line is no metric.
package struct StatsDError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Raw values are label values of the metric that counts refused lines.
    package enum Reason: String, Sendable, CaseIterable {
        case tooLong = "too_long"
        case notUTF8 = "not_utf8"
        case malformed
        case badValue = "bad_value"
        case badRate = "bad_rate"
        case unknownType = "unknown_type"
        case tooManyTags = "too_many_tags"
        /// Events and service checks of DogStatsD.
        case unsupported
        /// The name is in use for another type.
        case typeConflict = "type_conflict"
        case overLimit = "over_limit"
        /// More lines than are taken between two readings.
        case overRate = "over_rate"
    }

    package var reason: Reason
    package var detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    package var description: String { detail }
}

/// One line of StatsD: `name:value|type|@rate|#tag:value,...`, with the tags where DogStatsD, InfluxDB
/// (`name,tag=value`) or Graphite (`name;tag=value`) put them. DogStatsD may pack several values into one line:
/// `name:1:2|h`.
package struct StatsDLine: Equatable, Sendable {
    package enum Kind: Sendable, Equatable {
        case counter
        case gauge
        /// In milliseconds.
        case timer
        /// Histograms and distributions: no unit.
        case histogram
        case set
    }

    package enum Value: Equatable, Sendable {
        case number(Double)
        /// A gauge's `+4` or `-4`.
        case change(Double)
        /// A set's.
        case member(String)
    }

    /// As sent.
    package var name: String
    package var tags: [Tag]
    package var kind: Kind
    package var values: [Value]
    /// Above 0 and at most 1: each value stands for `1 / rate`.
    package var rate: Double

    package struct Tag: Equatable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The lines of a datagram, empty ones left out.
    package static func lines(_ datagram: [UInt8]) -> [ArraySlice<UInt8>] {
        datagram.split(separator: 0x0a).map { $0.last == 0x0d ? $0.dropLast() : $0 }.filter { !$0.isEmpty }
    }

    package init(_ text: String) throws(StatsDError) { try self.init(Array(text.utf8)[...]) }

    package init(_ bytes: ArraySlice<UInt8>) throws(StatsDError) {
        guard bytes.count <= InterchangeLimits.statsDLineBytes else {
            throw StatsDError(.tooLong, "a line of more than \(InterchangeLimits.statsDLineBytes) bytes")
        }
        guard (try? UTF8Span(validating: bytes.span)) != nil else { throw StatsDError(.notUTF8, "no UTF-8") }
        guard !bytes.starts(with: "_e{".utf8), !bytes.starts(with: "_sc|".utf8) else {
            throw StatsDError(.unsupported, "events and service checks are not taken")
        }
        let fields = bytes.split(separator: Self.bar, omittingEmptySubsequences: false)
        guard let first = fields.first, let colon = first.firstIndex(of: Self.colon), fields.count >= 2 else {
            throw StatsDError(.malformed, "not of the form name:value|type")
        }
        (name, tags) = try Self.nameAndTags(first[..<colon])
        kind = try Self.kind(fields[1])
        rate = 1
        for field in fields.dropFirst(2) {
            switch field.first {
            case UInt8(ascii: "@"): rate = try Self.rate(field.dropFirst())
            case UInt8(ascii: "#"):
                tags += try Self.tags(field.dropFirst().split(separator: UInt8(ascii: ",")), separator: Self.colon)
            // Where it ran and when: the first is known, the second is the time it arrives.
            case UInt8(ascii: "c"), UInt8(ascii: "e"), UInt8(ascii: "T"): continue
            default: throw StatsDError(.malformed, "the part \(Self.quoted(field)) is not known")
            }
        }
        guard tags.count <= InterchangeLimits.statsDTags else {
            throw StatsDError(.tooManyTags, "more than \(InterchangeLimits.statsDTags) tags")
        }
        values = try Self.values(first[colon...].dropFirst(), kind)
    }
}

// MARK: - Parts of a line

extension StatsDLine {
    private typealias Bytes = ArraySlice<UInt8>

    private static let bar = UInt8(ascii: "|")
    private static let colon = UInt8(ascii: ":")

    private static func nameAndTags(_ text: Bytes) throws(StatsDError) -> (String, [Tag]) {
        let end = text.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ";") } ?? text.endIndex
        guard end > text.startIndex else { throw StatsDError(.malformed, "no name") }
        let name = String(decoding: text[..<end], as: UTF8.self)
        guard end < text.endIndex else { return (name, []) }
        let tags = text[end...].dropFirst().split(separator: text[end])
        return (name, try self.tags(tags, separator: UInt8(ascii: "=")))
    }

    /// A tag without a value is one that is there: `true`.
    private static func tags(_ texts: [Bytes], separator: UInt8) throws(StatsDError) -> [Tag] {
        var tags: [Tag] = []
        for text in texts {
            let end = text.firstIndex(of: separator) ?? text.endIndex
            guard end > text.startIndex else { throw StatsDError(.malformed, "a tag without a name") }
            let value = end < text.endIndex ? String(decoding: text[end...].dropFirst(), as: UTF8.self) : "true"
            tags.append(Tag(String(decoding: text[..<end], as: UTF8.self), value))
        }
        return tags
    }

    private static func kind(_ text: Bytes) throws(StatsDError) -> Kind {
        switch String(decoding: text, as: UTF8.self) {
        case "c": .counter
        case "g": .gauge
        case "ms": .timer
        case "h", "d": .histogram
        case "s": .set
        default: throw StatsDError(.unknownType, "\(quoted(text)) is no type, known are c, g, ms, h, d, s")
        }
    }

    private static func rate(_ text: Bytes) throws(StatsDError) -> Double {
        guard let rate = number(text), rate > 0, rate <= 1 else {
            throw StatsDError(.badRate, "\(quoted(text)) is no sample rate, it is above 0 and at most 1")
        }
        return rate
    }

    private static func values(_ text: Bytes, _ kind: Kind) throws(StatsDError) -> [Value] {
        if kind == .set {
            guard !text.isEmpty else { throw StatsDError(.badValue, "a set without a member") }
            return [.member(String(decoding: text, as: UTF8.self))]
        }
        var values: [Value] = []
        for part in text.split(separator: colon, omittingEmptySubsequences: false) {
            guard let number = number(part), number.isFinite else {
                throw StatsDError(.badValue, "\(quoted(part)) is no number")
            }
            let isChange = kind == .gauge && (part.first == UInt8(ascii: "+") || part.first == UInt8(ascii: "-"))
            values.append(isChange ? .change(number) : .number(number))
        }
        return values
    }

    private static func number(_ text: Bytes) -> Double? { DecimalNumber.double(text.span, 0..<text.count) }

    private static func quoted(_ text: Bytes) -> String { "\"\(String(decoding: text.prefix(32), as: UTF8.self))\"" }
}
