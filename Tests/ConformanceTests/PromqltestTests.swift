import MusterQuery
import Testing

@Suite struct PromqltestTests {
    @Test(.enabled(if: ConformanceFolder.has("promql"), ConformanceFolder.absence(of: "promql")))
    func `the files of promqltest pass, but for what is not supported`() throws {
        var floats = PromqltestRunner.Tally()
        var histograms = PromqltestRunner.Tally()
        for file in try ConformanceFolder.files(in: "promql", withExtension: ["test"]) {
            var runner = PromqltestRunner()
            runner.run(try Promqltest(String(decoding: file.bytes, as: UTF8.self)).commands)
            report(file.name, runner.floats, runner.histograms)
            for failure in runner.floats.failed { Issue.record("\(file.name) \(failure)") }
            floats.add(runner.floats)
            histograms.add(runner.histograms)
        }
        report("all files", floats, histograms)
        #expect(floats.cases > 700)
        #expect(floats.failed.isEmpty && histograms.failed.isEmpty)
        let share = Double(floats.passed) / Double(floats.cases)
        #expect(share >= 0.97, "\(floats.passed) of \(floats.cases) cases passed")
    }

    private func report(_ name: String, _ floats: PromqltestRunner.Tally, _ histograms: PromqltestRunner.Tally) {
        func text(_ tally: PromqltestRunner.Tally) -> String {
            let reasons = tally.skipped.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                .map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            let skipped = tally.skipped.values.reduce(0, +)
            return "\(tally.passed) passed, \(skipped) skipped\(reasons.isEmpty ? "" : " (\(reasons))"), "
                + "\(tally.failed.count) failed"
        }
        let more = histograms.cases == 0 ? "" : "; native histograms: \(text(histograms))"
        print("promqltest \(name): \(text(floats))\(more)")
    }
}
