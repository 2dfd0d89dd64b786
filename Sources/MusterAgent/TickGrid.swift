package import MusterModel

/// The grid on which metrics are measured: whole multiples of its interval on the wall clock.
///
/// A tick that is late by less than an interval is taken late and stamped with its place on the grid. One that is later
/// is missed, and the tick that is taken instead says how many were; nothing is filled in. What was missed is told by
/// the clock that never steps, so a wall clock that is set forward misses nothing.
package struct TickGrid {
    package struct Tick: Equatable {
        /// Its place on the grid, on the wall clock.
        package var milliseconds: Int64
        package var lateness: Duration
        /// Ticks between this one and the last that was taken.
        package var missed: UInt64

        package init(milliseconds: Int64, lateness: Duration, missed: UInt64) {
            self.milliseconds = milliseconds
            self.lateness = lateness
            self.missed = missed
        }
    }

    private let step: Int64
    private var due: Int64 = 0
    /// Of the last tick that was taken.
    private var place: Int64?
    /// When the last tick that was taken was due, on the clock that never steps.
    private var lastDue: Instant?

    /// `interval` above 0.
    package init(interval: Duration) { step = max(1, interval.nanoseconds) }

    /// How long to wait for the next tick.
    package mutating func wait(wall: Instant) -> Duration {
        due = floor(wall) + step
        // The last one was taken a little early.
        if due == place { due += step }
        return .nanoseconds(due - wall.nanoseconds)
    }

    /// The wait is over.
    package mutating func woke(wall: Instant, now: Instant) -> Tick {
        // Timers and clocks differ by a little: what is early by less than an interval is this tick.
        let isEarly = wall.nanoseconds < due && wall.nanoseconds > due - step
        let place = isEarly ? due : floor(wall)
        self.place = place
        let lateness = Duration.nanoseconds(max(0, wall.nanoseconds - place))
        let dueNow = now - lateness
        var missed: Int64 = 0
        if let lastDue { missed = max(0, ((dueNow - lastDue).nanoseconds + step / 2) / step - 1) }
        lastDue = dueNow
        return Tick(milliseconds: place / 1_000_000, lateness: lateness, missed: UInt64(missed))
    }

    private func floor(_ wall: Instant) -> Int64 { wall.nanoseconds / step * step }
}
