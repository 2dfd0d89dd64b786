package import MusterModel

/// What one selector asks of a store.
package struct SeriesRequest: Sendable {
    package var matchers: [LabelMatcher]
    /// Milliseconds, both included.
    package var from: Int64
    package var to: Int64
    /// The view stops one behind these.
    package var maxSeries: Int

    package init(matchers: [LabelMatcher], from: Int64 = .min, to: Int64 = .max, maxSeries: Int = .max) {
        self.matchers = matchers
        self.from = from
        self.to = to
        self.maxSeries = maxSeries
    }
}

/// A view before it is taken: the requests and the values that their regular expressions have to be tried on. That is
/// done without the lock (`resolve`), as a label may have very many values.
package struct ViewDraft: Sendable {
    /// The labels that a matcher speaks for: series that have one of them, or all series but those that have one.
    struct Term: Sendable {
        var isInclusion: Bool
        var pairs: [UInt32]
    }

    /// A matcher that has to see the texts.
    struct Question: Sendable {
        let matcher: LabelMatcher
        /// Pairs with the matcher's name, when the draft was made.
        let values: [UInt32]
        var answer: Term?
    }

    package let requests: [SeriesRequest]
    /// By request, by matcher; nil where no text has to be seen.
    var questions: [[Question?]]
    let texts: SymbolTexts
    let pairs: Paged<SymbolPair>
    /// `PairTable.forgotten`.
    let forgotten: UInt64

    /// Tries the expressions.
    package mutating func resolve() {
        for request in questions.indices {
            for index in questions[request].indices {
                guard let question = questions[request][index], question.answer == nil else { continue }
                questions[request][index]?.answer = Self.term(
                    question.matcher, values: question.values[...], pairs: pairs, texts: texts)
            }
        }
    }

    /// A series without the label counts as one with an empty value. A matcher that does not accept that speaks for
    /// series with an accepted value, one that does for all but those with another value.
    static func term(
        _ matcher: LabelMatcher, values: ArraySlice<UInt32>, pairs: Paged<SymbolPair>, texts: SymbolTexts
    ) -> Term {
        let isInclusion = !matcher.isMatch("")
        let found = values.filter { matcher.isMatch(texts.text(of: pairs[Int($0)].value)) == isInclusion }
        return Term(isInclusion: isInclusion, pairs: found)
    }
}

// Matchers to series.
extension SeriesStore {
    /// Makes a draft; costs next to nothing.
    package func draft(_ requests: [SeriesRequest]) -> ViewDraft {
        let questions = requests.map { request in
            request.matchers.map { matcher -> ViewDraft.Question? in
                guard needsText(matcher) else { return nil }
                let name = symbols.texts.symbol(for: matcher.name)
                return ViewDraft.Question(matcher: matcher, values: name.flatMap { pairs.values[$0] } ?? [])
            }
        }
        return ViewDraft(
            requests: requests, questions: questions, texts: symbols.texts, pairs: pairs.pairs,
            forgotten: pairs.forgotten)
    }

    private func needsText(_ matcher: LabelMatcher) -> Bool {
        switch matcher.operator {
        case .equal, .notEqual: false
        case .matches: matcher.literals == nil
        case .notMatches: true
        }
    }

    private func term(_ matcher: LabelMatcher, _ question: ViewDraft.Question?) -> ViewDraft.Term {
        guard let name = symbols.texts.symbol(for: matcher.name), let values = pairs.values[name] else {
            return ViewDraft.Term(isInclusion: !matcher.isMatch(""), pairs: [])
        }
        if let question, var answer = question.answer {
            // Values that came after the draft; nothing was forgotten since, so they stand behind the others.
            let late = ViewDraft.term(
                matcher, values: values[question.values.count...], pairs: pairs.pairs, texts: symbols.texts)
            answer.pairs += late.pairs
            return answer
        }
        switch matcher.operator {
        case .equal, .matches:
            guard let literals = matcher.literals else { break }
            let listed = literals.compactMap { pair(name, $0) }
            guard matcher.isMatch("") else { return ViewDraft.Term(isInclusion: true, pairs: listed) }
            let kept = Set(listed)
            return ViewDraft.Term(isInclusion: false, pairs: values.filter { !kept.contains($0) })
        case .notEqual:
            guard !matcher.value.isEmpty else { return ViewDraft.Term(isInclusion: true, pairs: values) }
            return ViewDraft.Term(isInclusion: false, pairs: pair(name, matcher.value).map { [$0] } ?? [])
        case .notMatches: break
        }
        return ViewDraft.term(matcher, values: values[...], pairs: pairs.pairs, texts: symbols.texts)
    }

    private func pair(_ name: UInt32, _ value: String) -> UInt32? {
        guard let symbol = symbols.texts.symbol(for: value) else { return nil }
        return pairs.number(of: SymbolPair(name: name, value: symbol))
    }

    /// Ascending numbers of the series that match. Starts from the smallest postings and narrows them down.
    mutating func matching(_ request: SeriesRequest, _ questions: [ViewDraft.Question?]) -> [UInt32] {
        var terms: [(term: ViewDraft.Term, total: Int)] = []
        for (matcher, question) in zip(request.matchers, questions) {
            let term = term(matcher, question)
            let total = term.pairs.reduce(0) { $0 + pairs.lists[Int($1)].count }
            if term.isInclusion, total == 0 { return [] }
            if total > 0 { terms.append((term, total)) }
        }
        terms.sort { ($0.term.isInclusion ? 0 : 1, $0.total) < ($1.term.isInclusion ? 0 : 1, $1.total) }
        var found: [UInt32]
        if let first = terms.first, first.term.isInclusion {
            found = union(first.term.pairs)
            terms.removeFirst()
        } else {
            found = table.numbers
        }
        for (term, total) in terms where !found.isEmpty { narrow(&found, term, total) }
        return found
    }

    private mutating func union(_ numbers: [UInt32]) -> [UInt32] {
        if numbers.count == 1 { return pairs.series(of: numbers[0]) }
        var set = NumberSet(limit: table.records.count)
        for pair in numbers { pairs.lists[Int(pair)].insert(into: &set) }
        return set.numbers
    }

    /// Walks the postings when they are not much longer than what is left, else asks each series for its labels.
    private func narrow(_ found: inout [UInt32], _ term: ViewDraft.Term, _ total: Int) {
        if total <= 8 * found.count {
            var set = NumberSet(limit: table.records.count)
            for pair in term.pairs { pairs.lists[Int(pair)].insert(into: &set) }
            found = found.filter { set.contains($0) == term.isInclusion }
        } else {
            var set = NumberSet(limit: pairs.pairs.count)
            for pair in term.pairs { set.insert(pair) }
            found = found.filter { number in
                let record = table.records[Int(number)]
                var hasLabel = false
                for index in 0..<Int(record.labelCount) where !hasLabel {
                    hasLabel = set.contains(table.runs.element(of: record.labels, at: index))
                }
                return hasLabel == term.isInclusion
            }
        }
    }
}
