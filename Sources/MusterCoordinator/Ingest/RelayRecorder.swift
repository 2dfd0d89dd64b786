import MusterModel
import MusterTransport

/// Stores what recording rules make, on the way that pushed samples take.
struct RelayRecorder: SampleRecorder {
    let ingest: Ingest

    func record(_ series: [SeriesSamples]) async throws {
        let batch = RelayedBatch(series)
        let outcome = try await ingest.relay(batch, batch.remoteWriteBody, .remoteWriteV1, now: MachineClock.wall)
        guard let refused = outcome.storeRefusals else { return }
        throw CoordinatorError("the results of the rule are \(refused)")
    }
}
