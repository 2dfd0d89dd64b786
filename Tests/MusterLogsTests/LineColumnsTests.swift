import MusterLogs
import MusterModel
import Testing

/// Lines of many kinds, from a seed.
struct LineMaker {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...elements.count - 1)] }

    mutating func hexadecimal(_ count: Int) -> String {
        String((0..<count).map { _ in pick(Array("0123456789abcdef")) })
    }

    mutating func identifier() -> String { [8, 4, 4, 4, 12].map { hexadecimal($0) }.joined(separator: "-") }

    mutating func word() -> String {
        switch number(0...13) {
        case 0: String(number(0...9))
        case 1: String(number(0...99_999_999))
        case 2: "00" + String(number(0...999))
        case 3: hexadecimal(number(1...40))
        case 4: identifier()
        case 5: identifier() + "x"
        case 6: "web\(number(0...20))"
        case 7: "\(number(0...900))ms"
        case 8: "2026-11-\(number(10...30))T\(number(10...23)):\(number(10...59)):00.\(number(100...999))Z"
        case 9: "10.0.\(number(0...255)).\(number(0...255)):\(number(1...65_535))"
        case 10: String(repeating: "7", count: number(17...40))
        case 11: pick(["grün", "Ωμέγα", "\u{0}", "\u{1}\u{2}", "\u{1b}[31m", "\t", "", "a_b_3"])
        default: pick(["connection", "closed", "from", "by", "user", "ERROR", "retry", "timeout"])
        }
    }

    mutating func text() -> String {
        (0..<number(0...12)).map { _ in word() }.joined(separator: pick([" ", " ", " ", "  ", ", ", ""]))
    }

    mutating func object() -> String {
        let names = ["time", "level", "msg", "user id", "nested", "n"].prefix(number(1...6))
        let pairs = names.map { name -> String in
            switch number(0...5) {
            case 0: "\"\(name)\":\(number(-50...5_000))"
            case 1: "\"\(name)\": true"
            case 2: "\"\(name)\":{\"a\":\"\(word())\",\"b\":[1,\"x\",null]}"
            case 3: "\"\(name)\":\"say \\\"\(word())\\\" \\\\\""
            default: "\"\(name)\":\"\(text())\""
            }
        }
        return "{" + pairs.joined(separator: pick([",", ", "])) + pick(["}", "}", " }", "", "} tail"])
    }

    mutating func pairs() -> String {
        let names = ["ts", "level", "msg", "caller", "err"].prefix(number(1...5))
        return names.map { name in pick(["\(name)=\(word())", "\(name)=\"\(text())\"", "\(name)="]) }
            .joined(separator: " ")
    }

    mutating func line() -> [UInt8] {
        switch number(0...9) {
        case 0...2: Array(object().utf8)
        case 3...4: Array(pairs().utf8)
        case 5: (0..<number(0...60)).map { _ in UInt8(number(0...255)) }
        default: Array(text().utf8)
        }
    }
}

@Suite struct LineColumnsTests {
    @Test(arguments: 0..<90) func `whatever was written is what is read`(seed: Int) throws {
        var maker = LineMaker(seed: UInt64(seed + 1))
        let lines = (0..<maker.number(1...[3, 40, 400][seed % 3])).map { _ in maker.line() }
        let read = try block(of: lines)
        #expect(read.entries.map(\.line) == lines)
    }

    @Test(arguments: [
        "", "a", "0", "00", "007", "123456789012345678", "1234567890123456789", "-1", "{", "{}", "{\"", "{\"a",
        "{\"a\"",
        "{\"a\":", "{\"a\":}", "{\"a\":\"", "{\"a\":\"\\", "{\"a\":\"\\\"", "{\"a\":1", "{\"a\":1}", "{\"a\":1}}", "a=",
        "a=1",
        "a=1 b=", "a=1 b=\"", "a=1 b=\"\\\"", "a=1  b=2 ", "=", "a==1 b=2", "\u{0}", "\u{1}", "\u{2}", "\u{2}\u{0}",
        " ", "  ", "a b", "a  b", " a", "a ", "12ab34", "12T34", "0x1f", "v1", "1v", "deadbeef", "DEADBEEF", "DeAd1",
        "01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-cdef-0123-456789abcdef",
        "x01234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdefx",
        "01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123_456789abcdef",
    ]) func `odd lines come back alone, twice, many times and among others`(text: String) throws {
        let line = Array(text.utf8)
        for count in [1, 2, 3, 9, 50] {
            let lines = [[UInt8]](repeating: line, count: count)
            #expect(try block(of: lines).entries.map(\.line) == lines)
            let mixed = lines.enumerated().flatMap { [$0.element, Array("other \($0.offset) 7f".utf8)] }
            #expect(try block(of: mixed).entries.map(\.line) == mixed)
        }
    }

    @Test func `values side by side take a fraction of the lines`() throws {
        var maker = LineMaker(seed: 3)
        let lines = (0..<800).map { number in
            let (id, path) = (maker.hexadecimal(32), maker.pick(["users", "orders", "search"]))
            return Array(
                ("{\"time\":\"2026-01-01T00:00:\(10 + number / 20)Z\",\"id\":\"\(id)\","
                    + "\"uri\":\"/\(path)/\(number * 7)\",\"status\":200}").utf8)
        }
        let header = try block(of: lines).header
        #expect(header.rawBytes > 75_000)
        // 16 bytes of every identifier are chance and stay.
        #expect(header.columnBytes < 800 * 16 + 8_000, "\(header.columnBytes)")
    }

    @Test func `texts without a common template share their words and numbers`() throws {
        var maker = LineMaker(seed: 4)
        let words = ["cache", "miss", "entry", "queue", "full", "retry", "worker", "ready", "lease", "quota"]
        let lines = (0..<1_500).map { number in
            let message = (0..<9).map { _ in maker.pick(words) }.joined(separator: " ")
            return Array("Nov 27 10:00:\(10 + number / 30) app[\(maker.number(1_000...9_999))]: \(message)".utf8)
        }
        let header = try block(of: lines).header
        #expect(header.rawBytes > 90_000)
        #expect(header.columnBytes * 4 < header.rawBytes, "\(header.columnBytes) of \(header.rawBytes)")
    }

    @Test func `lines that columns make larger stay as they are`() throws {
        var maker = LineMaker(seed: 5)
        // Every line one template of its own with hundreds of numbers.
        let lines = (0..<8).map { _ in
            Array((0..<2_000).map { _ in maker.pick([" 1", "-2", ";3"]) }.joined().utf8)
        }
        let read = try block(of: lines)
        #expect(read.entries.map(\.line) == lines)
        #expect(read.header.columnBytes < read.header.rawBytes + 2_048)
    }

    @Test func `more shapes than a block knows are text`() throws {
        let lines = (0..<600).map { Array("{\"name\($0)x\":\"value\",\"other\":\($0)}".utf8) }
        #expect(try block(of: lines).entries.map(\.line) == lines)
    }

    @Test func `more different words than codes are kept as they are`() throws {
        let lines = (0..<12_000).map { number in
            Array(String(number, radix: 26).utf8.map { $0 < 58 ? $0 + 60 : $0 }) + Array(" q".utf8)
        }
        #expect(try block(of: lines).entries.map(\.line) == lines)
    }

    @Test func `the longest line comes back`() throws {
        let line = Array(String(repeating: "{\"a\":1,", count: Limits.logLineBytes / 7).utf8)
        #expect(try block(of: [line, line, line]).entries.map(\.line) == [line, line, line])
    }

    @Test(arguments: 0..<20) func `mutated columns never trap and stay within the limits`(seed: Int) throws {
        var maker = LineMaker(seed: UInt64(seed + 77))
        let lines = (0..<maker.number(1...60)).map { _ in maker.line() }
        var builder = LogBlockBuilder()
        for line in lines { _ = line.withUnsafeBytes { builder.append($0, timestamp: 1) } }
        let original = builder.finish(labels: [:], compressor: StoringCompressor()) ?? []
        let (_, body) = try LogBlockHeader.decode(original[...])
        for _ in 0..<150 {
            var bytes = original
            for _ in 0..<maker.number(1...3) {
                let place = maker.number(body.startIndex...body.endIndex - 1)
                bytes[place] = maker.pick([0, 1, 255, UInt8(maker.number(0...255))])
            }
            guard let read = try? LogBlock.decode(bytes[...], compressor: StoringCompressor()) else { continue }
            #expect(read.lines.reduce(0) { $0 + $1.range.count } == read.header.rawBytes)
        }
    }

    @Test func `a few bytes cannot claim gigabytes`() {
        // One text template of 30,000 slots for 30,000 rows, all numbers of width 0.
        var columns: [UInt8] = []
        columns += [0, 0] + [0, 0] + [0]  // times, flags, no fields
        columns += [0]  // no shapes
        columns += [5, 1]  // text, one template
        columns += [0]  // uncoded: one length of 30,000
        columns += [0, 0xe0, 0xd4, 0x03]
        columns += [UInt8](repeating: 0, count: 30_000)
        columns += [0, 0]
        columns += [UInt8](repeating: 1, count: 60_000)
        let header: [UInt8] =
            [2, 1, 0, 0] + varint(30_000) + [0, 0] + varint(200_000) + varint(UInt64(columns.count)) + [0, 0, 0, 0]
            + varint(UInt64(columns.count))
        #expect(throws: LogBlockError.malformed(what: "slots")) {
            try LogBlock.decode((header + columns)[...], compressor: StoringCompressor())
        }
    }

    @Test func `columns in columns without an end are refused`() {
        var columns: [UInt8] = [0, 0, 0, 0, 0, 0]
        for _ in 0..<50_000 { columns += [1, 2] }
        let header: [UInt8] =
            [2, 1, 0, 0] + varint(4) + [0, 0] + varint(1_000) + varint(UInt64(columns.count)) + [0, 0, 0, 0]
            + varint(UInt64(columns.count))
        #expect(throws: LogBlockError.malformed(what: "columns in columns")) {
            try LogBlock.decode((header + columns)[...], compressor: StoringCompressor())
        }
    }

    private func varint(_ value: UInt64) -> [UInt8] {
        var (bytes, rest): ([UInt8], UInt64) = ([], value)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}

@Suite struct WordFilterTests {
    private func mayHold(_ needle: String, in block: LogBlock) -> Bool {
        NeedleWord.words(in: Array(needle.utf8)).allSatisfy(block.header.words.mayContain)
    }

    @Test(arguments: 0..<60) func `no part of a line is ever denied`(seed: Int) throws {
        var maker = LineMaker(seed: UInt64(seed + 1_000))
        let lines = (0..<60).map { _ in maker.line() }
        let words = try block(of: lines).header.words
        for _ in 0..<200 {
            let line = maker.pick(lines)
            guard !line.isEmpty else { continue }
            let start = maker.number(0...line.count - 1)
            let needle = Array(line[start..<maker.number(start...line.count)])
            #expect(
                NeedleWord.words(in: needle).allSatisfy(words.mayContain),
                "\(String(decoding: needle, as: UTF8.self)) of \(String(decoding: line, as: UTF8.self))")
        }
    }

    @Test func `case does not count`() throws {
        let read = try block(of: [Array("Request ABCDE12 failed".utf8)])
        #expect(mayHold(" request ", in: read))
        #expect(mayHold("=abcde12;", in: read))
        #expect(!mayHold("=abcde13;", in: read))
    }

    @Test func `an identifier of the longest length is denied without being delimited`() throws {
        var maker = LineMaker(seed: 9)
        let ids = (0..<500).map { _ in maker.hexadecimal(16) }
        let read = try block(of: ids.map { Array("{\"id\":\"\($0)\",\"n\":12}".utf8) })
        #expect(ids.allSatisfy { mayHold($0, in: read) })
        let others = (0..<1_000).map { _ in maker.hexadecimal(16) }
        // Six probes of ten bits a word: some 1 of 100 passes.
        #expect(others.count { mayHold($0, in: read) } < 40)
    }

    @Test func `a part of a longer word is not denied`() throws {
        let read = try block(of: [Array("trace 0123456789abcdef0123 NullPointerException".utf8)])
        #expect(mayHold("6789abcdef", in: read))
        #expect(mayHold("Pointer", in: read))
        #expect(!mayHold(" Pointer ", in: read))
        #expect(!mayHold("averylongwordthatisnowhere", in: read))
    }

    @Test(arguments: [
        ("timeout", 1, false), (" timeout ", 1, true), ("x=timeout;", 1, true), ("ab", 0, false), ("", 0, false),
        (" 1234 ", 0, false), (" 12345 ", 1, true), (" 123456Z ", 0, false), (" 12345678901Z ", 1, true),
        (" a1b2 ", 0, false), ("timeout ", 1, false), (" timeout", 1, false),
    ]) func `words that filters know`(needle: String, count: Int, isWhole: Bool) throws {
        let words = NeedleWord.words(in: Array(needle.utf8))
        #expect(words.count == count)
        let read = try block(of: [Array("mytimeouts 012345678 x".utf8)])
        // Nothing whole is here, but longer words are that could hold each.
        #expect(words.allSatisfy(read.header.words.mayContain) == !(count > 0 && isWhole))
    }

    @Test func `what stands around a needle may be known`() {
        let needle = Array("timeout".utf8)
        let both = NeedleWord.words(in: needle, startsAtBoundary: true, endsAtBoundary: true)
        #expect(both == NeedleWord.words(in: Array(" timeout ".utf8)))
        #expect(NeedleWord.words(in: needle, startsAtBoundary: true) == NeedleWord.words(in: needle))
    }

    @Test func `too many different words leave the filter out`() throws {
        var maker = LineMaker(seed: 10)
        let lines = (0..<190).map { _ in
            Array((0..<200).map { _ in maker.hexadecimal(5) }.joined(separator: " ").utf8)
        }
        let words = try block(of: lines).header.words
        #expect(words.bits.isEmpty)
        #expect(NeedleWord.words(in: Array(" nowhere9 ".utf8)).allSatisfy(words.mayContain))
    }

    @Test func `a block without a word that filters know denies all`() throws {
        let read = try block(of: [Array("1 2 3".utf8), Array("..".utf8)])
        #expect(!mayHold(" anything ", in: read))
        #expect(mayHold("12", in: read))
    }
}
