import MusterAlerts
import MusterModel
import Testing

@Suite struct AlertingConfigTests {
    private let hook: Doc = ["name": "team", "escalation": [["webhooks": ["http://x/hook"]]]]

    private func decode(_ document: Doc) throws -> AlertingConfig {
        try AlertingConfig.decode(document.node, compiler: TestPatterns())
    }

    private func problem(route: Doc, receivers: Doc? = nil) -> String {
        do {
            _ = try decode(["route": route, "receivers": receivers ?? [hook]])
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func aWholeConfigurationIsRead() throws {
        let config = try decode([
            "external_url": "https://muster",
            "route": [
                "receiver": "team", "group_by": ["alertname"], "group_wait": "10s", "group_interval": "1m",
                "repeat_interval": "1h",
                "routes": [
                    [
                        "matchers": ["severity=\"page\"", "zone=~\"eu.*\""], "receiver": "call", "continue": "true",
                        "group_by": ["..."], "routes": [["match": ["team": "db"], "group_wait": "0s"]],
                    ],
                    ["match_re": ["zone": "us.*"]],
                ],
            ],
            "receivers": [
                hook,
                [
                    "name": "call",
                    "escalation": [["webhooks": ["https://a/1"]], ["webhooks": ["https://b/2"], "after": "5m"]],
                    "repeat": ["times": "2", "after": "10m"],
                ],
            ],
        ])
        #expect(config.externalURL == "https://muster")
        #expect(config.route.groupWait == .seconds(10))
        let page = config.route.routes[0]
        #expect(page.path == "{}/{severity=\"page\",zone=~\"eu.*\"}")
        #expect(page.groupBy == .each)
        #expect(page.isContinued)
        #expect(page.groupInterval == .minutes(1))
        #expect(page.routes[0].receiver == "call")
        #expect(page.routes[0].groupWait == .zero)
        #expect(page.routes[0].repeatInterval == .hours(1))
        #expect(config.receivers["call"]?.levels[1].after == .minutes(5))
        #expect(config.receivers["call"]?.repeatTimes == 2)
        #expect(config.receivers["team"]?.repeatTimes == 0)
    }

    @Test func defaultsAreAlertmanagers() throws {
        let config = try decode(["route": ["receiver": "team"], "receivers": [hook]])
        #expect(config.route.groupWait == .seconds(30))
        #expect(config.route.groupInterval == .minutes(5))
        #expect(config.route.repeatInterval == .hours(4))
        #expect(config.route.groupBy == .labels([]))
    }

    @Test func twinsHavePathsOfTheirOwn() throws {
        let config = try decode([
            "route": ["receiver": "team", "routes": [["match": ["a": "b"]], ["matchers": ["a=b"]]]],
            "receivers": [hook],
        ])
        #expect(config.route.routes.map(\.path) == ["{}/{a=\"b\"}", "{}/{a=\"b\"}#2"])
    }

    @Test func errorsSayWhatIsAllowed() {
        #expect(problem(route: ["group_by": ["a"]]).contains("'alerting.route.receiver' is missing"))
        #expect(problem(route: ["receiver": "nobody"]).contains("not among the receivers; allowed: team"))
        #expect(problem(route: ["receiver": "team", "matchers": ["a=b"]]).contains("stands at the root"))
        #expect(problem(route: ["receiver": "team", "continue": "true"]).contains("stands at the root"))
        #expect(problem(route: ["receiver": "team", "group_by": ["...", "a"]]).contains("mixes '...'"))
        #expect(
            problem(route: ["receiver": "team", "groupWait": "1s"]).contains("'alerting.route.groupWait' is unknown"))
        #expect(
            problem(route: ["receiver": "team", "routes": [["matchers": ["a=~\"(\""]]]]).contains("missing closing )"))
        #expect(
            problem(route: ["receiver": "team", "routes": [["matchers": ["a"]]]]).contains("routes[0].matchers[0]"))
        #expect(problem(route: ["receiver": "team", "routes": "x"]).contains("allowed: a list of routes"))
        let root: Doc = ["receiver": "team"]
        #expect(problem(route: root, receivers: [hook, hook]).contains("twice"))
        #expect(problem(route: root, receivers: [["name": "team"]]).contains("has 0 levels"))
        #expect(
            problem(route: root, receivers: [["name": "team", "escalation": [["webhooks": ["ftp://x"]]]]])
                .contains("escalation[0].webhooks[0]' is \"ftp://x\""))
        #expect(
            problem(route: root, receivers: [["name": "team", "escalation": [["webhooks": []]]]]).contains("is missing")
        )
        let early: Doc = ["webhooks": ["http://x"], "after": "1m"]
        #expect(
            problem(route: root, receivers: [["name": "team", "escalation": [early]]]).contains(
                "before its first level"))
        let late: Doc = ["webhooks": ["http://x"]]
        #expect(
            problem(route: root, receivers: [["name": "team", "escalation": [late, late]]])
                .contains("does not wait before level 2"))
    }

    @Test func levelsWebhooksAndRoutesAreBounded() {
        let root: Doc = ["receiver": "team"]
        let level: Doc = ["webhooks": ["http://x"], "after": "1m"]
        let ladder = Doc.list(Array(repeating: level, count: AlertLimits.escalationLevels + 1))
        #expect(problem(route: root, receivers: [["name": "team", "escalation": ladder]]).contains("11 levels"))
        let hooks = Doc.list((0...AlertLimits.webhooksPerLevel).map { .text("http://x/\($0)") })
        #expect(
            problem(route: root, receivers: [["name": "team", "escalation": [["webhooks": hooks]]]]).contains("21 URLs")
        )
        let routes = Doc.list((0...AlertLimits.routesMax).map { ["match": ["n": .text("\($0)")]] })
        #expect(problem(route: ["receiver": "team", "routes": routes]).contains("too many routes"))
    }

    @Test(arguments: [
        ("a=b", "a", "b", true), ("a=b", "a", "c", false), ("a!=b", "x", "b", true), ("{a=\"b\"}", "a", "b", true),
        (" a =~ \"b|c\" ", "a", "c", true), ("a!~\"b.*\"", "a", "bb", false), ("\"a\"=\"b\"", "a", "b", true),
        ("a=\"x\\\"y\\\\z\\n\"", "a", "x\"y\\z\n", true), ("a=\"\"", "b", "b", true), ("{}", "a", "b", true),
        ("{a=\"b\",}", "a", "b", true),
    ])
    func matchersAreAlertmanagers(_ text: String, _ name: String, _ value: String, _ isMatch: Bool) throws {
        let config = try decode([
            "route": ["receiver": "team", "routes": [["matchers": [.text(text)]]]], "receivers": [hook],
        ])
        let found = config.route.matches([name: value])
        #expect((found.first?.path != "{}") == isMatch)
    }

    @Test(arguments: ["", "a", "=b", "a=\"b", "{a=b", "a=b}", "a=b c=d", "a~b", "a=\"b\"x"])
    func malformedMatchersAreRefused(_ text: String) {
        #expect(problem(route: ["receiver": "team", "routes": [["matchers": [.text(text)]]]]).contains("matchers[0]"))
    }
}

@Suite struct AlertRouteTests {
    private func route(_ name: String, _ match: [String: String], continued: Bool = false, _ routes: [AlertRoute] = [])
        -> AlertRoute
    {
        AlertRoute(
            path: name, matchers: match.map { LabelMatcher($0.key, equals: $0.value) }, receiver: name,
            isContinued: continued, routes: routes)
    }

    @Test func childrenWinAndContinueGoesOn() {
        let root = route(
            "root", [:],
            [
                route("a", ["team": "a"], [route("a-page", ["severity": "page"])]),
                route("all-pages", ["severity": "page"], continued: true),
                route("b", ["team": "b"]),
                route("late", ["severity": "page"]),
            ])
        func receivers(_ labels: Labels) -> [String] { root.matches(labels).map(\.receiver) }
        #expect(receivers([:]) == ["root"])
        #expect(receivers(["team": "a"]) == ["a"])
        #expect(receivers(["team": "a", "severity": "page"]) == ["a-page"])
        #expect(receivers(["team": "b", "severity": "page"]) == ["all-pages", "b"])
        #expect(receivers(["severity": "page"]) == ["all-pages", "late"])
        #expect(route("strict", ["x": "y"]).matches([:]).isEmpty)
    }
}
