/// Which parts to join next. Parts begin at level 0, one for each checkpoint; neighbours of one level become one part
/// of the next, so a sample is rewritten once for each level.
package struct MergePlan: Equatable, Sendable {
    package struct Limits: Equatable, Sendable {
        /// Parts that become one.
        package var fanIn = 8
        /// Of the part that is made.
        package var maxBytes: UInt64 = 256 << 20
        /// Milliseconds from the first to the last row of the part that is made: retention goes by whole parts, so a
        /// part that spans much is kept long after most of it is too old.
        package var maxSpan: Int64

        /// `retention` in milliseconds; a part spans at most an eighth of it.
        package init(retention: Int64, maxBytes: UInt64 = 256 << 20, fanIn: Int = 8) {
            maxSpan = retention / 8
            self.maxBytes = maxBytes
            self.fanIn = max(2, fanIn)
        }
    }

    /// Numbers of neighbours, oldest first.
    package var parts: [UInt32]
    /// Of the part that is made.
    package var level: UInt8
    /// Bytes of the sources; what is made is not much larger.
    package var bytes: UInt64

    package init(parts: [UInt32], level: UInt8, bytes: UInt64) {
        self.parts = parts
        self.level = level
        self.bytes = bytes
    }

    /// The first merge that is due among the parts of a manifest, nil when none is. A run of one level is due when it
    /// has `fanIn` parts, or half of them and the next one would break a limit.
    package static func next(_ parts: [StoreManifest.Part], limits: Limits) -> MergePlan? {
        var start = 0
        while start < parts.count {
            let (end, isClosed) = run(parts, from: start, limits)
            let count = end - start
            if count >= limits.fanIn || isClosed && count >= max(2, limits.fanIn / 2) {
                let run = parts[start..<end]
                return MergePlan(
                    parts: run.map(\.number), level: run[start].level < .max ? run[start].level + 1 : .max,
                    bytes: run.reduce(0) { $0 &+ $1.bytes })
            }
            // A part that may not join the run may begin one of its own, behind the first of this.
            start += 1
        }
        return nil
    }

    /// The longest run within the limits, and whether it can not grow any more.
    private static func run(
        _ parts: [StoreManifest.Part], from start: Int, _ limits: Limits
    ) -> (end: Int, isClosed: Bool) {
        var (bytes, from, to) = (parts[start].bytes, parts[start].from, parts[start].to)
        var end = start + 1
        while end < parts.count, end - start < limits.fanIn, parts[end].level == parts[start].level {
            bytes = saturatingSum(bytes, parts[end].bytes)
            from = min(from, parts[end].from)
            to = max(to, parts[end].to)
            let (span, overflow) = to.subtractingReportingOverflow(from)
            if bytes > limits.maxBytes || overflow || span > limits.maxSpan { return (end, true) }
            end += 1
        }
        // Smaller ones behind it will become parts of this level, larger ones will not.
        return (end, end < parts.count && parts[end].level > parts[start].level)
    }

    private static func saturatingSum(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : sum
    }
}
