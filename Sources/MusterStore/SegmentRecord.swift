package import MusterModel

/// One received or spooled frame as it is stored. Its identity is for ever; a second record with the same `id` is a
/// duplicate.
package struct SegmentRecord: Equatable, Sendable {
    package var id: FrameID
    /// How `payload` is encoded; its meaning belongs to MusterWire.
    package var codec: UInt8
    /// When this process received or made it.
    package var received: Instant
    /// At most `SegmentLog.payloadBytes`.
    package var payload: [UInt8]

    package init(id: FrameID, codec: UInt8, received: Instant, payload: [UInt8]) {
        self.id = id
        self.codec = codec
        self.received = received
        self.payload = payload
    }
}

/// Where a record stands. Positions order as records do, also across segments.
package struct SegmentPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var segment: UInt64
    /// Bytes from the start of the segment's file.
    package var offset: Int

    package init(segment: UInt64, offset: Int) {
        self.segment = segment
        self.offset = offset
    }

    /// In front of every record.
    package static let start = SegmentPosition(segment: 0, offset: 0)

    package static func < (a: SegmentPosition, b: SegmentPosition) -> Bool {
        (a.segment, a.offset) < (b.segment, b.offset)
    }

    package var description: String { "\(segment):\(offset)" }
}

/// A record as a scan meets it.
package struct StoredRecord: Equatable, Sendable {
    package var position: SegmentPosition
    package var id: FrameID
    package var codec: UInt8
    package var received: Instant
    package var payloadBytes: Int
    /// Empty in a scan of heads.
    package var payload: [UInt8]

    package var record: SegmentRecord { SegmentRecord(id: id, codec: codec, received: received, payload: payload) }
}

/// A record's head in a frame, little-endian:
///
///     class u8 | codec u8 | sequence u64 | received i64 | boot high u64 | boot low u64 | host, UTF-8 to the end
enum RecordHead {
    static let fixedBytes = 34

    static func encode(_ record: SegmentRecord) -> [UInt8] {
        var head: [UInt8] = []
        head.reserveCapacity(fixedBytes + Limits.nameBytes)
        head.append(record.id.class.rawValue)
        head.append(record.codec)
        head.append(littleEndian: record.id.sequence)
        head.append(littleEndian: UInt64(bitPattern: record.received.nanoseconds))
        head.append(littleEndian: record.id.boot.high)
        head.append(littleEndian: record.id.boot.low)
        head.append(contentsOf: record.id.host.text.utf8)
        return head
    }

    /// Nil for a head this version cannot name, such as an unknown class.
    static func decode(_ frame: FrameScanner.Frame, segment: UInt64) -> StoredRecord? {
        let head = frame.head
        guard head.count > fixedBytes, let trafficClass = TrafficClass(rawValue: head[0]),
            let host = HostID(String(decoding: head[fixedBytes...], as: UTF8.self))
        else { return nil }
        let boot = BootID(
            high: head.littleEndian(UInt64.self, at: 18), low: head.littleEndian(UInt64.self, at: 26))
        let id = FrameID(
            host: host, boot: boot, class: trafficClass, sequence: head.littleEndian(UInt64.self, at: 2))
        return StoredRecord(
            position: SegmentPosition(segment: segment, offset: frame.offset), id: id, codec: head[1],
            received: Instant(nanoseconds: Int64(bitPattern: head.littleEndian(UInt64.self, at: 10))),
            payloadBytes: frame.payloadBytes, payload: frame.payload)
    }
}
