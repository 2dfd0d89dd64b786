/// What a metric store consists of at one moment: the files that count, the place in the log from which on it is read
/// again, and the place up to which its samples are in parts. Whatever a directory holds besides is left over from a
/// crash.
package struct StoreManifest: Equatable, Sendable {
    /// A part file.
    package struct Part: Equatable, Sendable {
        package var number: UInt32
        package var bytes: UInt64
        /// Milliseconds of the first and the last row in it.
        package var from: Int64
        package var to: Int64
        /// How often its blocks were merged; see `MergePlan`.
        package var level: UInt8

        package init(number: UInt32, bytes: UInt64, from: Int64, to: Int64, level: UInt8) {
            self.number = number
            self.bytes = bytes
            self.from = from
            self.to = to
            self.level = level
        }
    }

    /// A file and how much of it counts.
    package struct File: Equatable, Sendable {
        package var number: UInt32
        package var bytes: UInt64

        package init(number: UInt32, bytes: UInt64) {
            self.number = number
            self.bytes = bytes
        }
    }

    /// A place in the log of received frames.
    package struct LogPlace: Equatable, Comparable, Sendable {
        package var segment: UInt64
        package var offset: UInt64

        package init(segment: UInt64, offset: UInt64) {
            self.segment = segment
            self.offset = offset
        }

        package static func < (a: LogPlace, b: LogPlace) -> Bool {
            (a.segment, a.offset) < (b.segment, b.offset)
        }
    }

    package static let maxParts = 20_000

    /// Oldest first. A merged part takes the place of those it was made of.
    package var parts: [Part] = []
    package var catalogue: File?
    /// The log is read again from here on.
    package var replayFrom = LogPlace(segment: 0, offset: 0)
    /// Samples of the records of the log up to this place are in parts; of those from `replayFrom` to here only what
    /// they define is still needed.
    package var appliedThrough = LogPlace(segment: 0, offset: 0)
    /// Numbers below these were given out.
    package var nextFile: UInt32 = 1
    package var nextGroup: UInt32 = 1

    package init() {}
}

extension StoreManifest {
    static let version: UInt64 = 1

    /// Throws `.unwritable` beyond a limit, and when `appliedThrough` is before `replayFrom`.
    package func encode() throws(FormatError) -> [UInt8] {
        guard parts.count <= Self.maxParts else { throw .unwritable("\(parts.count) parts in a manifest") }
        guard appliedThrough >= replayFrom else { throw .unwritable("a place to replay from behind what is in parts") }
        var bytes: [UInt8] = []
        for number in [Self.version, UInt64(nextFile), UInt64(nextGroup)] { Varint.append(number, to: &bytes) }
        for place in [replayFrom, appliedThrough] {
            Varint.append(place.segment, to: &bytes)
            Varint.append(place.offset, to: &bytes)
        }
        // Number 0 is given to no file.
        Varint.append(UInt64(catalogue?.number ?? 0), to: &bytes)
        Varint.append(catalogue?.bytes ?? 0, to: &bytes)
        Varint.append(UInt64(parts.count), to: &bytes)
        for part in parts {
            Varint.append(UInt64(part.number), to: &bytes)
            Varint.append(part.bytes, to: &bytes)
            Varint.append(Varint.zigzag(part.from), to: &bytes)
            Varint.append(UInt64(bitPattern: part.to &- part.from), to: &bytes)
            bytes.append(part.level)
        }
        return bytes
    }

    /// Throws `.newerFormat` or `.damaged`.
    package init(decoding bytes: ArraySlice<UInt8>) throws(FormatError) {
        var reader = ByteReader(bytes)
        guard let found = reader.varint(), found > 0 else { throw .damaged("an empty manifest") }
        guard found <= Self.version else {
            throw .newerFormat(what: "the manifest", version: found, known: Self.version)
        }
        guard readFiles(&reader), readParts(&reader), reader.isAtEnd else {
            throw .damaged("the manifest ends early or has impossible numbers")
        }
    }

    private mutating func readFiles(_ reader: inout ByteReader) -> Bool {
        guard let nextFile = reader.word32(), let nextGroup = reader.word32(),
            let replayFrom = Self.readPlace(&reader), let appliedThrough = Self.readPlace(&reader),
            appliedThrough >= replayFrom, let catalogue = reader.word32(), let catalogueBytes = reader.varint()
        else { return false }
        self.nextFile = nextFile
        self.nextGroup = nextGroup
        self.replayFrom = replayFrom
        self.appliedThrough = appliedThrough
        if catalogue > 0 { self.catalogue = File(number: catalogue, bytes: catalogueBytes) }
        return true
    }

    private static func readPlace(_ reader: inout ByteReader) -> LogPlace? {
        guard let segment = reader.varint(), let offset = reader.varint() else { return nil }
        return LogPlace(segment: segment, offset: offset)
    }

    private mutating func readParts(_ reader: inout ByteReader) -> Bool {
        guard let count = reader.count(upTo: min(Self.maxParts, reader.left / 5)) else { return false }
        parts.reserveCapacity(count)
        for _ in 0..<count {
            guard let number = reader.word32(), number > 0, let bytes = reader.varint(), let from = reader.zigzag(),
                let span = reader.varint(), let level = reader.byte()
            else { return false }
            let to = from &+ Int64(bitPattern: span)
            guard to >= from else { return false }
            parts.append(Part(number: number, bytes: bytes, from: from, to: to, level: level))
        }
        return true
    }
}
