import MusterModel
import MusterPattern
import MusterQuery

/// Runs the commands of a file and counts what came out.
struct PromqltestRunner {
    enum Outcome {
        case passed
        /// With the construct that is not supported.
        case skipped(String)
        case failed(String)
    }

    struct Tally {
        var passed = 0
        var skipped: [String: Int] = [:]
        var failed: [String] = []

        var cases: Int { passed + skipped.values.reduce(0, +) + failed.count }

        mutating func add(_ outcome: Outcome) {
            switch outcome {
            case .passed: passed += 1
            case .skipped(let reason): skipped[reason, default: 0] += 1
            case .failed(let reason): failed.append(reason)
            }
        }

        mutating func add(_ other: Tally) {
            passed += other.passed
            skipped.merge(other.skipped) { $0 + $1 }
            failed += other.failed
        }
    }

    /// Cases over floats.
    private(set) var floats = Tally()
    /// Cases that read native histograms, or expect one.
    private(set) var histograms = Tally()
    private var view = MemoryView()
    /// Labels of the native histograms that a file has loaded; those that Prometheus makes from classic ones included.
    private var histogramSeries: Set<Labels> = []
    private let engine = QueryEngine(patterns: RE2Compiler())

    mutating func run(_ commands: [Promqltest.Command]) {
        for command in commands {
            switch command {
            case .clear:
                view = MemoryView()
                histogramSeries = []
            case .load(let step, let series, let addsHistograms):
                load(series, step: step, addsHistograms: addsHistograms)
            case .eval(let test):
                let (outcome, isAboutHistograms) = outcome(of: test)
                if isAboutHistograms { histograms.add(outcome) } else { floats.add(outcome) }
            }
        }
    }

    private mutating func load(_ series: [SeriesNotation], step: Int64, addsHistograms: Bool) {
        for line in series {
            let samples = line.values.enumerated().compactMap { index, value -> Sample? in
                guard case .value(let number) = value else { return nil }
                return Sample(milliseconds: Int64(index) * step, value: number)
            }
            if !samples.isEmpty { view.add(line.labels, samples) }
            if line.values.contains(.histogram) { histogramSeries.insert(line.labels) }
            guard addsHistograms else { continue }
            for suffix in ["_bucket", "_sum", "_count"] where line.labels.metricName.hasSuffix(suffix) {
                var base = line.labels
                base["__name__"] = String(line.labels.metricName.dropLast(suffix.count))
                base["le"] = nil
                histogramSeries.insert(base)
            }
        }
    }

    /// The one place where the engine is asked.
    private func evaluate(_ expression: Expression, at time: QueryTime) throws(QueryError) -> QueryAnswer {
        try engine.evaluate(expression, over: view, at: time)
    }

    private func outcome(of test: Promqltest.Case) -> (Outcome, isAboutHistograms: Bool) {
        let expression: Expression
        do throws(QueryError) {
            expression = try Expression(parsing: test.query, compiler: RE2Compiler())
        } catch .unsupported(let construct) {
            return (.skipped(construct), !histogramSeries.isEmpty)
        } catch .syntax(_, _, let message, _) where message.contains("no valid UTF-8") {
            return (.skipped("strings that are no UTF-8"), false)
        } catch {
            return (.failed("line \(test.line): \(test.query): \(error)"), false)
        }
        let expectsHistogram = test.expectation.series.contains { $0.values.contains(.histogram) }
        let readsHistogram = expression.selectors.contains { selector in
            histogramSeries.contains { labels in selector.matchers.allSatisfy { $0.isMatch(labels) } }
        }
        if expectsHistogram || readsHistogram { return (.skipped("native histograms"), true) }
        do {
            try check(test, expression)
            return (.passed, false)
        } catch {
            return (.failed("line \(test.line): \(test.query): \(error)"), false)
        }
    }

    private func check(_ test: Promqltest.Case, _ expression: Expression) throws {
        guard case .instant(let at) = test.time else {
            try check(test.expectation, expression, test.query, at: test.time)
            return
        }
        try checkInstant(test.expectation, expression, test.query, at: at)
        // What all selectors read is fixed now, so the time of the question must not matter any more.
        guard !expression.dependsOnStep, !expression.dependsOnQuestion else { return }
        let pinned = expression.pinned(to: at)
        let text = pinned.description
        let reread = try Expression(parsing: text, compiler: RE2Compiler())
        for other in at == 0 ? [-1_000, 0, 1_000] : [-10 * at, 0, at / 5, at, 10 * at] {
            do {
                try checkInstant(test.expectation, reread, text, at: other)
            } catch {
                throw Mismatch("as \(text) at \(other)ms: \(error)")
            }
        }
    }

    /// At the instant, and as the middle of a range.
    private func checkInstant(
        _ expectation: Promqltest.Expectation, _ expression: Expression, _ text: String, at: Int64
    ) throws {
        try check(expectation, expression, text, at: .instant(at))
        guard expectation.failure == nil, expectation.string == nil, !expectation.isRangeVector,
            !expression.dependsOnQuestion
        else { return }
        let range = try evaluate(expression, at: .range(start: at - 60_000, end: at + 60_000, step: 60_000))
        guard case .matrix(let matrix) = range.value else { throw Mismatch("a range gives a \(range.typeName)") }
        guard !expectation.isOrdered else { return }
        let middle = matrix.compactMap { series in
            series.samples.first { $0.milliseconds == at }.map {
                QueryAnswer.Element(labels: series.labels, sample: $0)
            }
        }
        do {
            if expectation.scalar != nil, let sample = middle.first?.sample, middle.count == 1 {
                try expectation.compare(.scalar(sample))
            } else {
                try expectation.compare(.vector(middle))
            }
        } catch {
            throw Mismatch("within a range: \(error)")
        }
    }

    private func check(
        _ expectation: Promqltest.Expectation, _ expression: Expression, _ text: String, at time: QueryTime
    ) throws {
        let answer: QueryAnswer
        do throws(QueryError) {
            answer = try evaluate(expression, at: time)
        } catch {
            guard let failure = expectation.failure else { throw Mismatch("failed: \(error)") }
            guard failure.isMatch(error.description) else { throw Mismatch("failed otherwise: \(error)") }
            return
        }
        guard expectation.failure == nil else { throw Mismatch("did not fail") }
        try expectation.compare(answer.annotations.map { ($0.severity, $0.text(in: text)) })
        try expectation.compare(answer.value)
    }
}

struct Mismatch: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
