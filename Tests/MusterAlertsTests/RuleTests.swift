import Foundation
import MusterAlerts
import MusterModel
import Testing

@Suite struct FingerprintTests {
    @Test func itIsTheNumberPrometheusGives() {
        #expect(Fingerprint(["foo": "bar"]).description == "3fff2c2d7595e046")
        #expect(Fingerprint(["foo": "bar", "empty": ""]).description == "3fff2c2d7595e046")
        #expect(
            Fingerprint(["a": "1", "b": "2"])
                == Fingerprint([("b", "2"), ("a", "1")].reduce(into: Labels()) { $0[$1.0] = $1.1 }))
        #expect(Fingerprint(["a": "bc"]) != Fingerprint(["ab": "c"]))
        #expect(Fingerprint(Labels()).description == "cbf29ce484222325")
    }

    @Test func onlyItsOwnSpellingIsRead() {
        #expect(Fingerprint("3fff2c2d7595e046")?.number == 0x3fff_2c2d_7595_e046)
        for text in ["", "3FFF2C2D7595E046", "3fff2c2d7595e04", "+fff2c2d7595e046", "zfff2c2d7595e046"] {
            #expect(Fingerprint(text) == nil, "\(text)")
        }
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([Fingerprint].self, from: Data("[\"x\"]".utf8)) }
    }
}

@Suite struct AlertTemplateTests {
    @Test(arguments: [
        ("plain", "plain"), ("", ""), ("{{ $labels.host }} is down", "h1 is down"),
        ("{{$value}}", "0.5"), ("{{  $labels.host  }}{{ $value }}", "h10.5"), ("a {{ $labels.absent }} b", "a  b"),
        ("{ $value }", "{ $value }"), ("100% }}", "100% }}"),
    ])
    func labelsAndTheValueAreFilledIn(_ source: String, _ expected: String) throws {
        #expect(try AlertTemplate(source).expanded(labels: ["host": "h1"], value: 0.5) == expected)
    }

    @Test(arguments: [
        "{{ $labels.host | toUpper }}", "{{ humanize $value }}", "{{ }}", "{{ $labels. }}", "{{ $labels.1a }}",
        "{{ $labels.a-b }}", "{{ range query }}", "{{ $externalURL }}",
    ])
    func everythingElseIsRefusedAndTheAnswerNamesWhatIsSupported(_ source: String) {
        let error = #expect(throws: AlertTemplateError.self) { try AlertTemplate(source) }
        #expect(error?.description.contains("{{ $labels.NAME }} and {{ $value }}") == true)
    }

    @Test func anOpenBraceIsAnError() {
        #expect(throws: AlertTemplateError.unclosed("{{ $value")) { try AlertTemplate("x {{ $value") }
    }

    @Test(arguments: [
        (1.0, "1"), (-3.0, "-3"), (0.25, "0.25"), (1_234_567.0, "1234567"), (1e18, "1e+18"),
        (Double.nan, "NaN"), (Double.infinity, "+Inf"), (-Double.infinity, "-Inf"), (-0.0, "0"),
    ])
    func valuesAreForPeople(_ value: Double, _ expected: String) throws {
        #expect(try AlertTemplate("{{ $value }}").expanded(labels: [:], value: value) == expected)
    }

    @Test func expandedTextsAreBounded() throws {
        let long = String(repeating: "ü", count: AlertLimits.expandedTextBytes)
        let text = try AlertTemplate("{{ $labels.x }}").expanded(labels: ["x": long], value: 0)
        #expect(text.utf8.count <= AlertLimits.expandedTextBytes)
        #expect(text.hasSuffix("ü…"))
    }
}

@Suite struct RuleFileTests {
    @Test func aWholeFileIsRead() throws {
        let document: Doc = [
            "groups": [
                [
                    "name": "web", "interval": "5s", "limit": "3", "query_offset": "1s", "labels": ["team": "a"],
                    "rules": [
                        [
                            "alert": "WebDown", "expr": "up == 0", "for": "1m", "keep_firing_for": "5m",
                            "labels": ["severity": "page", "team": "b"],
                            "annotations": ["summary": "{{ $labels.instance }} is down"],
                        ],
                        ["alert": "WebDown", "expr": "up == 1"],
                        ["record": "job:up:sum", "expr": "sum by (job) (up)", "labels": ["source": "web"]],
                    ],
                ],
                ["name": "empty"],
            ]
        ]
        let groups = try RuleFile.decode(document.node)
        #expect(groups.map(\.id) == ["test.yaml;web", "test.yaml;empty"])
        #expect(groups[0].interval == .seconds(5) && groups[1].interval == RuleFile.defaultInterval)
        #expect(groups[0].queryOffset == .seconds(1))
        #expect(groups[0].limit == 3 && groups[1].limit == AlertLimits.alertsPerRule)
        let rules = groups[0].rules.compactMap { rule in
            if case .alert(let alert) = rule { alert } else { nil }
        }
        #expect(rules.map(\.id) == ["test.yaml;web/WebDown", "test.yaml;web/WebDown#2"])
        #expect(rules[0].holdFor == .minutes(1))
        #expect(rules[0].keepFiringFor == .minutes(5))
        #expect(rules[0].limit == 3)
        #expect(rules[0].labels["team"] == (try AlertTemplate("b")))
        #expect(rules[1].labels["team"] == (try AlertTemplate("a")))
        #expect(rules[1].holdFor == .zero)
        #expect(
            groups[0].rules[2]
                == .recording(
                    RecordingRule(
                        id: "test.yaml;web/job:up:sum", name: "job:up:sum", expression: "sum by (job) (up)",
                        expressionPosition: groups[0].rules[2].expression.position,
                        labels: ["team": "a", "source": "web"])))
        #expect(try RuleFile.decode((["groups": []] as Doc).node).isEmpty)
    }

    private func problem(_ rule: Doc) -> String {
        let document: Doc = ["groups": [["name": "g", "rules": [rule]]]]
        do {
            _ = try RuleFile.decode(document.node)
            return "no error"
        } catch {
            return error.description
        }
    }

    @Test func errorsSayWhereAndWhatIsAllowed() {
        #expect(problem(["record": "a:b", "alert": "A", "expr": "x"]).contains("'groups[0].rules[0].record'"))
        #expect(problem(["record": "a{b}", "expr": "x"]).contains("a metric's name"))
        #expect(problem(["record": "a:b", "expr": "x", "for": "1m"]).contains("'groups[0].rules[0].for' is unknown"))
        #expect(problem(["record": "a", "expr": "x", "labels": ["__name__": "b"]]).contains("sets __name__"))
        #expect(problem(["expr": "x"]).contains("'groups[0].rules[0].alert' is missing"))
        #expect(problem(["alert": "A"]).contains("expr' is missing"))
        #expect(problem(["alert": "A", "expr": " "]).contains("expr' is missing"))
        #expect(problem(["alert": "A", "expr": "x", "for": "soon"]).contains("is \"soon\"; allowed: a duration"))
        #expect(problem(["alert": "A", "expr": "x", "four": "1m"]).contains("'groups[0].rules[0].four' is unknown"))
        #expect(problem(["alert": "A", "expr": "x", "labels": ["alertname": "B"]]).contains("sets alertname"))
        let template = problem(["alert": "A", "expr": "x", "annotations": ["summary": "{{ humanize $value }}"]])
        #expect(template.hasPrefix("test.yaml:"))
        #expect(template.contains("'groups[0].rules[0].annotations.summary'"))
        #expect(template.contains("allowed: {{ $labels.NAME }} and {{ $value }}"))
    }

    @Test func groupsHaveNamesOfTheirOwn() {
        let document: Doc = ["groups": [["name": "g"], ["name": "g"]]]
        #expect(throws: ConfigError.self) { try RuleFile.decode(document.node) }
        #expect(throws: ConfigError.self) { try RuleFile.decode((["groups": [["rules": []]]] as Doc).node) }
    }

    @Test func theNumberOfRulesIsBounded() {
        let rules = (0...AlertLimits.rulesMax).map { _ in ["alert": "A", "expr": "x"] as Doc }
        let document = Doc.map([("groups", .list([.map([("name", "g"), ("rules", .list(rules))])]))])
        let error = #expect(throws: ConfigError.self) { try RuleFile.decode(document.node) }
        #expect(error?.description.contains("at most \(AlertLimits.rulesMax)") == true)
    }
}

@Suite struct AlertRulesTests {
    private let start = Instant(seconds: 10_000)
    private func at(_ seconds: Int64) -> Instant { start + .seconds(seconds) }

    private func rule(
        _ name: String = "Down", holdFor: Duration = .zero, keep: Duration = .zero, limit: Int = 100
    ) throws -> AlertRule {
        AlertRule(
            id: name, group: "g", name: name, expression: "up == 0",
            expressionPosition: SourcePosition(file: "f", line: 1, column: 1),
            holdFor: holdFor, keepFiringFor: keep, limit: limit,
            labels: ["severity": try AlertTemplate("page")],
            annotations: ["summary": try AlertTemplate("{{ $labels.host }}: {{ $value }}")])
    }

    private let h1: (Labels, Double) = (["__name__": "up", "host": "h1"], 0)
    private let h2: (Labels, Double) = (["__name__": "up", "host": "h2"], 0)

    @Test func withoutForItFiresAtOnce() throws {
        var rules = AlertRules([try rule()])
        let effect = rules.evaluated("Down", results: [h1], now: at(0))
        #expect(effect.persist.count == 1)
        let alert = try #require(effect.alerts.first)
        #expect(alert.labels == ["alertname": "Down", "host": "h1", "severity": "page"])
        #expect(alert.annotations == ["summary": "h1: 0"])
        #expect(alert.state == .firing)
        #expect(alert.startsAt == at(0))
        #expect(rules.evaluated("unknown", results: [h1], now: at(0)) == AlertRules.Effect())
    }

    /// `1` present, `0` absent, `e` failed, each 15 s apart; the state after each evaluation, `r` for resolved.
    private func run(_ letters: String, holdFor: Duration, keep: Duration = .zero) throws -> String {
        var rules = AlertRules([try rule(holdFor: holdFor, keep: keep)])
        var states = ""
        for (index, letter) in letters.enumerated() {
            let now = at(Int64(index) * 15)
            var effect = AlertRules.Effect()
            switch letter {
            case "1": effect = rules.evaluated("Down", results: [h1], now: now)
            case "0": effect = rules.evaluated("Down", results: [], now: now)
            default: rules.evaluationFailed("Down", reason: "the store is away")
            }
            if effect.alerts.contains(where: { $0.state == .resolved }) {
                states += "r"
            } else {
                switch rules.alerts.first?.state {
                case .pending: states += "p"
                case .firing: states += "f"
                case .resolved, nil: states += "-"
                }
            }
        }
        return states
    }

    @Test(arguments: [
        ("1110", 0, 0, "fffr"), ("00", 0, 0, "--"), ("111110", 30, 0, "ppfffr"), ("1101110", 30, 0, "pp-ppfr"),
        ("11e10", 30, 0, "pppfr"), ("111e0", 30, 0, "ppffr"), ("111eee1", 30, 0, "ppfffff"),
        ("1000", 0, 30, "fffr"), ("100100", 0, 30, "ffffff"), ("10e0", 0, 30, "fffr"), ("111", 20, 0, "ppf"),
        ("1e0", 15, 0, "pp-"),
    ])
    func theTransitionsOfAnAlert(_ letters: String, _ hold: Int64, _ keep: Int64, _ expected: String) throws {
        #expect(try run(letters, holdFor: .seconds(hold), keep: .seconds(keep)) == expected)
    }

    @Test func resolvedAlertsSayWhen() throws {
        var rules = AlertRules([try rule()])
        _ = rules.evaluated("Down", results: [h1, h2], now: at(0))
        let effect = rules.evaluated("Down", results: [h2], now: at(15))
        #expect(effect.alerts.map(\.state) == [.resolved, .firing])
        #expect(effect.alerts[0].endsAt == at(15))
        #expect(effect.alerts[0].startsAt == at(0))
        #expect(effect.persist.count == 1)
        #expect(rules.evaluated("Down", results: [h2], now: at(30)).persist.isEmpty)
        #expect(rules.firing.count == 1)
    }

    @Test func badResultsChangeNothing() throws {
        var rules = AlertRules([try rule(limit: 2)])
        _ = rules.evaluated("Down", results: [h1], now: at(0))
        let clash: (Labels, Double) = (["__name__": "other", "host": "h1"], 1)
        #expect(rules.evaluated("Down", results: [h1, clash], now: at(15)) == AlertRules.Effect())
        #expect(rules.problem(of: "Down")?.contains("two results make the same alert") == true)
        let crowd = (0..<3).map { (["host": "n\($0)"] as Labels, 1.0) }
        #expect(rules.evaluated("Down", results: crowd, now: at(30)) == AlertRules.Effect())
        #expect(rules.problem(of: "Down")?.contains("limit of 2") == true)
        #expect(rules.firing.count == 1)
        _ = rules.evaluated("Down", results: [h1], now: at(45))
        #expect(rules.problem(of: "Down") == nil)
        let many = (0...AlertLimits.alertsPerRule).map { (["host": "n\($0)"] as Labels, 1.0) }
        var unlimited = AlertRules([try rule(limit: .max)])
        #expect(unlimited.evaluated("Down", results: many, now: at(0)) == AlertRules.Effect())
        #expect(unlimited.problem(of: "Down")?.contains("\(AlertLimits.alertsPerRule)") == true)
    }

    @Test func stateSurvivesARestart() throws {
        var rules = AlertRules([try rule(holdFor: .seconds(30)), try rule("Gone", holdFor: .zero)])
        var records: [AlertRuleRecord] = []
        records += rules.evaluated("Down", results: [(["host": "h1"], .nan)], now: at(0)).persist
        records += rules.evaluated("Gone", results: [h2], now: at(0)).persist
        var again = AlertRules([try rule(holdFor: .seconds(30))])
        again.restored(try stored(records), outage: .seconds(10), now: at(20))
        // Absent while series are still on their way, then present, and `for` counted on.
        #expect(again.evaluated("Down", results: [h1], now: at(30)).alerts.map(\.state) == [.firing])
        #expect(again.evaluated("Down", results: [], now: at(31)).alerts.isEmpty)
        #expect(again.firing.count == 2)
        #expect(again.evaluated("Down", results: [], now: at(36)).alerts.map(\.state) == [.resolved])
        let gone = again.reloaded(again.rules, now: at(40))
        #expect(gone.alerts.map(\.state) == [.resolved])
        #expect(gone.alerts.first?.labels["alertname"] == "Gone")
        #expect(gone.persist == [try #require(gone.persist.first)])
        #expect(gone.persist.first?.active.isEmpty == true)
    }

    @Test func aLongOutageStartsForAnew() throws {
        var rules = AlertRules([try rule(holdFor: .seconds(30))])
        let records = rules.evaluated("Down", results: [h1], now: at(0)).persist
        var again = AlertRules([try rule(holdFor: .seconds(30))])
        again.restored(records, outage: .hours(2), now: at(7_200))
        #expect(again.evaluated("Down", results: [h1], now: at(7_230)).alerts.isEmpty)
        #expect(again.alerts.map(\.activeAt) == [at(7_230)])
    }
}

@Suite struct RuleScheduleTests {
    private func group(_ name: String, every interval: Duration) -> RuleGroup {
        RuleGroup(file: "f", name: name, interval: interval, rules: [])
    }

    @Test func evaluationsKeepToTheirGridAndCountWhatTheyLeaveOut() throws {
        var schedule = RuleSchedule([group("g", every: .seconds(15))])
        #expect(schedule.wakeAt == Instant(nanoseconds: .min))
        let start = Instant(seconds: 10_000)
        let first = try #require(schedule.due(now: start).first)
        #expect(first.group == 0 && first.at <= start && start - first.at < .seconds(15))
        #expect(schedule.due(now: start + .milliseconds(1)).isEmpty)
        let next = try #require(schedule.wakeAt)
        #expect(next == first.at + .seconds(15))
        #expect(schedule.due(now: next - .milliseconds(1)).isEmpty)
        #expect(schedule.due(now: next).map(\.at) == [next])
        #expect(schedule.missed == [0])
        let late = next + .seconds(15 * 4) + .seconds(3)
        #expect(schedule.due(now: late).map(\.at) == [next + .seconds(15 * 4)])
        #expect(schedule.missed == [3])
        #expect(RuleSchedule([]).wakeAt == nil)
    }

    @Test func groupsAreSpreadOverTheirInterval() {
        let groups = (0..<200).map { group("g\($0)", every: .seconds(10)) }
        var schedule = RuleSchedule(groups)
        let at = schedule.due(now: Instant(seconds: 10_000)).map { $0.at.nanoseconds % 10_000_000_000 / 1_000_000_000 }
        #expect(at.count == 200)
        let bySecond = Dictionary(grouping: at, by: { $0 }).mapValues(\.count)
        #expect(bySecond.count == 10 && bySecond.values.allSatisfy { (5...50).contains($0) })
    }
}

@Suite struct RecordingRuleTests {
    private let rule = RecordingRule(
        id: "r", name: "job:up:sum", expression: "x", expressionPosition: SourcePosition(file: "f", line: 1, column: 1),
        labels: ["team": "a", "host": ""])

    @Test func resultsBecomeSeriesOfTheRule() throws {
        let series = try rule.series(of: [(["__name__": "up", "job": "a", "team": "z"], 2)], limit: 5)
        #expect(series.map(\.0) == [["__name__": "job:up:sum", "job": "a", "team": "a"]])
        #expect(series.map(\.1) == [2])
    }

    @Test func twoResultsMayNotBecomeOneSeries() {
        #expect(throws: AlertRuleProblem.repeated(["__name__": "job:up:sum", "team": "a"])) {
            try rule.series(of: [(["host": "1"], 1), (["host": "2"], 2)], limit: 5)
        }
        #expect(throws: AlertRuleProblem.tooMany(count: 2, limit: 1)) {
            try rule.series(of: [(["a": "1"], 1), (["a": "2"], 2)], limit: 1)
        }
    }
}
