package import MusterInterchange
import MusterModel
import MusterSeries

/// What became of a pushed request, for its sender.
package struct RelayedOutcome: Sendable {
    /// Refused samples that are named.
    static let examples = 4

    /// Samples the store has now, those it had already included.
    package var written = 0
    /// Numbers of the others in their batch, in no order.
    package private(set) var unstored: [Int] = []
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

    mutating func add(
        _ outcome: SampleOutcome, _ number: Int, _ batch: RelayedBatch, _ entry: RelayedBatch.Entry
    ) {
        let what: String
        switch outcome {
        case .stored, .duplicate:
            written += 1
            return
        case .conflicting: what = "samples with another value for a time that has one"
        case .tooOld: what = "samples too far behind their series, or past the retention"
        case .tooFarAhead: what = "samples too far ahead of the coordinator's clock"
        case .full, .undecided: what = "samples for want of memory"
        case .unknownSeries: what = "samples of series that were forgotten meanwhile"
        }
        unstored.append(number)
        refused[what, default: 0] += 1
        guard samples.count < Self.examples else { return }
        samples.append("\(batch.name(of: entry)) at \(Instant(milliseconds: batch.samples[number].milliseconds))")
    }

    /// A series of the batch whose labels break a rule.
    mutating func add(_ refusal: MusterInterchange.SeriesRefusal, _ entry: RelayedBatch.Entry) {
        refusals.add(refusal)
        unstored += entry.samples
    }

    /// A series of the batch that found no place.
    mutating func add(
        _ refusal: MusterSeries.SeriesRefusal, _ batch: RelayedBatch, _ entry: RelayedBatch.Entry
    ) {
        let what =
            switch refusal {
            case .overOwnerBudget: "series over their sender's budget"
            case .overMetricBudget: "series over their metric's budget"
            case .outOfMemoryBudget: "series for want of memory"
            case .tooManyOwners: "series of hosts and targets that there is no room for"
            case .badLabels, .unknownOwner: "series with labels that are not valid"
            }
        refused[what, default: 0] += 1
        if samples.count < Self.examples { samples.append("\(batch.name(of: entry)): \(refusal)") }
        unstored += entry.samples
    }
}

/// Why a pushed request is not stored; its sender should come again.
package enum RelayError: Error, Sendable {
    case tooLarge(bytes: Int)
    /// Too much waits for the disk.
    case overloaded
    case failed(String)
}
