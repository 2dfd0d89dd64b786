import MusterCLI
import Testing

/// Tables for people.
struct TableTests {
    private func terminal(width: Int = 80, isTerminal: Bool = true, hasColour: Bool = false) -> Terminal {
        Terminal(isOutputTerminal: isTerminal, isErrorTerminal: isTerminal, hasColour: hasColour, width: width)
    }

    @Test
    func columnsAreAsWideAsTheirWidestCell() {
        var table = Table("ID", "STATE", "REASON")
        table.row(.init("web-01"), .init("alive"), .init("heartbeats arrive"))
        table.row(.init("b"), .init("unreachable"), .init(""))
        #expect(
            table.lines(terminal()) == [
                "ID      STATE        REASON", "web-01  alive        heartbeats arrive", "b       unreachable  ",
            ])
    }

    @Test
    func aTableWithoutRowsIsEmptyAndHasItsHeader() {
        let table = Table("A", "B")
        #expect(table.isEmpty)
        #expect(table.lines(terminal()) == ["A  B"])
    }

    @Test
    func onlyTheLastColumnIsCutAndOnlyOnATerminal() {
        let id = String(repeating: "i", count: 30)
        let reason = String(repeating: "r", count: 60)
        var table = Table("ID", "REASON")
        table.row(.init(id), .init(reason))
        let cut = table.lines(terminal(width: 50))[1]
        #expect(cut == id + "  " + String(repeating: "r", count: 17) + "…")
        #expect(cut.count == 50)
        #expect(table.lines(terminal(width: 50, isTerminal: false))[1] == id + "  " + reason)
        #expect(table.lines(terminal(width: 92))[1] == id + "  " + reason)
    }

    @Test
    func aNarrowTerminalStillShowsTheBeginningOfTheLastColumn() {
        var table = Table("ID", "REASON")
        table.row(.init(String(repeating: "i", count: 40)), .init("no heartbeat for 3 s"))
        #expect(table.lines(terminal(width: 20))[1].hasSuffix("  no heartbea…"))
    }

    @Test func `numbers are set to the right`() {
        var table = Table(.number("CPU"), "HOST", .number("N"))
        table.row(.init("1.5%", .red), .init("a"), .init("1"))
        table.row(.init("12.5%"), .init("web-1"), .init("1,000"))
        #expect(
            table.lines(terminal()) == ["  CPU  HOST       N", " 1.5%  a          1", "12.5%  web-1  1,000"])
        #expect(table.lines(terminal(hasColour: true))[1] == " \u{1B}[31m1.5%\u{1B}[0m  a          1")
    }

    @Test(
        arguments: [
            (40, ["NAME  STATE  CPU  REASON", "web   alive   1%  heartbeats arrive"]),
            (28, ["NAME  STATE  CPU  REASON", "web   alive   1%  heartbeat…"]),
            (24, ["NAME  STATE  CPU  REASON", "web   alive   1%  heart…"]),
            (23, ["NAME  STATE  CPU", "web   alive   1%"]), (16, ["NAME  STATE  CPU", "web   alive   1%"]),
            (15, ["NAME  STATE", "web   alive"]), (10, ["NAME", "web"]), (3, ["NA…", "web"]), (1, ["…", "…"]),
        ])
    func `on a screen columns are dropped from the right`(_ width: Int, _ lines: [String]) {
        var table = Table("NAME", "STATE", .number("CPU"), "REASON")
        table.row(.init("web"), .init("alive"), .init("1%"), .init("heartbeats arrive"))
        #expect(
            table.fitted(terminal(width: width)).map { $0.reversed().drop { $0 == " " }.reversed() }.map { String($0) }
                == lines)
    }

    @Test
    func coloursDoNotCountAsWidth() {
        var table = Table("A", "B")
        table.row(.init("x", .green), .init("y", .red))
        let plain = table.lines(terminal())
        let coloured = table.lines(terminal(hasColour: true))
        #expect(plain == ["A  B", "x  y"])
        #expect(coloured[1] == "\u{1B}[32mx\u{1B}[0m  \u{1B}[31my\u{1B}[0m")
    }

    @Test
    func whatAHostSaysCannotBreakTheTable() {
        var table = Table("A", "B")
        table.row(.init("a\nb"), .init("\u{1B}[2J"))
        #expect(table.lines(terminal()).count == 2)
        #expect(table.lines(terminal())[1] == "a\\u{a}b  \\u{1b}[2J")
    }

    @Test(
        arguments: [
            ("alive", .green), ("succeeded", .green), ("suspect", .yellow), ("rolledBack", .yellow), ("dead", .red),
            ("rollbackFailed", .red), ("firing", .red), ("anything", nil),
        ] as [(String, Terminal.Colour?)])
    func aStateHasOneColourEverywhere(_ state: String, _ colour: Terminal.Colour?) {
        #expect(stateColour(state) == colour)
    }
}

struct TerminalTests {
    @Test(
        arguments: [
            ("plain text\tand tab", "plain text\tand tab"), ("a\u{0}b", "a\\u{0}b"),
            ("\u{1B}]0;owned\u{7}", "\\u{1b}]0;owned\\u{7}"), ("line\r\nnext", "line\\u{d}\\u{a}next"),
            ("\u{7F}\u{9B}31m", "\\u{7f}\\u{9b}31m"), ("\u{202E}evil", "\\u{202e}evil"),
            ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"), ("\u{200F}", "\\u{200f}"), ("ünïcödé 🦀", "ünïcödé 🦀"),
        ])
    func nothingThatSteersATerminalGetsThrough(_ text: String, _ shown: String) {
        #expect(Terminal.sanitized(text) == shown)
    }

    @Test
    func colourIsOnlyForTerminalsThatWantIt() {
        let plain = Terminal(isOutputTerminal: true, isErrorTerminal: true, hasColour: false, width: 80)
        var colourful = plain
        colourful.hasColour = true
        #expect(plain.paint("x", .red) == "x")
        #expect(colourful.paint("x", .red) == "\u{1B}[31mx\u{1B}[0m")
        #expect(colourful.paint("x", nil) == "x")
        #expect(!Terminal.current(environment: ["NO_COLOR": ""]).hasColour)
        #expect(!Terminal.current(environment: ["TERM": "dumb"]).hasColour)
    }
}
