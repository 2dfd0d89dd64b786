// MusterInterchange: the formats other tools speak, as values.
//
// Remote write 1.0 and 2.0 (`RemoteWrite/`), OTLP metrics in protobuf and JSON (`OTLP/`), the text exposition formats
// of Prometheus and OpenMetrics (`Exposition/`), StatsD lines (`StatsD/`), over a protobuf reader and a JSON reader of
// their own (`Protobuf/`, `JSON/`). Bytes come in, samples and typed refusals come out; nothing here opens a socket,
// uncompresses, stores or reads a clock.
//
// Two speeds. A series that is known costs no string: the walkers give out the raw bytes of its labels, by which a
// store can find it, and its samples. A series that is new is decoded and checked once, by `LabelBytes`. Label bytes
// have one form whatever they came from: the labels of remote write 1.0, sorted by name. So one table of known series
// serves every format.
//
// `Inputs/` is what an agent makes of them: when which target is scraped, which series of an answer are new and which
// have ended, what waits for the next tick. Every source says it in one shape, `SeriesReading`.
//
// What cannot be taken is never dropped in silence. A request that is no message of its kind is refused whole
// (`ProtobufError`, `JSONError`, `ExpositionError`: what and where). A series that breaks a rule is refused alone
// (`SeriesRefusal`: which series, which rule), and the rest of its request goes on.
//
// Hot paths, each in a file of its own: `KnownSeries`, `ProtobufReader`, `RemoteWriteV1Walker`, `RemoteWriteV2Walker`,
// `ExpositionParser`, `DecimalNumber`.

package import MusterModel

/// Every limit of the formats, with its unit. A test reaches each.
package enum InterchangeLimits {
    /// A request after it was uncompressed.
    package static let requestBytes = 32 << 20
    /// Messages within messages. OTLP's attribute values are the only ones that nest without end.
    package static let protobufDepth = 32
    package static let jsonDepth = 64
    /// Strings in the table of a remote write 2.0 request.
    package static let symbolsPerRequest = 1_000_000
    /// Descriptions of families taken from one request; more are counted and left out.
    package static let familiesPerRequest = 10_000
    /// Help texts and units, in bytes; longer ones are cut.
    package static let helpBytes = 1_024
    /// One line of an exposition, without its end.
    package static let expositionLineBytes = 64 << 10
    /// Refusals of one request that are kept as text; all are counted.
    package static let refusalExamples = 8
    /// How much of a series a refusal names, in bytes.
    package static let seriesNameBytes = 256
    /// Series whose deltas one accumulator adds up.
    package static let deltaSeries = 100_000
    /// Buckets of one histogram, the last without a bound included.
    package static let histogramBuckets = 512
    /// Attributes of one resource, scope or point.
    package static let attributes = 128
    /// A StatsD line, in bytes.
    package static let statsDLineBytes = 8 << 10
    package static let statsDTags = 32
    package static let statsDSeries = 50_000
    /// Different members of one StatsD set between two flushes.
    package static let statsDSetMembers = 10_000
}

/// What kind of values a family has. The numbers are those of remote write.
package enum FamilyType: Int, Sendable, CaseIterable {
    case unknown = 0
    case counter = 1
    case gauge = 2
    case histogram = 3
    case gaugeHistogram = 4
    case summary = 5
    case info = 6
    case stateSet = 7

    /// As OpenMetrics and Prometheus's metadata API spell it.
    package var name: String { self == .unknown ? "unknown" : String(describing: self).lowercased() }

    /// Whether its series begin at zero at their start. Of an unknown one only its sender knows.
    package var counts: Bool {
        switch self {
        case .unknown, .counter, .histogram, .summary: true
        case .gauge, .gaugeHistogram, .info, .stateSet: false
        }
    }

    package init?(name: String) {
        guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = type
    }
}

/// What is known of a family besides its samples.
package struct FamilyMetadata: Equatable, Sendable {
    package var name: String
    package var type: FamilyType
    package var help: String
    package var unit: String

    package init(name: String, type: FamilyType, help: String = "", unit: String = "") {
        self.name = name
        self.type = type
        self.help = help
        self.unit = unit
    }
}

extension FamilyMetadata {
    /// As the model has it, which knows five kinds.
    package var family: MetricFamily {
        let kind: MetricKind =
            switch type {
            case .counter: .counter
            case .gauge, .info, .stateSet: .gauge
            case .histogram: .histogram
            case .summary: .summary
            case .unknown, .gaugeHistogram: .untyped
            }
        return MetricFamily(name, kind, unit: unit, help: help)
    }
}
