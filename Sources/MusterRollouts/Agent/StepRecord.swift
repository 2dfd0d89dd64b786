package import MusterModel

/// One record of the step journal.
///
/// Bytes: version (1), kind, then the fields; integers little-endian, texts with a length of four bytes, durations as
/// nanoseconds. The journal's file adds length and checksum.
package enum StepRecord: Equatable, Sendable {
    case intent(RolloutStep)
    case finished(StepKey, StepOutcome)
    case reported(StepKey)
    /// What stays after keys were forgotten.
    case floor(epoch: UInt64, expiredThrough: Instant)

    package static let version: UInt8 = 1
    /// A record on disk.
    package static let bytesLimit = 64 << 10
    /// One text of an outcome; longer ones are cut.
    package static let textBytes = 4_096
    /// Names of containers in an outcome, labels in a selector.
    package static let listCount = 64

    /// Nil when the record would be larger than `bytesLimit`.
    package func encoded() -> [UInt8]? {
        var writer = StepRecordWriter()
        writer.byte(Self.version)
        switch self {
        case .intent(let step):
            writer.byte(1)
            writer.step(step)
        case .finished(let key, let outcome):
            writer.byte(2)
            writer.key(key)
            writer.outcome(outcome)
        case .reported(let key):
            writer.byte(3)
            writer.key(key)
        case .floor(let epoch, let expiredThrough):
            writer.byte(4)
            writer.word(epoch)
            writer.signed(expiredThrough.nanoseconds)
        }
        return writer.bytes.count <= Self.bytesLimit && !writer.isListTooLong ? writer.bytes : nil
    }

    package init(decoding bytes: [UInt8]) throws(StepRecordError) {
        guard bytes.count <= Self.bytesLimit else { throw .tooLong(bytes: bytes.count) }
        var reader = StepRecordReader(bytes)
        let version = try reader.byte()
        guard version == Self.version else { throw .unknownVersion(version) }
        let kind = try reader.byte()
        switch kind {
        case 1: self = .intent(try reader.step())
        case 2: self = .finished(try reader.key(), try reader.outcome())
        case 3: self = .reported(try reader.key())
        case 4: self = .floor(epoch: try reader.word(), expiredThrough: Instant(nanoseconds: try reader.signed()))
        default: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

package enum StepRecordError: Error, Equatable, CustomStringConvertible {
    case truncated(at: Int)
    case tooLong(bytes: Int)
    case trailingBytes(Int)
    case unknownVersion(UInt8)
    case unknownKind(UInt8)
    case invalidField(String)

    package var description: String {
        switch self {
        case .truncated(let offset): "a record of the step journal ends at byte \(offset), in the middle of a field"
        case .tooLong(let bytes): "a record of the step journal has \(bytes) bytes, more than \(StepRecord.bytesLimit)"
        case .trailingBytes(let count): "\(count) bytes follow the end of a record of the step journal"
        case .unknownVersion(let version):
            "a record of the step journal has version \(version); this agent reads \(StepRecord.version): "
                + "run the newer agent that wrote it"
        case .unknownKind(let kind): "a record of the step journal has the unknown kind \(kind)"
        case .invalidField(let field): "a record of the step journal has an invalid \(field)"
        }
    }
}

extension StepOutcome {
    /// The same outcome with texts and lists cut to what a record holds.
    package func bounded() -> StepOutcome {
        switch self {
        case .succeeded(let detail):
            .succeeded(
                StepDetail(
                    previousImage: cut(detail.previousImage),
                    containers: detail.containers.prefix(StepRecord.listCount).map { cut($0, limit: Limits.nameBytes) },
                    note: cut(detail.note)))
        case .failed(let reason, let rolledBack): .failed(reason: cut(reason), rolledBack: rolledBack)
        case .refused(let reason): .refused(reason: cut(reason))
        }
    }

    /// The longest valid beginning of at most `limit` bytes.
    private func cut(_ text: String, limit: Int = StepRecord.textBytes) -> String {
        guard text.utf8.count > limit else { return text }
        var kept = Array(text.utf8.prefix(limit))
        while true {
            if let valid = String(validating: kept, as: UTF8.self) { return valid }
            kept.removeLast()
        }
    }
}
