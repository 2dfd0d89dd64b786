package import MusterModel

/// When a query is evaluated. Milliseconds since 1970.
package enum QueryTime: Hashable, Sendable {
    case instant(Int64)
    /// At `start`, `start + step`, ... up to `end`.
    case range(start: Int64, end: Int64, step: Int64)
}

/// Why an evaluation should end early.
package enum QueryStop: Sendable {
    case canceled
    case timedOut
}

/// What a query found.
package struct QueryAnswer: Sendable {
    package enum Value: Equatable, Sendable {
        case scalar(Sample)
        case string(String, milliseconds: Int64)
        /// In the order the query asks for (`sort`, `topk`), else in no particular order.
        case vector([Element])
        /// Sorted by labels; no series without samples.
        case matrix([SeriesSamples])
    }

    package struct Element: Equatable, Sendable {
        package var labels: Labels
        /// Its time is that of the question.
        package var sample: Sample

        package init(labels: Labels, sample: Sample) {
            self.labels = labels
            self.sample = sample
        }
    }

    package struct Statistics: Equatable, Sendable {
        /// Samples that the selectors found.
        package var samplesRead = 0
        /// The most samples in memory at one time, intermediate results included.
        package var peakSamples = 0
    }

    package var value: Value
    /// Each once, in the order in which they came up.
    package var annotations: [QueryAnnotation]
    package var statistics: Statistics

    /// Prometheus's `resultType`.
    package var typeName: String {
        switch value {
        case .scalar: "scalar"
        case .string: "string"
        case .vector: "vector"
        case .matrix: "matrix"
        }
    }
}
