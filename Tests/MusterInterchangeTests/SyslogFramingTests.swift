import MusterInterchange
import Testing

/// The messages of a connection whose bytes come in these pieces.
private func deframed(_ pieces: [ArraySlice<UInt8>]) -> (frames: [SyslogFrame], framing: SyslogFraming) {
    var framing = SyslogFraming()
    var frames: [SyslogFrame] = []
    for piece in pieces { framing.received(Array(piece).span, into: &frames) }
    framing.ended(into: &frames)
    return (frames, framing)
}

private func texts(_ bytes: some Collection<UInt8>) -> [String] {
    deframed([Array(bytes)[...]]).frames.map { String(decoding: $0.bytes, as: UTF8.self) + ($0.isCut ? "…" : "") }
}

@Suite struct SyslogFramingTests {
    @Test(
        arguments: [
            // Counted.
            ("5 <1>ab4 <2>c", ["<1>ab", "<2>c"]), ("10 <1>a\nb\0c\r\n", ["<1>a\nb\0c\r\n"]),
            ("5 <1>ab\n4 <2>c\r\n\0 4 <3>d", ["<1>ab", "<2>c", "<3>d"]), ("1 a", ["a"]),
            // An end within.
            ("9 <1>ab", ["<1>ab…"]), ("5 <1>ab12", ["<1>ab", "12…"]), ("5 ", ["…"]), ("5 <1>ab\n", ["<1>ab"]),
            // No count where one should be: up to the next line, and on.
            ("5 <1>ab<2>lost\n4 <3>d", ["<1>ab", "<2>lost", "<3>d"]),
            ("2024-10-11 line one\n2024-10-11 line two\n", ["2024-10-11 line one", "2024-10-11 line two"]),
            ("12345678 a\n1 b", ["12345678 a", "b"]), ("5 <1>ab0 x\n1 y", ["<1>ab", "0 x", "y"]),
            ("1x\n", ["1x"]), ("7", ["7…"]),
            // By lines.
            ("<1>a\n<2>b\n", ["<1>a", "<2>b"]), ("<1>a\r\n<2>b\r\n", ["<1>a", "<2>b"]),
            ("<1>a\0<2>b\0", ["<1>a", "<2>b"]),
            ("<1>a\n\0<2>b\0\n\n", ["<1>a", "<2>b"]), ("<1>a\n<2>no end", ["<1>a", "<2>no end"]),
            ("\n\n<1>a\n", ["<1>a"]), ("<1>a\n5 <1>ab\n", ["<1>a", "5 <1>ab"]), ("\r\r\n", ["\r"]), ("0 x\n", ["0 x"]),
            ("", []), ("\n", []), ("\0", []),
        ] as [(String, [String])])
    func `bytes are cut into messages`(text: String, expected: [String]) {
        #expect(texts(text.utf8) == expected)
    }

    @Test func `the first byte decides for the whole connection`() {
        #expect(SyslogFraming().method == nil)
        #expect(deframed([Array("5 <1>ab".utf8)[...]]).framing.method == .octetCounting)
        #expect(deframed([Array("<1>a\n5 <1>ab".utf8)[...]]).framing.method == .nonTransparent)
        #expect(deframed([Array("05 <1>ab".utf8)[...]]).framing.method == .nonTransparent)
        #expect(deframed([[]]).framing.method == nil)
    }

    @Test func `a message that is too long is cut and its neighbours are whole`() {
        let limit = SyslogLimits.messageBytes
        for over in [0, 1, 70_000] {
            let long = [UInt8](repeating: 0x61, count: limit + over)
            let counted = Array("3 one\(long.count) ".utf8) + long + Array("3 two".utf8)
            let lines = Array("one\n".utf8) + long + Array("\ntwo\0".utf8)
            for (bytes, method) in [(counted, SyslogFraming.Method.octetCounting), (lines, .nonTransparent)] {
                let (frames, framing) = deframed([bytes[...]])
                #expect(framing.method == method)
                #expect(frames.map(\.bytes.count) == [3, limit, 3] && frames.map(\.isCut) == [false, over > 0, false])
                #expect(frames.last?.bytes == Array("two".utf8))
                var counters = SyslogFraming.Counters()
                counters.messages = 3
                counters.cutMessages = over > 0 ? 1 : 0
                counters.skippedBytes = UInt64(over)
                #expect(framing.counters == counters && framing.heldBytes == 0)
            }
        }
    }

    @Test func `a count that is as long as it may be is believed without holding its bytes`() {
        var framing = SyslogFraming()
        var frames: [SyslogFrame] = []
        framing.received(Array("9999999 ".utf8).span, into: &frames)
        let piece = [UInt8](repeating: 0x62, count: 100_000)
        for _ in 0..<99 {
            framing.received(piece.span, into: &frames)
            #expect(framing.heldBytes == SyslogLimits.messageBytes)
        }
        framing.received([UInt8](repeating: 0x62, count: 99_999).span, into: &frames)
        framing.received(Array("1 c".utf8).span, into: &frames)
        #expect(frames.map(\.bytes.count) == [SyslogLimits.messageBytes, 1])
        #expect(framing.counters.skippedBytes == UInt64(9_999_999 - SyslogLimits.messageBytes))
        #expect(framing.counters.damagedCounts == 0)
    }

    @Test func `damage and ends are counted`() {
        let (frames, framing) = deframed([Array("3 one?\n12345678 \n3 two4 en".utf8)[...]])
        #expect(frames.map { String(decoding: $0.bytes, as: UTF8.self) } == ["one", "?", "12345678 ", "two", "en"])
        #expect(framing.counters.damagedCounts == 2 && framing.counters.cutMessages == 1)
        #expect(framing.counters.messages == 5)
    }

    private static let streams: [[UInt8]] = [
        Array("5 <1>ab\n12 <34>1 - - - 4 <2>c\r\n9 <3>\n\0\r\n12".utf8),
        Array("<1>a\r\n\r\n<2>bb\0\0<3>c\n12 <4>\rd\r\n<5>open".utf8),
        Array("5 <1>abXY lost\n3 one99999999 x\0 4 four7 part".utf8),
    ]

    @Test(arguments: streams)
    func `every split into three pieces gives the same messages`(stream: [UInt8]) {
        let (whole, framing) = deframed([stream[...]])
        #expect(whole.count >= 3)
        for first in 0...stream.count {
            for second in first...stream.count {
                let split = deframed([stream[..<first], stream[first..<second], stream[second...]])
                #expect(split.frames == whole && split.framing.counters == framing.counters)
            }
        }
        #expect(deframed(stream.indices.map { stream[$0...$0] }).frames == whole)
    }

    @Test func `random streams in random pieces give the same messages and lose no byte`() {
        var generator = SplitMix(seed: 6_587)
        var damaged = 0
        for round in 0..<3_000 {
            let stream = mutated(Self.streams[round % Self.streams.count], &generator)
            let (whole, framing) = deframed([stream[...]])
            var pieces: [ArraySlice<UInt8>] = []
            var start = 0
            while start < stream.count {
                let end = min(stream.count, start + Int.random(in: 1...7, using: &generator))
                pieces.append(stream[start..<end])
                start = end
            }
            let split = deframed(pieces)
            #expect(split.frames == whole && split.framing.counters == framing.counters)
            #expect(framing.counters.messages == UInt64(whole.count) && framing.heldBytes == 0)
            #expect(whole.reduce(0) { $0 + $1.bytes.count } <= stream.count)
            if framing.method == .nonTransparent {
                // Nothing but ends is missing.
                let ends: Set<UInt8> = [0, 0x0a, 0x0d]
                #expect(whole.flatMap(\.bytes).filter { !ends.contains($0) } == stream.filter { !ends.contains($0) })
            }
            damaged += Int(framing.counters.damagedCounts)
        }
        #expect(damaged > 100)
    }
}
