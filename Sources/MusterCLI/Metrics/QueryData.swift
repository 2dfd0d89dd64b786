import Foundation

/// The data of a query, as Prometheus's API gives it: `{"resultType": ..., "result": ...}`.
package enum QueryData: Decodable, Equatable, Sendable {
    case vector([Element])
    case matrix([Series])
    case scalar(Point)
    case string(Point)

    /// `[seconds since 1970, "value"]`. The value is text, because JSON has neither NaN nor infinity.
    package struct Point: Decodable, Equatable, Sendable {
        package var seconds: Double
        package var text: String

        package init(from decoder: any Decoder) throws {
            var pair = try decoder.unkeyedContainer()
            seconds = try pair.decode(Double.self)
            text = try pair.decode(String.self)
        }

        /// Nil when the text is no number.
        package var value: Double? { Double(text) }

        /// Nil beyond the years that a clock can show.
        package var milliseconds: Int64? {
            abs(seconds) < 9e12 ? Int64((seconds * 1_000).rounded()) : nil
        }
    }

    package struct Element: Decodable, Equatable, Sendable {
        package var metric: [String: String]
        /// Absent for a histogram, which has no one value.
        package var value: Point?
    }

    package struct Series: Decodable, Equatable, Sendable {
        package var metric: [String: String]
        /// Absent for a series of histograms.
        package var values: [Point]?
    }

    private enum CodingKeys: String, CodingKey {
        case resultType
        case result
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        switch try fields.decode(String.self, forKey: .resultType) {
        case "vector": self = .vector(try fields.decode([Element].self, forKey: .result))
        case "matrix": self = .matrix(try fields.decode([Series].self, forKey: .result))
        case "scalar": self = .scalar(try fields.decode(Point.self, forKey: .result))
        case "string": self = .string(try fields.decode(Point.self, forKey: .result))
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .resultType, in: fields, debugDescription: "\(other) is no type of result")
        }
    }
}
