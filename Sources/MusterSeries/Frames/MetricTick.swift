package import MusterModel

/// What one frame says, in the order in which it holds: definitions, ends, samples.
package struct MetricTick: Equatable, Sendable {
    package struct Definition: Equatable, Sendable {
        package var ref: UInt32
        /// Without those of the host.
        package var labels: Labels
        /// An index into the families of the epoch, in the order in which its frames brought them.
        package var family: Int
        /// When the counter began to count, in milliseconds; nil when that is not known or nothing is counted.
        package var startMilliseconds: Int64?
    }

    /// Refs and families start over: what an earlier frame defined and this tick does not define again has ended.
    package var isKeyframe: Bool
    /// False when the next frame continues this tick.
    package var isComplete: Bool
    package var milliseconds: Int64
    /// From one tick of the grid to the next, in milliseconds.
    package var intervalMilliseconds: Int64
    /// Ticks of the grid before this one that were not measured: a gap that is known to be one.
    package var missedTicks: UInt64
    /// Those that are new in this frame.
    package var families: [MetricFamily]
    package var definitions: [Definition]
    package var ended: [UInt32]
    /// The series that have a sample, ascending.
    package var refs: [UInt32]
    /// The samples' bit patterns, in the order of `refs`.
    package var bits: [UInt64]
}
