/// An export of metrics, read from protobuf or JSON: resources, their scopes, their metrics, the points of those.
/// Times are nanoseconds since 1970, 0 where the sender left them out.
package struct OTLPMetrics: Equatable, Sendable {
    package struct Resource: Equatable, Sendable {
        package var attributes: [OTLPAttribute] = []
        package var scopes: [Scope] = []

        package init() {}
    }

    package struct Scope: Equatable, Sendable {
        package var name = ""
        package var version = ""
        package var schemaURL = ""
        package var attributes: [OTLPAttribute] = []
        package var metrics: [Metric] = []

        package init() {}
    }

    package struct Metric: Equatable, Sendable {
        package var name = ""
        package var description = ""
        package var unit = ""
        package var data = Data.none

        package init() {}
    }

    package enum Data: Equatable, Sendable {
        case none
        case gauge([NumberPoint])
        case sum([NumberPoint], Temporality, isMonotonic: Bool)
        case histogram([HistogramPoint], Temporality)
        /// Only how many points there are: they are refused.
        case exponentialHistogram(points: Int)
        case summary([SummaryPoint])
    }

    package enum Temporality: Int, Sendable {
        case unspecified = 0
        case delta = 1
        case cumulative = 2

        package init?(name: String) {
            switch name {
            case "AGGREGATION_TEMPORALITY_UNSPECIFIED": self = .unspecified
            case "AGGREGATION_TEMPORALITY_DELTA": self = .delta
            case "AGGREGATION_TEMPORALITY_CUMULATIVE": self = .cumulative
            default: return nil
            }
        }
    }

    /// What every point has.
    package struct Head: Equatable, Sendable {
        package var attributes: [OTLPAttribute] = []
        package var start: UInt64 = 0
        package var time: UInt64 = 0
        package var flags: UInt64 = 0

        package init() {}

        /// The series ended: there is a time, no value.
        package var hasNoRecordedValue: Bool { flags & 1 == 1 }
    }

    package struct NumberPoint: Equatable, Sendable {
        package var head = Head()
        /// Nil when the sender set none. Integers beyond 2^53 are rounded, as everywhere in Prometheus.
        package var value: Double?

        package init() {}
    }

    package struct HistogramPoint: Equatable, Sendable {
        package var head = Head()
        package var count: UInt64 = 0
        package var sum: Double?
        /// By bucket, not cumulative; one more than there are bounds, or none at all.
        package var counts: [UInt64] = []
        package var bounds: [Double] = []

        package init() {}
    }

    package struct SummaryPoint: Equatable, Sendable {
        package var head = Head()
        package var count: UInt64 = 0
        package var sum = 0.0
        package var quantiles: [Quantile] = []

        package init() {}
    }

    package struct Quantile: Equatable, Sendable {
        package var quantile = 0.0
        package var value = 0.0

        package init() {}
    }

    package var resources: [Resource] = []

    package init() {}
}

/// A name and a value of any shape.
package struct OTLPAttribute: Equatable, Sendable {
    package var key: String
    package var value: OTLPValue

    package init(_ key: String, _ value: OTLPValue) {
        self.key = key
        self.value = value
    }
}

/// The value of an attribute.
package indirect enum OTLPValue: Equatable, Sendable {
    case none
    case string(String)
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case array([OTLPValue])
    case map([OTLPAttribute])
    /// In base64.
    case bytes(String)

    /// As a label value: texts as they are, arrays and maps as JSON. An absent value is the empty text.
    package var text: String {
        switch self {
        case .none: ""
        case .string(let text): text
        case .bytes(let base64): base64
        case .bool, .int, .double, .array, .map: json
        }
    }

    private var json: String {
        switch self {
        case .none: "null"
        case .string(let text): JSONText.quoted(text)
        case .bytes(let base64): JSONText.quoted(base64)
        case .bool(let value): value ? "true" : "false"
        case .int(let value): "\(value)"
        case .double(let value): JSONText.number(value)
        case .array(let elements): "[" + elements.map(\.json).joined(separator: ",") + "]"
        case .map(let members):
            "{" + members.map { JSONText.quoted($0.key) + ":" + $0.value.json }.joined(separator: ",") + "}"
        }
    }
}
