// Codec 2 of metric frames.
//
//     u8           codec in the low 3 bits, flags above
//     number       of this frame; unless it is a keyframe, reading it takes that frame `number - 1` was read
//     time         keyframe: milliseconds (zigzag), interval of the grid in ms, ticks missed before this one
//                  irregular: zigzag difference to the time that was due, ticks missed before this one
//                  else nothing: one interval after the tick before, or the same tick when that frame continues
//     body
//
// The body; with `deflated` all of it is deflated:
//
//     with `dictionary`
//         strings      count, then each: length, UTF-8 bytes               added to the epoch's table
//         families     count, then each: name, kind u8, unit, help         strings; added to the epoch's table
//         starts       count, then each: milliseconds (zigzag)             when counters began; added to the table
//         definitions  count, then each: family, start + 1 or 0, pairs, (name, value)...   the next free refs
//         ended        count, then refs, ascending: each as its distance from the one before
//     presence     see `PresencePatterns`
//     column       a stream of bits: which predictions failed (`MissFlags`), then those values (`ValueModel`)
//
// Numbers without a width are varints. A tick whose definitions do not fit one frame continues in the next, under the
// same timestamp.

package import MusterModel

/// Figures both ends of the codec share.
package enum MetricFrame {
    package static let codec: UInt8 = 2

    /// New strings and definitions in one frame; the rest of the tick continues in the next frame. With the values of
    /// `Limits.seriesPerHost` series a frame stays below `Limits.frameBytes` even when nothing can be deflated.
    package static let definitionBytes = 128 << 10
    /// Refs handed out in one epoch; the encoder begins a new one before it runs out.
    package static let refsPerEpoch = 4 * Limits.seriesPerHost
    /// Distinct label names and values in one epoch, and their bytes together.
    package static let stringsPerEpoch = 8 * Limits.seriesPerHost
    package static let stringBytesPerEpoch = 32 << 20
    /// Of the grid, in milliseconds: at most a day.
    package static let intervals: ClosedRange<Int64> = 1...86_400_000
    /// A body without definitions is bits that do not deflate, and a short one is not worth the time.
    static let deflateFromBytes = 128

    /// Whether reading can begin at a frame. False for bytes that are none.
    package static func isKeyframe(_ payload: [UInt8]) -> Bool {
        guard let first = payload.first, first & 7 == codec else { return false }
        return Flags(rawValue: first >> 3).contains(.keyframe)
    }

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// The dictionary and what is known of values start empty.
        static let keyframe = Flags(rawValue: 1)
        static let deflated = Flags(rawValue: 2)
        /// More frames of the same tick follow.
        static let continues = Flags(rawValue: 4)
        /// The time is not the one that was due, or ticks were missed.
        static let irregular = Flags(rawValue: 8)
        /// Series begin or end.
        static let dictionary = Flags(rawValue: 16)
    }

    /// The time of a frame and what makes it out of the one before.
    struct Clock: Sendable {
        var milliseconds: Int64 = 0
        var interval: Int64 = 1_000
        /// The frame continues: the next is of the same tick.
        var continues = false

        /// When the next frame is due.
        var next: Int64 { continues ? milliseconds : milliseconds &+ interval }
    }

    struct Header {
        var flags: Flags
        var number: UInt64
        var clock: Clock
        /// Ticks of the grid between this tick and the one before that were not measured.
        var missed: UInt64

        /// `before`: the clock after the frame before.
        func append(to bytes: inout [UInt8], before: Clock) {
            bytes.append(MetricFrame.codec | flags.rawValue << 3)
            Varint.append(number, to: &bytes)
            if flags.contains(.keyframe) {
                Varint.append(Varint.zigzag(clock.milliseconds), to: &bytes)
                Varint.append(UInt64(clock.interval), to: &bytes)
                Varint.append(missed, to: &bytes)
            } else if flags.contains(.irregular) {
                Varint.append(Varint.zigzag(clock.milliseconds &- before.next), to: &bytes)
                Varint.append(missed, to: &bytes)
            }
        }

        init(flags: Flags, number: UInt64, clock: Clock, missed: UInt64) {
            self.flags = flags
            self.number = number
            self.clock = clock
            self.missed = missed
        }

        /// Moves `position` behind the header. The time of a frame that is no keyframe holds only if `before` is the
        /// clock after the frame before it.
        init(_ bytes: Span<UInt8>, at position: inout Int, before: Clock) throws(MetricFrameError) {
            guard bytes.count > 0 else { throw .truncated("the header") }
            guard bytes[0] & 7 == MetricFrame.codec else { throw .unsupported(codec: bytes[0] & 7) }
            flags = Flags(rawValue: bytes[0] >> 3)
            position = 1
            number = try Self.number(bytes, at: &position)
            clock = before
            missed = 0
            if flags.contains(.keyframe) {
                clock.milliseconds = Varint.unzigzag(try Self.number(bytes, at: &position))
                let interval = try Self.number(bytes, at: &position)
                guard let interval = Int64(exactly: interval), MetricFrame.intervals.contains(interval) else {
                    throw .malformed("an interval of \(interval) ms")
                }
                clock.interval = interval
                missed = try Self.number(bytes, at: &position)
            } else {
                clock.milliseconds = before.next
                if flags.contains(.irregular) {
                    clock.milliseconds &+= Varint.unzigzag(try Self.number(bytes, at: &position))
                    missed = try Self.number(bytes, at: &position)
                }
            }
            clock.continues = flags.contains(.continues)
        }

        private static func number(_ bytes: Span<UInt8>, at position: inout Int) throws(MetricFrameError) -> UInt64 {
            guard let number = Varint.read(bytes, at: &position) else { throw .truncated("the header") }
            return number
        }
    }
}

/// Why a metric frame gave no samples.
package enum MetricFrameError: Error, Equatable, CustomStringConvertible {
    /// From an agent of another release than this coordinator.
    case unsupported(codec: UInt8)
    /// The frame is sound but builds on one this decoder did not see. Skip until the next keyframe.
    case needsKeyframe(number: UInt64)
    case truncated(String)
    case malformed(String)
    /// A limit, by the name it has in the code.
    case overLimit(String)
    case compression(CompressionError)

    package var description: String {
        switch self {
        case .unsupported(let codec):
            "the metric frame is written in codec \(codec); this coordinator reads codec \(MetricFrame.codec): "
                + "bring agent and coordinator to the same release, the coordinator first"
        case .needsKeyframe(let number):
            "metric frame \(number) builds on one that is missing; reading resumes at the next keyframe"
        case .truncated(let part): "the metric frame ends within \(part)"
        case .malformed(let reason): "the metric frame is malformed: \(reason)"
        case .overLimit(let limit): "the metric frame goes beyond the limit \(limit)"
        case .compression(let error): "the metric frame does not inflate: \(error)"
        }
    }
}
