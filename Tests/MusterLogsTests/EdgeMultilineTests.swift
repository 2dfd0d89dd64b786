import MusterLogs
import MusterModel
import Testing

/// Lines with `> ` begin an event, with `| ` they go on.
private func check(
    _ rule: MultilineRule, _ transcript: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    var grouper = MultilineGrouper(rule)
    var shown: [String] = []
    for line in transcript.split(separator: "\n", omittingEmptySubsequences: false) {
        let bytes = Array(line.dropFirst(2).utf8)
        shown.append((grouper.line(bytes.span) == .continues ? "| " : "> ") + line.dropFirst(2))
    }
    #expect(shown.joined(separator: "\n") == transcript, sourceLocation: sourceLocation)
}

private let java = """
    > 2026-03-01 INFO before
    > 2026-03-01 ERROR request failed
    | java.lang.IllegalStateException: no state
    | \tat com.example.Shop.buy(Shop.java:12)
    | \tat com.example.Shop.main(Shop.java:3)
    | Caused by: java.io.IOException: closed
    | \tat com.example.Net.read(Net.java:7)
    | \t... 2 more
    | \tSuppressed: java.lang.RuntimeException: x
    | \t\tat com.example.A.b(A.java:1)
    | \t\t[CIRCULAR REFERENCE: java.lang.RuntimeException: x]
    | \t... 12 common frames omitted
    | 
    > 2026-03-01 INFO after
    > Exception in thread "main" java.lang.NullPointerException
    |     at com.example.Shop.main(Shop.java:3)
    > java.lang.OutOfMemoryError: Java heap space
    | \tat a.B.c(B.java:1)
    > at the end of the day
    > ... and more
    > com.example.Shop started: yes
    > 
    > Errors.Error.x
    """

private let python = """
    > 2026-03-01 INFO before
    > Traceback (most recent call last):
    |   File "a.py", line 3, in <module>
    |     f()
    | ValueError: bad
    | 
    | During handling of the above exception, another exception occurred:
    | 
    | Traceback (most recent call last):
    |   File "b.py", line 1, in g
    | KeyError: 'x'
    | 
    | The above exception was the direct cause of the following exception:
    | 
    | Traceback (most recent call last):
    |   File "c.py", line 1
    | SystemExit: 1
    > 2026-03-01 INFO after
    >   indented, but no trace
    >   + Exception Group Traceback (most recent call last):
    |   |   File "a.py", line 1, in <module>
    |   | ExceptionGroup: two (2 sub-exceptions)
    |   +-+---------------- 1 ----------------
    |     | ValueError: 1
    |     +------------------------------------
    > done
    > Traceback (most recent call last):
    > 
    > Traceback (most recent call last):
    | KeyError
    > Traceback (most recent call last):
    | ValueError
    > The end
    """

private let go = """
    > 2026/03/01 09:30:00 serving
    > panic: runtime error: index out of range [5] with length 3
    | \tpanic: again
    | [signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]
    | 
    | goroutine 1 [running]:
    | main.(*Server).Serve(0xc000010000, {0x1, 0x2})
    | \t/src/main.go:12 +0x1d
    | panic({0x1, 0x2})
    | \t/usr/lib/go/panic.go:884 +0x212
    | main.main()
    | \t/src/main.go:3 +0x20
    | created by main.start in goroutine 1
    | \t/src/main.go:9 +0x5
    | 
    | goroutine 7 [select, 2 minutes]:
    | net/http.(*conn).serve(0xc0000b2000)
    | \t/usr/lib/go/net/http/server.go:1 +0x1
    | ...additional frames elided...
    | rax    0x0
    | rip    0x46a2e1
    | exit status 2
    > {"level":"info","msg":"restarted (again)"}
    > fatal error: all goroutines are asleep - deadlock!
    | 
    | goroutine 1 [chan receive]:
    | main.main()
    > time=x msg=done(1)
    > calls main.main() now
    > panic: only this
    > main.main()
    """

@Suite struct Multiline {
    @Test func `stack traces of the JVM`() { check(.java, java) }
    @Test func `tracebacks of Python`() { check(.python, python) }
    @Test func `panics of Go`() { check(.go, go) }

    @Test func `indented and empty lines go on`() {
        check(.indented, "> a\n|  b\n| \tc\n| \n|  d\n> e\n> f\n| ")
    }

    @Test func `an event begins where the pattern is found`() throws {
        check(.start(try searching("2026-")), "> anything\n| goes\n> 2026-03-01 a\n| b\n| \n> at 2026-03-02\n| c")
    }

    @Test(arguments: [java, python, go]) func `reading again from an event's first line groups alike`(text: String)
        throws
    {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0.dropFirst(2).utf8) }
        let rules: [MultilineRule] = [.java, .python, .go, .indented, .start(try searching("2026"))]
        for rule in rules {
            for limit in [2, 3, 7, 500] {
                var whole = MultilineGrouper(rule, maxLines: limit)
                let roles = lines.map { whole.line($0.span) }
                for start in roles.indices where roles[start] != .continues {
                    var again = MultilineGrouper(rule, maxLines: limit)
                    let rest = lines[start...].map { again.line($0.span) }
                    #expect(rest.first == .begins)
                    #expect(Array(rest.dropFirst()) == Array(roles[(start + 1)...]))
                }
            }
        }
    }

    @Test func `the limit of lines ends an event and says so`() {
        var grouper = MultilineGrouper(.indented, maxLines: 3)
        let lines = ["a", " 1", " 2", " 3", " 4", " 5", " 6", "b"].map { Array($0.utf8) }
        let roles = lines.map { grouper.line($0.span) }
        #expect(
            roles == [
                .begins, .continues, .continues, .beginsAtLimit, .continues, .continues, .beginsAtLimit, .begins,
            ])
        var usual = MultilineGrouper(.indented)
        let blank = Array(" x".utf8)
        let many = (0..<501).map { _ in usual.line(blank.span) }
        #expect(many.firstIndex(of: .beginsAtLimit) == 500)
    }

    @Test func `the limit of bytes counts a line feed for each line`() {
        for (more, expected) in [(0, LineRole.continues), (1, .beginsAtLimit)] {
            var grouper = MultilineGrouper(.indented)
            let first = [UInt8](repeating: 0x78, count: Limits.logLineBytes - 11)
            let second = [UInt8](repeating: 0x20, count: 10 + more)
            #expect(grouper.line(first.span) == .begins)
            #expect(grouper.line(second.span) == expected)
        }
        var grouper = MultilineGrouper(.indented)
        let huge = [UInt8](repeating: 0x20, count: Limits.logLineBytes * 2)
        #expect(grouper.line(huge.span) == .begins)
        #expect(grouper.line(huge.span) == .beginsAtLimit)
    }

    @Test func `after a reset a line begins`() {
        for rule in [MultilineRule.java, .python, .go, .indented] {
            var grouper = MultilineGrouper(rule)
            let frame = Array("\tat a.b(C.java:1)".utf8)
            _ = grouper.line(frame.span)
            grouper.reset()
            #expect(grouper.line(frame.span) == .begins)
        }
    }

    @Test func `noise never traps`() {
        var generator = SeededGenerator(seed: 9)
        let pieces = [
            "\tat ", "Caused by:", "panic: ", "goroutine ", "Traceback (most recent call last):", "", " ", "...", "(",
            ")", "é", "\0",
        ]
        for rule in [MultilineRule.java, .python, .go, .indented] {
            var grouper = MultilineGrouper(rule, maxLines: 5)
            var begun = 0
            for _ in 0..<3_000 {
                let text = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                    pieces[Int.random(in: pieces.indices, using: &generator)]
                }.joined()
                let bytes = Array(text.utf8)
                if grouper.line(bytes.span) != .continues { begun += 1 }
            }
            #expect(begun >= 3_000 / 5)
        }
    }
}
