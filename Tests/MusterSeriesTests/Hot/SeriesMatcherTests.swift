import MusterModel
import MusterSeries
import Testing

@Suite struct SeriesMatchers {
    private static let sets: [Labels] = [
        ["__name__": "m", "job": "api", "zone": "a"], ["__name__": "m", "job": "api"],
        ["__name__": "m", "job": "db", "zone": "b"], ["__name__": "other", "job": "api", "zone": "b"],
        ["__name__": "other", "job": "API", "zone": "x"], ["job": "web", "path": "/v1/users"],
    ]

    private func filled() throws -> OwnedStore {
        var owned = try OwnedStore()
        for labels in Self.sets {
            let ref = try owned.store.series(of: owned.agent, labels)
            _ = owned.append(ref, 1, 1)
        }
        return owned
    }

    private static func matcher(_ name: String, _ op: LabelMatcher.Operator, _ value: String) throws -> LabelMatcher {
        try LabelMatcher(name, op, value, compiler: RegexCompiler())
    }

    /// Conditions and how many of the six series they find.
    @Test(arguments: [
        ([("job", .equal, "api")] as [(String, LabelMatcher.Operator, String)], 3),
        ([("job", .equal, "nobody")], 0), ([("nothing", .equal, "x")], 0), ([("nothing", .equal, "")], 6),
        ([("nothing", .notEqual, "x")], 6), ([("nothing", .notEqual, "")], 0), ([("nothing", .matches, ".+")], 0),
        ([("zone", .equal, "")], 2), ([("zone", .notEqual, "")], 4), ([("zone", .notEqual, "b")], 4),
        ([("zone", .notEqual, "nobody")], 6), ([("zone", .matches, ".*")], 6), ([("zone", .matches, ".+")], 4),
        ([("zone", .matches, "|x")], 3), ([("zone", .matches, "x|")], 3), ([("zone", .matches, "a|b")], 3),
        ([("zone", .notMatches, "a|b")], 3), ([("zone", .notMatches, ".*")], 0), ([("zone", .notMatches, ".+")], 2),
        ([("zone", .notMatches, "|x")], 3), ([("zone", .matches, "[ab]")], 3), ([("zone", .matches, "[ab]?")], 5),
        ([("zone", .notMatches, "[ab]")], 3), ([("zone", .notMatches, "[ab]?")], 1),
        ([("job", .matches, "(?i)api")], 4), ([("job", .notMatches, "(?i)api")], 2), ([("job", .matches, "ap")], 0),
        ([("path", .matches, "/v1/.*")], 1), ([("path", .matches, "")], 5), ([("path", .notMatches, "")], 1),
        ([("job", .equal, "api"), ("__name__", .equal, "m")], 2),
        ([("job", .equal, "api"), ("zone", .equal, "")], 1),
        ([("job", .notEqual, "api"), ("__name__", .equal, "m")], 1),
        ([("job", .matches, "[a-z]+"), ("zone", .notMatches, "b|"), ("__name__", .matches, "m|other")], 1),
        ([("job", .notEqual, "api"), ("zone", .notEqual, "b")], 2),
        ([("job", .equal, "api"), ("job", .equal, "db")], 0),
        ([], 6),
    ])
    func `matchers find what they should, and a missing label is an empty one`(
        _ conditions: [(String, LabelMatcher.Operator, String)], _ count: Int
    ) throws {
        let matchers = try conditions.map { try Self.matcher($0.0, $0.1, $0.2) }
        let expected = Self.sets.filter { labels in matchers.allSatisfy { $0.isMatch(labels) } }
        #expect(expected.count == count)
        var owned = try filled()
        let request = SeriesRequest(matchers: matchers)
        let view = owned.store.view([request])
        #expect(Set(view.labels(of: view.selections[0])) == Set(expected))
        #expect(view.selections[0].count == count)
        // In two steps it is the same, also when the texts are only seen in the second one.
        var draft = owned.store.draft([request])
        let unresolved = owned.store.view(draft)
        #expect(unresolved?.selections[0].count == count)
        draft.resolve()
        let resolved = owned.store.view(draft)
        #expect(resolved?.selections[0].count == count)
    }

    @Test func `ten thousand alternatives are looked up`() throws {
        var owned = try filled()
        let expression = (0..<10_000).map { "value-\($0)" }.joined(separator: "|") + "|db"
        let view = owned.store.view([SeriesRequest(matchers: [try Self.matcher("job", .matches, expression)])])
        #expect(view.labels(of: view.selections[0]) == [Self.sets[2]])
    }

    @Test func `values that come between the steps are seen, forgotten ones end the draft`() throws {
        var owned = try filled()
        let request = SeriesRequest(matchers: [try Self.matcher("job", .matches, "[a-z0-9]+")])
        var draft = owned.store.draft([request])
        draft.resolve()
        let late = try owned.store.series(of: owned.agent, ["job": "late1"])
        let other = try owned.store.series(of: owned.agent, ["job": "LATE"])
        for ref in [late, other] { _ = owned.append(ref, 1, 1) }
        let view = owned.store.view(draft)
        #expect(view?.selections[0].count == 6)
        owned.store.forgetEverything()
        let gone = owned.store.view(draft)
        let isGone = gone == nil
        #expect(isGone)
    }

    @Test func `any matchers agree with a plain search`() throws {
        var chance = Seeded(state: 21)
        var owned = try OwnedStore()
        var sets: Set<Labels> = []
        for _ in 0..<600 {
            var labels: Labels = ["__name__": "m\(Int.random(in: 0..<3, using: &chance))", "job": "all"]
            for name in ["a", "b", "c"] where Int.random(in: 0..<3, using: &chance) > 0 {
                labels[name] = "v\(Int.random(in: 0..<12, using: &chance))"
            }
            let ref = try owned.store.series(of: owned.agent, labels)
            _ = owned.append(ref, 1, 1)
            sets.insert(labels)
        }
        let values = ["", "v1", "v2", "v11", "v[12]", "v1.*", ".*", ".+", "v1|v3|v5", "|v2", "v.", "zz"]
        let operators: [LabelMatcher.Operator] = [.equal, .notEqual, .matches, .notMatches]
        for _ in 0..<120 {
            let matchers = try (0..<Int.random(in: 1...4, using: &chance)).map { _ in
                try Self.matcher(
                    ["a", "b", "c", "job", "__name__", "none"].randomElement(using: &chance) ?? "a",
                    operators.randomElement(using: &chance) ?? .equal, values.randomElement(using: &chance) ?? "")
            }
            let expected = sets.filter { labels in matchers.allSatisfy { $0.isMatch(labels) } }
            let view = owned.store.view([SeriesRequest(matchers: matchers)])
            #expect(Set(view.labels(of: view.selections[0])) == expected, "\(matchers)")
            #expect(view.labels(of: view.selections[0]).count == expected.count)
        }
    }
}
