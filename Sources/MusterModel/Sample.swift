/// One measured value. The bit pattern of the value is kept as it was, NaN payloads included.
package struct Sample: Sendable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var milliseconds: Int64
    package var value: Double

    package init(milliseconds: Int64, value: Double) {
        self.milliseconds = milliseconds
        self.value = value
    }

    package var description: String { "\(value)@\(milliseconds)" }
}

extension Sample: Equatable {
    /// Equal to the bit: a NaN equals itself, 0.0 differs from -0.0.
    package static func == (a: Sample, b: Sample) -> Bool {
        a.milliseconds == b.milliseconds && a.value.bitPattern == b.value.bitPattern
    }
}

/// A series with its samples, oldest first.
package struct SeriesSamples: Equatable, Sendable {
    package var labels: Labels
    package var samples: [Sample]

    package init(labels: Labels, samples: [Sample]) {
        self.labels = labels
        self.samples = samples
    }
}

/// The value Prometheus uses to say that a series has ended.
package enum StaleMarker {
    package static let bitPattern: UInt64 = 0x7ff0_0000_0000_0002
    package static var value: Double { Double(bitPattern: bitPattern) }
    package static func isMarker(_ value: Double) -> Bool { value.bitPattern == bitPattern }
}
