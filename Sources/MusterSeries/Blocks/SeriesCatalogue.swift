package import MusterModel

/// A piece of the catalogue: which series sits in which group and slot, under which labels. It stands by itself: every
/// text is in its own table, and everything else names texts by their number in it. Texts are bytes, because most of
/// them are never looked at.
///
///     chunk := CatalogueChunk()
///     name := chunk.add(text: "up".utf8) ...          // the caller knows which texts it added already
///     chunk.beginGroup(7, owner: key)
///     chunk.addSeries(slot: 0, pairs: [name, value, ...])
package struct CatalogueChunk: Equatable, Sendable {
    /// All texts one behind the other, and where each ends.
    package struct Texts: Equatable, Sendable {
        package fileprivate(set) var bytes: [UInt8] = []
        package fileprivate(set) var ends: [UInt32] = []

        package var count: Int { ends.count }

        /// The bytes of text `number`, which is below `count`.
        package subscript(number: UInt32) -> ArraySlice<UInt8> {
            let index = Int(number)
            return bytes[(index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])]
        }
    }

    /// A group and its series in this chunk: those from the end of the group before up to `seriesEnd`.
    package struct Group: Equatable, Sendable {
        package var id: GroupID
        /// Text: the key of the owner.
        package var owner: UInt32
        package var seriesEnd: UInt32
    }

    /// One series; its labels are the pairs from the end of the series before up to `pairsEnd`.
    package struct Series: Equatable, Sendable {
        package var slot: UInt8
        package var pairsEnd: UInt32
    }

    /// What is known about a metric name; all texts.
    package struct Metadata: Equatable, Sendable {
        package var name: UInt32
        package var type: UInt32
        package var unit: UInt32
        package var help: UInt32

        package init(name: UInt32, type: UInt32, unit: UInt32, help: UInt32) {
            self.name = name
            self.type = type
            self.unit = unit
            self.help = help
        }
    }

    /// Of one chunk before it is packed. What is larger is refused by both ends.
    package static let maxBytes = 32 << 20
    /// Where a chunk should be ended: small enough to be read at once and to be lost alone.
    static let fullBytes = 1 << 20

    package private(set) var texts = Texts()
    package private(set) var groups: [Group] = []
    package private(set) var series: [Series] = []
    /// Name, value, name, value: texts.
    package private(set) var pairs: [UInt32] = []
    package private(set) var metadata: [Metadata] = []
    /// Groups that are no more, whichever chunk they are in.
    package private(set) var dropped: [GroupID] = []

    package init() {}

    package var isEmpty: Bool { groups.isEmpty && metadata.isEmpty && dropped.isEmpty }
    /// True when the chunk should be written and the next one begun.
    package var isFull: Bool { texts.bytes.count + texts.count + pairs.count + 5 * dropped.count >= Self.fullBytes }

    /// The number of a new text; it is not compared with those that are there.
    package mutating func add(text: some Collection<UInt8>) -> UInt32 {
        texts.bytes.append(contentsOf: text)
        texts.ends.append(UInt32(clamping: texts.bytes.count))
        return UInt32(clamping: texts.count - 1)
    }

    /// The series added from here on are in this group. A group may be begun in several chunks.
    package mutating func beginGroup(_ id: GroupID, owner: UInt32) {
        groups.append(Group(id: id, owner: owner, seriesEnd: UInt32(clamping: series.count)))
    }

    /// `pairs` are texts: name, value, name, value. A group has been begun.
    package mutating func addSeries(slot: Int, pairs: some Sequence<UInt32>) {
        self.pairs.append(contentsOf: pairs)
        series.append(Series(slot: UInt8(clamping: slot), pairsEnd: UInt32(clamping: self.pairs.count)))
        if !groups.isEmpty { groups[groups.count - 1].seriesEnd = UInt32(clamping: series.count) }
    }

    package mutating func add(_ metadata: Metadata) { self.metadata.append(metadata) }
    package mutating func drop(_ group: GroupID) { dropped.append(group) }

    /// Of a group by its place in `groups`.
    package func seriesRange(ofGroup index: Int) -> Range<Int> {
        (index == 0 ? 0 : Int(groups[index - 1].seriesEnd))..<Int(groups[index].seriesEnd)
    }

    /// Of a series by its place in `series`.
    package func pairsRange(ofSeries index: Int) -> Range<Int> {
        (index == 0 ? 0 : Int(series[index - 1].pairsEnd))..<Int(series[index].pairsEnd)
    }

    /// What both ends demand, said for the one that breaks it; nil when all is well.
    var fault: String? {
        let count = UInt32(clamping: texts.count)
        if texts.bytes.count > Self.maxBytes { return "texts of \(texts.bytes.count) bytes" }
        if Int(groups.last?.seriesEnd ?? 0) != series.count { return "a series outside of all groups" }
        if Int(series.last?.pairsEnd ?? 0) != pairs.count { return "labels outside of all series" }
        if !pairs.allSatisfy({ $0 < count }) || !groups.allSatisfy({ $0.owner < count }) {
            return "a label or an owner that is no text"
        }
        var start: UInt32 = 0
        for one in series {
            if one.slot >= BlockRows.slots { return "slot \(one.slot)" }
            if !(one.pairsEnd - start).isMultiple(of: 2) { return "a label without a value" }
            start = one.pairsEnd
        }
        if !metadata.allSatisfy({ max($0.name, $0.type, $0.unit, $0.help) < count }) { return "metadata without texts" }
        return nil
    }
}

extension CatalogueChunk {
    static let version: UInt8 = 1

    /// The chunk as bytes. Throws `.unwritable`.
    ///
    ///     format u8 | packed body
    ///     body: texts: count, lengths, bytes | groups: count, (number, owner, series)
    ///           | series: (slot, labels, then for each name and value the zigzag difference to that of the series
    ///             before at the same place) | metadata: count, (name, type, unit, help) | dropped: count, numbers
    package func encode(compressor: some Compressor, level: Int = 1) throws(FormatError) -> [UInt8] {
        if let fault { throw .unwritable("a catalogue chunk has \(fault)") }
        var body: [UInt8] = []
        body.reserveCapacity(texts.bytes.count + texts.count + pairs.count + 64)
        Varint.append(UInt64(texts.count), to: &body)
        var start: UInt32 = 0
        for end in texts.ends {
            Varint.append(UInt64(end - start), to: &body)
            start = end
        }
        body += texts.bytes
        appendGroups(to: &body)
        appendSeries(to: &body)
        Varint.append(UInt64(metadata.count), to: &body)
        for one in metadata {
            for text in [one.name, one.type, one.unit, one.help] { Varint.append(UInt64(text), to: &body) }
        }
        Varint.append(UInt64(dropped.count), to: &body)
        for group in dropped { Varint.append(UInt64(group.number), to: &body) }
        guard body.count <= Self.maxBytes else { throw .unwritable("a catalogue chunk of \(body.count) bytes") }
        var bytes: [UInt8] = [Self.version]
        PackedBody.append(body, to: &bytes, compressor: compressor, level: level)
        return bytes
    }

    private func appendGroups(to body: inout [UInt8]) {
        Varint.append(UInt64(groups.count), to: &body)
        for (index, group) in groups.enumerated() {
            Varint.append(UInt64(group.id.number), to: &body)
            Varint.append(UInt64(group.owner), to: &body)
            Varint.append(UInt64(seriesRange(ofGroup: index).count), to: &body)
        }
    }

    private func appendSeries(to body: inout [UInt8]) {
        var before = 0..<0
        for index in series.indices {
            let range = pairsRange(ofSeries: index)
            body.append(series[index].slot)
            Varint.append(UInt64(range.count / 2), to: &body)
            for place in 0..<range.count {
                let old = place < before.count ? pairs[before.lowerBound + place] : 0
                let difference = Int64(pairs[range.lowerBound + place]) - Int64(old)
                Varint.append(Varint.zigzag(difference), to: &body)
            }
            before = range
        }
    }

    /// Throws `.newerFormat` or `.damaged`; what it gives keeps every rule that `encode` demands.
    package init(decoding bytes: ArraySlice<UInt8>, compressor: some Compressor) throws(FormatError) {
        var reader = ByteReader(bytes)
        guard let found = reader.byte(), found > 0 else { throw .damaged("an empty catalogue chunk") }
        guard found <= Self.version else {
            throw .newerFormat(what: "a catalogue chunk", version: UInt64(found), known: UInt64(Self.version))
        }
        reader = ByteReader(try PackedBody.read(&reader, maxBytes: Self.maxBytes, compressor: compressor))
        guard readTexts(&reader), readGroups(&reader), readSeries(&reader), readRest(&reader), reader.isAtEnd else {
            throw .damaged("a catalogue chunk ends early or has impossible numbers")
        }
        if let fault { throw .damaged("a catalogue chunk has \(fault)") }
    }

    private mutating func readTexts(_ reader: inout ByteReader) -> Bool {
        guard let count = reader.count(upTo: reader.left) else { return false }
        texts.ends.reserveCapacity(count)
        var end = 0
        for _ in 0..<count {
            guard let length = reader.count(upTo: Self.maxBytes - end) else { return false }
            end += length
            texts.ends.append(UInt32(end))
        }
        guard let bytes = reader.take(end) else { return false }
        texts.bytes = Array(bytes)
        return true
    }

    private mutating func readGroups(_ reader: inout ByteReader) -> Bool {
        guard let count = reader.count(upTo: reader.left / 3) else { return false }
        groups.reserveCapacity(count)
        var end = 0
        for _ in 0..<count {
            guard let number = reader.word32(), let owner = reader.word32(),
                let series = reader.count(upTo: reader.left)
            else { return false }
            end += series
            guard end <= Self.maxBytes else { return false }
            groups.append(Group(id: GroupID(number: number), owner: owner, seriesEnd: UInt32(end)))
        }
        return true
    }

    private mutating func readSeries(_ reader: inout ByteReader) -> Bool {
        let count = Int(groups.last?.seriesEnd ?? 0)
        // A series takes two bytes at least, a label two more.
        guard count <= reader.left / 2 else { return false }
        series.reserveCapacity(count)
        pairs.reserveCapacity(reader.left)
        var before = 0..<0
        for _ in 0..<count {
            guard let slot = reader.byte(), let labels = reader.count(upTo: reader.left / 2) else { return false }
            let start = pairs.count
            for place in 0..<(2 * labels) {
                let old = place < before.count ? Int64(pairs[before.lowerBound + place]) : 0
                guard let difference = reader.zigzag(), let text = UInt32(exactly: old &+ difference) else {
                    return false
                }
                pairs.append(text)
            }
            before = start..<pairs.count
            series.append(Series(slot: slot, pairsEnd: UInt32(pairs.count)))
        }
        return true
    }

    private mutating func readRest(_ reader: inout ByteReader) -> Bool {
        guard let count = reader.count(upTo: reader.left / 4) else { return false }
        for _ in 0..<count {
            guard let name = reader.word32(), let type = reader.word32(), let unit = reader.word32(),
                let help = reader.word32()
            else { return false }
            metadata.append(Metadata(name: name, type: type, unit: unit, help: help))
        }
        guard let drops = reader.count(upTo: reader.left) else { return false }
        for _ in 0..<drops {
            guard let number = reader.word32() else { return false }
            dropped.append(GroupID(number: number))
        }
        return true
    }
}
