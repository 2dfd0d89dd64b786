import MusterInterchange
import MusterModel
import Testing

/// What holds for every message, shown with many that are made from a seed.
@Suite struct SyslogPropertyTests {
    private static let letters = Array("abcXYZ019_-.".utf8)

    private static func word(_ limit: Int, _ generator: inout SplitMix) -> String {
        let count = Int.random(in: 1...limit, using: &generator)
        // A single `-` would be the sign for nothing.
        return "w"
            + String(
                decoding: (1..<max(2, count)).map { _ in letters.randomElement(using: &generator) ?? 0x61 },
                as: UTF8.self)
    }

    private static func optionalWord(_ generator: inout SplitMix) -> String? {
        Bool.random(using: &generator) ? word(20, &generator) : nil
    }

    private static func value(_ generator: inout SplitMix) -> String {
        let pieces = ["\"", "\\", "]", "[", "=", " ", "a", "é", "\n", "\\n", "x y"]
        return (0..<Int.random(in: 0...8, using: &generator)).map { _ in
            pieces.randomElement(using: &generator) ?? ""
        }.joined()
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            if "\"\\]".contains(character) { text += "\\" }
            text.append(character)
        }
    }

    private static func element(_ generator: inout SplitMix) -> SyslogMessage.Element {
        let parameters = (0..<Int.random(in: 0...4, using: &generator)).map { number in
            SyslogMessage.Parameter("p\(number)", value(&generator))
        }
        return SyslogMessage.Element("\(word(6, &generator))@32473", parameters)
    }

    private static func spelled(_ element: SyslogMessage.Element) -> String {
        "[\(element.id)" + element.parameters.map { " \($0.name)=\"\(escaped($0.value))\"" }.joined() + "]"
    }

    /// Milliseconds, as `Instant` spells them.
    private static func moment(_ generator: inout SplitMix) -> Instant {
        Instant(milliseconds: Int64.random(in: -5_000_000_000_000...8_000_000_000_000, using: &generator))
    }

    @Test func `what is written by RFC 5424 is read as it was meant`() {
        var generator = SplitMix(seed: 1)
        for _ in 0..<5_000 {
            let (facility, severity) = (
                UInt8.random(in: 0...23, using: &generator), UInt8.random(in: 0...7, using: &generator)
            )
            let time = Bool.random(using: &generator) ? Self.moment(&generator) : nil
            let fields = (0..<4).map { _ in Self.optionalWord(&generator) }
            let elements = (0..<Int.random(in: 0...3, using: &generator)).map { _ in Self.element(&generator) }
            let text = "t" + Self.value(&generator) + "."
            let data = elements.isEmpty ? "-" : elements.map(Self.spelled).joined()
            let line =
                "<\(facility * 8 + severity)>1 \(time?.description ?? "-") "
                + fields.map { $0 ?? "-" }.joined(separator: " ") + " \(data) \(text)"
            let message = SyslogMessage(Array(line.utf8)[...], now: Instant(seconds: 0), offsetSeconds: 3_600)
            #expect(message.format == .rfc5424 && message.facility == facility && message.severity == severity)
            #expect(message.timestamp == time && message.structuredData == elements, "\(line)")
            #expect([message.host, message.appName, message.processID, message.messageID] == fields)
            #expect(message.message == Array(text.utf8) && !message.isDamaged && message.leftOutData == 0)
        }
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Mar  5 11:59:01` of a time, in UTC.
    private static func bsd(_ time: Instant) -> String {
        let digits = time.description
        let month = Int(digits.dropFirst(5).prefix(2)) ?? 1
        let day = String(Int(digits.dropFirst(8).prefix(2)) ?? 1)
        return "\(months[month - 1]) \(day.utf8.count == 1 ? " " : "")\(day) \(digits.dropFirst(11).prefix(8))"
    }

    @Test func `what is written by RFC 3164 is read as it was meant, whatever the day`() {
        var generator = SplitMix(seed: 2)
        for _ in 0..<5_000 {
            // Whole seconds from 1970 to 2220, read up to half a year later or earlier.
            let time = Instant(seconds: Int64.random(in: 0...7_900_000_000, using: &generator))
            let away = Int64.random(in: -15_000_000...15_000_000, using: &generator)
            let offset = Int64.random(in: -12...14, using: &generator) * 3_600
            let (host, tag) = (Self.word(12, &generator), Self.word(20, &generator))
            let process = Bool.random(using: &generator) ? String(UInt16.random(in: 0...9_999, using: &generator)) : nil
            let text = "t" + Self.value(&generator) + "."
            let local = Instant(seconds: time.seconds + offset)
            let line = "<13>\(Self.bsd(local)) \(host) \(tag)\(process.map { "[\($0)]" } ?? ""): \(text)"
            let message = SyslogMessage(
                Array(line.utf8)[...], now: Instant(seconds: time.seconds + away), offsetSeconds: offset)
            #expect(message.timestamp == time, "\(line), read \(away) s later")
            #expect(message.format == .rfc3164 && message.host == host && message.appName == tag, "\(line)")
            #expect(message.processID == process && message.message == Array(text.utf8))
        }
    }

    @Test func `every day of two centuries has its number`() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var day: Int64 = 0
        for year in 1_970...2_170 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            for (month, length) in lengths.enumerated() {
                for date in 1...(month == 1 && isLeap ? 29 : length) {
                    let words = [month + 1, date].map { ($0 < 10 ? "0" : "") + String($0) }
                    let line = "<1>1 \(year)-\(words[0])-\(words[1])T00:00:00Z - - - - -"
                    let message = SyslogMessage(Array(line.utf8)[...], now: Instant(seconds: 0))
                    #expect(message.timestamp == Instant(seconds: day * 86_400))
                    day += 1
                }
            }
            let none = SyslogMessage(
                Array("<1>1 \(year)-02-\(isLeap ? 30 : 29)T00:00:00Z - - - - -".utf8)[...], now: Instant(seconds: 0))
            #expect(none.format == .unparsed)
        }
        #expect(day == 73_414)
    }

    private static func pieces(_ bytes: [UInt8], _ generator: inout SplitMix) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 1...400, using: &generator))
            pieces.append(Array(bytes[start..<end]))
            start = end
        }
        return pieces
    }

    @Test func `messages of any bytes come through a count, and any but ends through lines`() {
        var generator = SplitMix(seed: 3)
        for round in 0..<400 {
            let isCounted = round.isMultiple(of: 2)
            let messages: [[UInt8]] = (0..<Int.random(in: 1...20, using: &generator)).map { _ in
                let count = Int.random(in: 1...300, using: &generator)
                let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
                return isCounted ? bytes : [0x3c] + bytes.filter { $0 != 0 && $0 != 0x0a && $0 != 0x0d }
            }
            let ends: [[UInt8]] = isCounted ? [[], [0x0a]] : [[0x0a], [0], [0x0d, 0x0a]]
            let stream = messages.flatMap { message -> [UInt8] in
                let count = isCounted ? Array("\(message.count) ".utf8) : []
                return count + message + (ends.randomElement(using: &generator) ?? [])
            }
            var framing = SyslogFraming()
            var frames: [SyslogFrame] = []
            for piece in Self.pieces(stream, &generator) {
                framing.received(piece.span, into: &frames)
                #expect(framing.heldBytes <= SyslogLimits.messageBytes)
            }
            framing.ended(into: &frames)
            #expect(frames == messages.map { SyslogFrame($0) })
            var counters = SyslogFraming.Counters()
            counters.messages = UInt64(messages.count)
            #expect(framing.counters == counters)
        }
    }
}
