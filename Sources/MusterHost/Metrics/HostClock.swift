import Glibc

/// The clock that only advances.
enum Monotonic {
    static var nanoseconds: Int64 { HostClock.nanoseconds(CLOCK_MONOTONIC) }
}

/// The clock on the wall.
enum WallClock {
    /// To the millisecond, as finely as samples are stamped.
    static var seconds: Double { Double(HostClock.nanoseconds(CLOCK_REALTIME) / 1_000_000) / 1e3 }
}

private enum HostClock {
    /// The kernel writes two words, seconds and nanoseconds. They are read as words: which module owns the members of
    /// C's `timespec` depends on what else a build has loaded.
    static func nanoseconds(_ clock: clockid_t) -> Int64 {
        var words: (seconds: Int, nanoseconds: Int) = (0, 0)
        unsafe withUnsafeMutableBytes(of: &words) { bytes in
            guard let base = bytes.baseAddress else { return }
            _ = unsafe clock_gettime(clock, base.assumingMemoryBound(to: timespec.self))
        }
        return Int64(words.seconds) * 1_000_000_000 + Int64(words.nanoseconds)
    }
}
