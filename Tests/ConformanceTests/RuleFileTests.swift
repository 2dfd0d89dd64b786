import MusterModel
import MusterPattern
import MusterQuery
import MusterYAML
import Testing

/// Expressions of rules that are in public use.
@Suite struct RuleFileTests {
    private struct Rule {
        var place: String
        var isAlert: Bool
        var expression: String
    }

    /// The expressions of a rule file, also of one that is wrapped as a Kubernetes object.
    private static func rules(in file: (name: String, bytes: [UInt8])) throws -> [Rule] {
        let document = try YAML.parse(file.bytes, file: file.name)
        let groups = (document["spec"] ?? document)["groups"]?.elements ?? []
        return try groups.flatMap { $0["rules"]?.elements ?? [] }.map { rule in
            Rule(
                place: "\(rule.position)", isAlert: rule["alert"] != nil,
                expression: try #require(rule["expr"]?.text, "\(rule.position) has no expr"))
        }
    }

    @Test(.enabled(if: ConformanceFolder.has("rules"), ConformanceFolder.absence(of: "rules")))
    func `public rules are read, printed, read again and evaluated`() throws {
        let rules = try ConformanceFolder.files(in: "rules", withExtension: ["yml", "yaml"]).flatMap(Self.rules)
        let engine = QueryEngine(patterns: RE2Compiler())
        let now = QueryTime.instant(3_600_000)
        var answers = 0
        for rule in rules {
            do {
                let expression = try Expression(parsing: rule.expression, compiler: RE2Compiler())
                let printed = expression.description
                let again = try Expression(parsing: printed, compiler: RE2Compiler())
                #expect(again.description == printed, "\(rule.place)")
                let pretty = try Expression(parsing: expression.prettyPrinted, compiler: RE2Compiler())
                #expect(pretty.description == printed, "\(rule.place)")
                _ = try engine.evaluate(expression, over: MemoryView(), at: now)
                let answer = try engine.evaluate(expression, over: Self.view(of: expression), at: now)
                if case .vector(let elements) = answer.value, !elements.isEmpty { answers += 1 }
            } catch {
                Issue.record("\(rule.place): \(rule.expression)\n\(error)")
            }
        }
        let alerts = rules.count(where: \.isAlert)
        print("public rules: \(alerts) alerts, \(rules.count - alerts) recording rules, \(answers) with an answer")
        #expect(alerts >= 1_000)
        // Not every threshold is passed by made-up samples, but most expressions have something to say.
        #expect(answers > rules.count / 4)
    }

    /// For each selector two series that it finds, growing over the last hour. Labels that tell series apart in a match
    /// tell these two apart as well.
    private static func view(of expression: Expression) -> MemoryView {
        var view = MemoryView()
        for selector in expression.selectors {
            for (index, instance) in ["a", "b"].enumerated() {
                var labels: Labels = ["instance": instance, "le": index == 0 ? "1" : "+Inf"]
                for name in expression.labelsOfMatches { labels[name] = instance }
                for matcher in selector.matchers {
                    let candidates =
                        ["", matcher.value] + matcher.value.split { "|()^$.*+?".contains($0) }.map(String.init)
                    let value = candidates.reversed().first { matcher.isMatch($0) } ?? "x"
                    labels[matcher.name] = value.isEmpty ? nil : value
                }
                let samples = (-70...5).map { minute in
                    Sample(
                        milliseconds: 3_600_000 + Int64(minute) * 60_000, value: Double((minute + 71) * (index + 1)))
                }
                view.add(labels, samples)
            }
        }
        return view
    }
}

extension ConfigNode {
    fileprivate subscript(key: String) -> ConfigNode? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    fileprivate var elements: [ConfigNode]? {
        guard case .sequence(let elements) = content else { return nil }
        return elements
    }

    fileprivate var text: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return text
    }
}
