import MusterModel

/// One record of the ledger's journal. Bytes: version 1, kind, fields as varints.
enum TailRecord: Equatable {
    private static let version: UInt8 = 1

    /// A snapshot begins: everything before it is void.
    case snapshot(nextSequence: UInt64, nextSource: UInt64, acknowledged: UInt64)
    /// A source as it is now, new or changed.
    case source(TailedSource)
    case cut(TailedRange)
    case acknowledged(UInt64)
    case lost(UInt64)
    case forgotten(TailedSource.ID)

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = [Self.version]
        switch self {
        case .snapshot(let nextSequence, let nextSource, let acknowledged):
            bytes.append(1)
            bytes.appendVarint(nextSequence)
            bytes.appendVarint(nextSource)
            bytes.appendVarint(acknowledged)
        case .source(let source):
            bytes.append(2)
            Self.append(source, to: &bytes)
        case .cut(let range):
            bytes.append(3)
            bytes.appendVarint(range.sequence)
            bytes.appendVarint(range.source.number)
            bytes.appendVarint(range.start)
            bytes.appendVarint(range.end)
            bytes.appendVarint(UInt64(range.lineCount))
            bytes.appendZigzag(range.arrival.nanoseconds)
            Self.append(range.tail, to: &bytes)
        case .acknowledged(let sequence):
            bytes.append(4)
            bytes.appendVarint(sequence)
        case .lost(let sequence):
            bytes.append(5)
            bytes.appendVarint(sequence)
        case .forgotten(let id):
            bytes.append(6)
            bytes.appendVarint(id.number)
        }
        return bytes
    }

    init(decoding bytes: [UInt8]) throws(ByteCursor.Malformed) {
        guard bytes.count <= LogLimits.ledgerRecordBytes else { throw ByteCursor.Malformed(what: "record size") }
        var cursor = ByteCursor(bytes[...])
        guard try cursor.byte("version") == Self.version else { throw ByteCursor.Malformed(what: "version") }
        switch try cursor.byte("kind") {
        case 1:
            self = .snapshot(
                nextSequence: try cursor.varint("next sequence"), nextSource: try cursor.varint("next source"),
                acknowledged: try cursor.varint("acknowledged"))
        case 2: self = .source(try Self.source(&cursor))
        case 3: self = .cut(try Self.range(&cursor))
        case 4: self = .acknowledged(try cursor.varint("sequence"))
        case 5: self = .lost(try cursor.varint("sequence"))
        case 6: self = .forgotten(TailedSource.ID(number: try cursor.varint("source")))
        default: throw ByteCursor.Malformed(what: "kind")
        }
        guard cursor.isAtEnd else { throw ByteCursor.Malformed(what: "end") }
    }

    private static func append(_ source: TailedSource, to bytes: inout [UInt8]) {
        bytes.appendVarint(source.id.number)
        bytes.appendVarint(source.identity.device)
        bytes.appendVarint(source.identity.inode)
        bytes.appendZigzag(source.identity.birth)
        bytes.append(source.kind.rawValue)
        bytes.appendText(source.path)
        source.labels.append(to: &bytes)
        append(source.head, to: &bytes)
        append(source.tail, to: &bytes)
        bytes.appendVarint(source.read)
        bytes.appendVarint(source.acknowledged)
        bytes.append(source.presence == .gone ? 1 : 0)
    }

    private static func source(_ cursor: inout ByteCursor) throws(ByteCursor.Malformed) -> TailedSource {
        let id = TailedSource.ID(number: try cursor.varint("source"))
        let identity = FileIdentity(
            device: try cursor.varint("device"), inode: try cursor.varint("inode"), birth: try cursor.zigzag("birth"))
        guard let kind = LogFileKind(rawValue: try cursor.byte("file kind")) else {
            throw ByteCursor.Malformed(what: "file kind")
        }
        let path = try cursor.text("path", limit: LogLimits.pathBytes)
        let labels = try Labels(reading: &cursor)
        let head = try marker(&cursor)
        let tail = try marker(&cursor)
        let read = try cursor.varint("read")
        let acknowledged = try cursor.varint("acknowledged")
        guard acknowledged <= read, read <= UInt64(Int64.max) else { throw ByteCursor.Malformed(what: "offsets") }
        let isGone = try cursor.byte("presence") == 1
        return TailedSource(
            id: id, identity: identity, kind: kind, path: path, labels: labels, head: head, tail: tail, read: read,
            acknowledged: acknowledged, presence: isGone ? .gone : .present)
    }

    private static func range(_ cursor: inout ByteCursor) throws(ByteCursor.Malformed) -> TailedRange {
        let sequence = try cursor.varint("sequence")
        let source = TailedSource.ID(number: try cursor.varint("source"))
        let start = try cursor.varint("start")
        let end = try cursor.varint("end")
        guard start < end, end <= UInt64(Int64.max), sequence > 0, sequence < UInt64.max else {
            throw ByteCursor.Malformed(what: "range")
        }
        return TailedRange(
            sequence: sequence, source: source, start: start, end: end,
            lineCount: try cursor.count("line count", limit: Limits.logBlockBytes),
            arrival: Instant(nanoseconds: try cursor.zigzag("arrival")), tail: try marker(&cursor))
    }

    private static func append(_ marker: ContentMarker, to bytes: inout [UInt8]) {
        bytes.appendVarint(UInt64(marker.length))
        if marker.length > 0 { bytes.appendVarint(marker.hash) }
    }

    private static func marker(_ cursor: inout ByteCursor) throws(ByteCursor.Malformed) -> ContentMarker {
        let length = try cursor.count("marker length", limit: LogLimits.headMarkerBytes)
        return length == 0 ? .none : ContentMarker(length: length, hash: try cursor.varint("marker"))
    }
}
