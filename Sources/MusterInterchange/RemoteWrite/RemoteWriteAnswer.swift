package import MusterModel

/// What the sender of a request is told.
///
/// A sender repeats what is answered with 429 or 5xx and gives up what is answered with 400, so 400 says exactly this:
/// everything that could be stored is stored, the rest never will be.
package struct RemoteWriteAnswer: Equatable, Sendable {
    package var status: Int
    package var headers: [HTTPHeader]
    /// Empty with 204.
    package var text: String

    /// `samplesWritten` counts the samples the store has, those it had already included; `storeRefusals` says in words
    /// what the store did not take (too old, over a budget), nil when it took all.
    package init(
        to version: RemoteWriteVersion, _ tally: RemoteWriteTally, samplesWritten: Int, storeRefusals: String? = nil
    ) {
        var problems: [String] = []
        if tally.refusals.total > 0 { problems.append(tally.refusals.text("series")) }
        if let storeRefusals { problems.append(storeRefusals) }
        if tally.histograms > 0 {
            problems.append(
                "\(tally.histograms) native histograms not stored, classic ones are; "
                    + "turn native histograms off in the sender")
        }
        status = problems.isEmpty ? 204 : 400
        text = problems.joined(separator: "\n")
        headers = version == .v1 ? [] : Self.written(samples: samplesWritten)
    }

    /// The headers 2.0 demands of every answer, also that of a request that was refused whole.
    package static func written(samples: Int) -> [HTTPHeader] {
        [
            HTTPHeader("X-Prometheus-Remote-Write-Samples-Written", "\(samples)"),
            HTTPHeader("X-Prometheus-Remote-Write-Histograms-Written", "0"),
            HTTPHeader("X-Prometheus-Remote-Write-Exemplars-Written", "0"),
        ]
    }
}
