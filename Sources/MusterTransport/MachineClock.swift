import Glibc
package import MusterModel

/// The one clock of a process: it starts from the wall clock and then advances with the monotonic one, so it never
/// steps back while the process lives, and what it said before a restart can be compared with what it says after.
package struct MachineClock: Sendable {
    private let wallAtStart: Int64
    private let monotonicAtStart: Int64

    package init() {
        wallAtStart = Self.read(CLOCK_REALTIME)
        monotonicAtStart = Self.read(CLOCK_BOOTTIME)
    }

    package var now: Instant { Instant(nanoseconds: wallAtStart &+ (Self.read(CLOCK_BOOTTIME) &- monotonicAtStart)) }

    /// The wall clock as it is now, for certificates and for timestamps of samples and lines; may step.
    package static var wall: Instant { Instant(nanoseconds: read(CLOCK_REALTIME)) }

    /// How far the wall clock was set away from `now` since the start; less than a second counts as nothing.
    package var wallStep: Duration {
        let step = Self.wall - now
        return abs(step.nanoseconds) < 1_000_000_000 ? .zero : step
    }

    /// Milliseconds of the monotonic clock.
    package static var monotonicMilliseconds: UInt64 { UInt64(max(0, read(CLOCK_BOOTTIME)) / 1_000_000) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        guard unsafe clock_gettime(clock, &time) == 0 else { return 0 }
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
