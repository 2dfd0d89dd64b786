import MusterHealth
import MusterModel
import Testing

@Suite struct CheckHealthTests {
    private let start = Instant(seconds: 1_000)

    private func health(rise: Int = 1, fall: Int = 1) -> CheckHealth {
        CheckHealth(policy: CheckPolicy(kind: .tcp, rise: rise, fall: fall), now: start)
    }

    /// Feeds results one second apart: `p` passed, `w` warned, `f` failed, `x` stopped, `s` started. Gives the states.
    private func states(_ text: String, rise: Int, fall: Int) -> [CheckState] {
        var machine = health(rise: rise, fall: fall)
        var states: [CheckState] = []
        for (index, letter) in text.enumerated() {
            let now = start + .seconds(Int64(index) + 1)
            switch letter {
            case "p": _ = machine.resulted(.passed("ok"), now: now)
            case "w": _ = machine.resulted(.warned("slow"), now: now)
            case "f": _ = machine.resulted(.failed("refused"), now: now)
            case "x": _ = machine.stopped("exited 1", now: now)
            default: _ = machine.started(now: now)
            }
            states.append(machine.state)
        }
        return states
    }

    @Test func itBeginsWithoutAnOpinion() {
        let machine = health()
        #expect(machine.state == .starting)
        #expect(machine.since == start)
        #expect(machine.reason == "no check has finished yet")
    }

    @Test(arguments: [
        // Every event in every state, with rise 1 and fall 1.
        ("p", 1, 1, [CheckState.passing]),
        ("w", 1, 1, [.warning]),
        ("f", 1, 1, [.critical]),
        ("x", 1, 1, [.critical]),
        ("s", 1, 1, [.starting]),
        ("pp", 1, 1, [.passing, .passing]),
        ("pw", 1, 1, [.passing, .warning]),
        ("pf", 1, 1, [.passing, .critical]),
        ("px", 1, 1, [.passing, .critical]),
        ("ps", 1, 1, [.passing, .starting]),
        ("wp", 1, 1, [.warning, .passing]),
        ("ww", 1, 1, [.warning, .warning]),
        ("wf", 1, 1, [.warning, .critical]),
        ("wx", 1, 1, [.warning, .critical]),
        ("ws", 1, 1, [.warning, .starting]),
        ("fp", 1, 1, [.critical, .passing]),
        ("fw", 1, 1, [.critical, .warning]),
        ("ff", 1, 1, [.critical, .critical]),
        ("fx", 1, 1, [.critical, .critical]),
        ("fs", 1, 1, [.critical, .starting]),
        // The first good result counts alone, later ones need a row.
        ("p", 3, 3, [.passing]),
        ("fppp", 3, 3, [.starting, .starting, .starting, .passing]),
        ("fff", 3, 3, [.starting, .starting, .critical]),
        ("pffpfff", 3, 3, [.passing, .passing, .passing, .passing, .passing, .passing, .critical]),
        (
            "pfffppfppp", 3, 3,
            [.passing, .passing, .passing, .critical, .critical, .critical, .critical, .critical, .critical, .passing]
        ),
        ("pfffppw", 3, 3, [.passing, .passing, .passing, .critical, .critical, .critical, .warning]),
        // A stop needs no row; a start forgets everything, so the first good result counts alone again.
        ("pxppp", 3, 3, [.passing, .critical, .critical, .critical, .passing]),
        ("pxsp", 3, 3, [.passing, .critical, .starting, .passing]),
        ("ffsf", 3, 3, [.starting, .starting, .starting, .starting]),
        // A policy below its range counts as 1.
        ("fp", 0, 0, [.critical, .passing]),
    ])
    func resultsInARowDecide(_ letters: String, _ rise: Int, _ fall: Int, _ expected: [CheckState]) {
        #expect(states(letters, rise: rise, fall: fall) == expected)
    }

    @Test func onlyChangesAreTold() {
        var machine = health(fall: 2)
        let later = start + .seconds(1)
        #expect(machine.resulted(.passed("HTTP 200"), now: later) == true)
        #expect(machine.since == later)
        #expect(machine.resulted(.passed("HTTP 204"), now: start + .seconds(2)) == false)
        #expect(machine.reason == "HTTP 200")
        #expect(machine.since == later)
        #expect(machine.resulted(.failed("timeout"), now: start + .seconds(3)) == false)
        #expect(machine.reason == "HTTP 200")
        #expect(machine.resulted(.failed("timeout"), now: start + .seconds(4)) == true)
        #expect(machine.reason == "timeout (2 times in a row)")
        #expect(machine.resulted(.failed("timeout"), now: start + .seconds(5)) == false)
        #expect(machine.resulted(.failed("refused"), now: start + .seconds(6)) == true)
        #expect(machine.reason == "refused")
        #expect(machine.since == start + .seconds(4))
        #expect(machine.stopped("refused", now: start + .seconds(7)) == false)
        #expect(machine.stopped("exited 137", now: start + .seconds(8)) == true)
        #expect(machine.started(now: start + .seconds(9)) == true)
        #expect(machine.started(now: start + .seconds(10)) == false)
        #expect(machine.state == .starting)
    }
}
