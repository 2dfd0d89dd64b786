package import MusterInterchange
import MusterModel
import MusterSeries

/// What became of a pushed request, for its sender.
package struct RelayedOutcome: Sendable {
    /// Refused samples that are named.
    static let examples = 4

    /// Samples the store has now, those it had already included.
    package var written = 0
    /// Series whose labels break a rule.
    package var refusals = RefusalTally()
    private var refused: [String: Int] = [:]
    private var samples: [String] = []

    package init() {}

    /// One sentence about what the store did not take, nil when it took all.
    package var storeRefusals: String? {
        guard !refused.isEmpty else { return nil }
        let counts = refused.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return "not stored: \(counts); for example \(samples.joined(separator: "; "))"
    }

    mutating func add(_ outcome: SampleOutcome, _ sample: Sample, _ series: () -> String) {
        switch outcome {
        case .stored, .duplicate: written += 1
        case .conflicting: refuse("samples with another value for a time that has one", sample, series)
        case .tooOld: refuse("samples too far behind their series, or past the retention", sample, series)
        case .tooFarAhead: refuse("samples too far ahead of the coordinator's clock", sample, series)
        case .full, .undecided: refuse("samples for want of memory", sample, series)
        case .unknownSeries: refuse("samples of series that were forgotten meanwhile", sample, series)
        }
    }

    mutating func add(_ refusal: MusterSeries.SeriesRefusal, samples count: Int, _ series: () -> String) {
        let what =
            switch refusal {
            case .overOwnerBudget: "series over their sender's budget"
            case .overMetricBudget: "series over their metric's budget"
            case .outOfMemoryBudget: "series for want of memory"
            case .badLabels, .unknownOwner: "series with labels that are not valid"
            }
        refused[what, default: 0] += 1
        if samples.count < Self.examples { samples.append("\(series()): \(refusal)") }
    }

    private mutating func refuse(_ what: String, _ sample: Sample, _ series: () -> String) {
        refused[what, default: 0] += 1
        if samples.count < Self.examples {
            samples.append("\(series()) at \(Instant(milliseconds: sample.milliseconds))")
        }
    }
}

/// Why a pushed request is not stored; its sender should come again.
package enum RelayError: Error, Sendable {
    case tooLarge(bytes: Int)
    /// Too much waits for the disk.
    case overloaded
    case failed(String)
}
