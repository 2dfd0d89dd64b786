// Codec 1 of metric frames. All numbers are little endian.
//
//     version u8 | codec u8 | flags u8 | epoch u32 | index u32 | milliseconds i64 | body
//
// The body, deflated as a whole when that is smaller:
//
//     strings      count, then each: length, UTF-8 bytes      added to the epoch's table
//     definitions  count, then each: pairs, (name, value)...  the next free refs, in order
//     ended        count, then refs, ascending: each as its distance from the one before
//     presence     one bit for each live series in order of ref, absent when all have a value
//     changed      one bit for each present series: differs from its previous value (at first: 0.0)
//     raw          one bit for each changed value
//     values       raw: the 8 bytes of the double; else the zigzag difference of two whole numbers
//
// Counts, lengths, refs and differences are varints. Bitmaps fill whole bytes, lowest bit first, the rest zero. `index`
// counts the frames of an epoch from 0; a frame is readable when the one before it was. A tick whose definitions do not
// fit one frame continues in the next, under the same timestamp.

package import MusterModel

/// Figures both ends of codec 1 share.
package enum MetricFrame {
    package static let version: UInt8 = 1
    package static let codec: UInt8 = 1
    static let headerBytes = 19

    /// New strings and definitions in one frame; the rest of the tick continues in the next frame. With the values of
    /// `Limits.seriesPerHost` series a frame stays below `Limits.frameBytes` even when nothing can be deflated.
    package static let definitionBytes = 128 << 10
    /// Refs handed out in one epoch; the encoder begins a new one before it runs out.
    package static let refsPerEpoch = 4 * Limits.seriesPerHost
    /// Distinct label names and values in one epoch, and their bytes together.
    package static let stringsPerEpoch = 8 * Limits.seriesPerHost
    package static let stringBytesPerEpoch = 32 << 20

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// Index 0: the dictionary starts empty.
        static let keyframe = Flags(rawValue: 1)
        static let deflated = Flags(rawValue: 2)
        /// Every live series has a value; there is no presence bitmap.
        static let allPresent = Flags(rawValue: 4)
        /// More frames of the same tick follow.
        static let continues = Flags(rawValue: 8)
        static let known: Flags = [.keyframe, .deflated, .allPresent, .continues]
    }

    struct Header {
        var flags: Flags
        var epoch: UInt32
        var index: UInt32
        var milliseconds: Int64

        func append(to bytes: inout [UInt8]) {
            bytes.append(MetricFrame.version)
            bytes.append(MetricFrame.codec)
            bytes.append(flags.rawValue)
            for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: epoch >> shift)) }
            for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: index >> shift)) }
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: milliseconds >> shift))
            }
        }

        init(flags: Flags, epoch: UInt32, index: UInt32, milliseconds: Int64) {
            self.flags = flags
            self.epoch = epoch
            self.index = index
            self.milliseconds = milliseconds
        }

        init(_ payload: ArraySlice<UInt8>) throws(MetricFrameError) {
            guard payload.count >= MetricFrame.headerBytes else { throw .truncated("the header") }
            let start = payload.startIndex
            guard payload[start] == MetricFrame.version, payload[start + 1] == MetricFrame.codec else {
                throw .unsupported(version: payload[start], codec: payload[start + 1])
            }
            flags = Flags(rawValue: payload[start + 2])
            guard Flags.known.isSuperset(of: flags) else { throw .malformed("unknown flags \(flags.rawValue)") }
            epoch = UInt32(truncatingIfNeeded: Self.number(payload[(start + 3)..<(start + 7)]))
            index = UInt32(truncatingIfNeeded: Self.number(payload[(start + 7)..<(start + 11)]))
            milliseconds = Int64(bitPattern: Self.number(payload[(start + 11)..<(start + 19)]))
            guard flags.contains(.keyframe) == (index == 0) else {
                throw .malformed("the keyframe flag disagrees with index \(index)")
            }
        }

        private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
            bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}

/// Why a metric frame gave no samples.
package enum MetricFrameError: Error, Equatable, CustomStringConvertible {
    /// From an agent that is newer than this coordinator.
    case unsupported(version: UInt8, codec: UInt8)
    /// The frame is sound but builds on one this decoder did not see. Skip until the next keyframe.
    case needsKeyframe(epoch: UInt32, index: UInt32)
    case truncated(String)
    case malformed(String)
    /// A limit, by the name it has in the code.
    case overLimit(String)
    case compression(CompressionError)

    package var description: String {
        switch self {
        case .unsupported(let version, let codec):
            "the metric frame has version \(version), codec \(codec); this coordinator reads version "
                + "\(MetricFrame.version), codec \(MetricFrame.codec): upgrade it before the agents"
        case .needsKeyframe(let epoch, let index):
            "metric frame \(index) of epoch \(epoch) builds on one that is missing; "
                + "reading resumes at the next keyframe"
        case .truncated(let part): "the metric frame ends within \(part)"
        case .malformed(let reason): "the metric frame is malformed: \(reason)"
        case .overLimit(let limit): "the metric frame goes beyond the limit \(limit)"
        case .compression(let error): "the metric frame does not inflate: \(error)"
        }
    }
}
