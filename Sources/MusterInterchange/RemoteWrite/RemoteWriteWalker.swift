package import MusterModel

/// Why a whole request is refused.
package enum RemoteWriteError: Error, Equatable, Sendable, CustomStringConvertible {
    case malformed(ProtobufError)
    /// The bytes are a message of the other version: read by the wrong schema it looks empty and valid.
    case otherVersion(RemoteWriteVersion)
    /// 2.0 only: references of 0 would mean something.
    case firstSymbolNotEmpty

    package var description: String {
        switch self {
        case .malformed(let error): "\(error)"
        case .firstSymbolNotEmpty: "the first symbol is not the empty text"
        case .otherVersion(.v1):
            "the body is a \(RemoteWriteVersion.v1Message), the content type says 2.0; correct the content type"
        case .otherVersion(.v2):
            "the body is a \(RemoteWriteVersion.v2Message), the content type says 1.0; correct the content type"
        }
    }
}

/// What a request brought, counted while it is walked.
package struct RemoteWriteTally: Equatable, Sendable {
    package var series = 0
    package var samples = 0
    /// Read over and not stored: there is no place for exemplars and native histograms.
    package var exemplars = 0
    package var histograms = 0
    /// Descriptions beyond `InterchangeLimits.familiesPerRequest`.
    package var familiesLeftOut = 0
    /// Series refused by the walker, and those the caller adds.
    package var refusals = RefusalTally()
    /// Samples within those series.
    package var refusedSamples = 0

    package init() {}

    package mutating func refuse(_ refusal: SeriesRefusal, samples: Int) {
        refusals.add(refusal)
        refusedSamples += samples
    }
}

/// Goes through the series of a request, one at a time, without a string.
///
///     while try walker.next() {
///         // known: find the series by walker.bytes[walker.labels], append walker.samples
///         // new: LabelBytes.decode(walker.bytes.span, walker.labels, ...) first
///     }
package protocol RemoteWriteWalker {
    /// What `labels` points into.
    var bytes: [UInt8] { get }
    /// The labels of the current series as one run of label bytes (`LabelBytes`).
    var labels: Range<Int> { get }
    /// The samples of the current series in the order they were sent. May be empty.
    var samples: [Sample] { get }
    /// For each of them when its counter began to count, milliseconds; 0 when that was not said. What is missing at the
    /// end was not said either.
    var starts: [Int64] { get }
    var tally: RemoteWriteTally { get set }

    /// Moves on to the next series; false at the end. After an error the request is done for.
    mutating func next() throws(RemoteWriteError) -> Bool
}
