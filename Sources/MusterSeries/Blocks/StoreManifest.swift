package import MusterModel

/// What a metric store consists of at one moment: the files that count and the place in the log from which on it is
/// read again. Whatever a directory holds besides is left over from a crash.
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

    /// How far the frames of one boot of a host are in the store; the meaning of the places is the caller's.
    package struct StreamMark: Equatable, Sendable {
        package var host: HostID
        package var boot: BootID
        package var sequences: [UInt64]

        package init(host: HostID, boot: BootID, sequences: [UInt64]) {
            self.host = host
            self.boot = boot
            self.sequences = sequences
        }
    }

    package static let maxParts = 20_000
    package static let maxMarks = 100_000
    package static let maxSequences = 16

    /// Oldest first. A merged part takes the place of those it was made of.
    package var parts: [Part] = []
    package var catalogue: File?
    /// The states of the stream decoders, one record for each stream.
    package var decoders: File?
    package var replayFrom = LogPlace(segment: 0, offset: 0)
    package var marks: [StreamMark] = []
    /// Numbers below these were given out.
    package var nextFile: UInt32 = 1
    package var nextGroup: UInt32 = 1

    package init() {}
}

extension StoreManifest {
    static let version: UInt64 = 1

    /// Throws `.unwritable` beyond a limit.
    package func encode() throws(FormatError) -> [UInt8] {
        guard parts.count <= Self.maxParts else { throw .unwritable("\(parts.count) parts in a manifest") }
        guard marks.count <= Self.maxMarks else { throw .unwritable("\(marks.count) streams in a manifest") }
        var bytes: [UInt8] = []
        for number in [Self.version, UInt64(nextFile), UInt64(nextGroup), replayFrom.segment, replayFrom.offset] {
            Varint.append(number, to: &bytes)
        }
        for file in [catalogue, decoders] {
            // Number 0 is given to no file.
            Varint.append(UInt64(file?.number ?? 0), to: &bytes)
            Varint.append(file?.bytes ?? 0, to: &bytes)
        }
        Varint.append(UInt64(parts.count), to: &bytes)
        for part in parts {
            Varint.append(UInt64(part.number), to: &bytes)
            Varint.append(part.bytes, to: &bytes)
            Varint.append(Varint.zigzag(part.from), to: &bytes)
            Varint.append(UInt64(bitPattern: part.to &- part.from), to: &bytes)
            bytes.append(part.level)
        }
        Varint.append(UInt64(marks.count), to: &bytes)
        for mark in marks {
            guard mark.sequences.count <= Self.maxSequences else {
                throw .unwritable("\(mark.sequences.count) sequences of one stream")
            }
            bytes.appendBlob(mark.host.text.utf8)
            bytes.appendFixed(mark.boot.high)
            bytes.appendFixed(mark.boot.low)
            Varint.append(UInt64(mark.sequences.count), to: &bytes)
            for sequence in mark.sequences { Varint.append(sequence, to: &bytes) }
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
        guard readFiles(&reader), readParts(&reader), readMarks(&reader), reader.isAtEnd else {
            throw .damaged("the manifest ends early or has impossible numbers")
        }
    }

    private mutating func readFiles(_ reader: inout ByteReader) -> Bool {
        guard let nextFile = reader.word32(), let nextGroup = reader.word32(), let segment = reader.varint(),
            let offset = reader.varint(), let catalogue = reader.word32(), let catalogueBytes = reader.varint(),
            let decoders = reader.word32(), let decoderBytes = reader.varint()
        else { return false }
        self.nextFile = nextFile
        self.nextGroup = nextGroup
        replayFrom = LogPlace(segment: segment, offset: offset)
        if catalogue > 0 { self.catalogue = File(number: catalogue, bytes: catalogueBytes) }
        if decoders > 0 { self.decoders = File(number: decoders, bytes: decoderBytes) }
        return true
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

    private mutating func readMarks(_ reader: inout ByteReader) -> Bool {
        guard let count = reader.count(upTo: min(Self.maxMarks, reader.left / 18)) else { return false }
        marks.reserveCapacity(count)
        for _ in 0..<count {
            guard let name = reader.blob(upTo: Limits.nameBytes),
                let host = HostID(String(decoding: name, as: UTF8.self)), host.text.utf8.elementsEqual(name),
                let high = reader.fixed64(), let low = reader.fixed64(),
                let places = reader.count(upTo: Self.maxSequences)
            else { return false }
            var sequences: [UInt64] = []
            for _ in 0..<places {
                guard let sequence = reader.varint() else { return false }
                sequences.append(sequence)
            }
            marks.append(StreamMark(host: host, boot: BootID(high: high, low: low), sequences: sequences))
        }
        return true
    }
}
