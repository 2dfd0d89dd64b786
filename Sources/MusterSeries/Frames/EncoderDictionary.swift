import MusterModel

/// What an agent has told about its series in the epoch that is open.
struct EncoderDictionary: Sendable {
    /// Definitions on their way into a frame: what is new in the tables and the series, as they will stand there.
    struct Definition: Sendable {
        var strings: [UInt8] = []
        var stringCount = 0
        var family: [UInt8] = []
        var start: [UInt8] = []
        var series: [UInt8] = []

        var bytes: Int { strings.count + family.count + start.count + series.count }
    }

    private static let unknown: Int32 = -1
    private static let refused: Int32 = -2

    enum Known { case ref(Int), refused, unknown }

    /// By handle.
    private var refs: [Int32] = []
    private var strings: [String: UInt32] = [:]
    private var families: [MetricFamily: UInt32] = [:]
    private var starts: [Int64: UInt32] = [:]
    private(set) var stringBytes = 0
    private(set) var nextRef = 0

    var stringCount: Int { strings.count }

    @inline(__always)
    func known(_ handle: Int) -> Known {
        guard handle < refs.count, refs[handle] != Self.unknown else { return .unknown }
        return refs[handle] == Self.refused ? .refused : .ref(Int(refs[handle]))
    }

    /// Nil when the epoch has no room for the texts.
    mutating func define(_ handle: Int, _ series: MetricSeries) -> (ref: Int, definition: Definition)? {
        var bytes = 0
        var count = 0
        let texts = series.labels.pairs.flatMap { [$0.name, $0.value] } + [series.family.unit, series.family.help]
        for text in texts where strings[text] == nil {
            count += 1
            bytes += text.utf8.count
        }
        // The name of the family is the value of a label.
        guard strings.count + count + 1 <= MetricFrame.stringsPerEpoch,
            stringBytes + bytes <= MetricFrame.stringBytesPerEpoch
        else { return nil }
        var definition = Definition()
        spell(series, in: &definition)
        let ref = nextRef
        nextRef += 1
        mark(handle, Int32(ref))
        return (ref, definition)
    }

    mutating func refuse(_ handle: Int) { mark(handle, Self.refused) }

    /// Frees the handle. The ref of its series, when it has one.
    mutating func end(_ handle: Int) -> Int? {
        guard handle >= 0, handle < refs.count else { return nil }
        let ref = refs[handle]
        refs[handle] = Self.unknown
        return ref >= 0 ? Int(ref) : nil
    }

    private mutating func spell(_ series: MetricSeries, in definition: inout Definition) {
        Varint.append(family(series.family, in: &definition), to: &definition.series)
        Varint.append(start(series.startMilliseconds, in: &definition), to: &definition.series)
        let labels = series.labels.pairs.filter { $0.name != MetricSeries.nameLabel }
        Varint.append(UInt64(labels.count), to: &definition.series)
        for label in labels {
            Varint.append(string(label.name, in: &definition), to: &definition.series)
            Varint.append(string(label.value, in: &definition), to: &definition.series)
        }
    }

    private mutating func string(_ text: String, in definition: inout Definition) -> UInt64 {
        if let index = strings[text] { return UInt64(index) }
        let index = UInt32(strings.count)
        strings[text] = index
        stringBytes += text.utf8.count
        Varint.append(UInt64(text.utf8.count), to: &definition.strings)
        definition.strings.append(contentsOf: text.utf8)
        definition.stringCount += 1
        return UInt64(index)
    }

    private mutating func family(_ family: MetricFamily, in definition: inout Definition) -> UInt64 {
        if let index = families[family] { return UInt64(index) }
        let index = UInt32(families.count)
        families[family] = index
        Varint.append(string(family.name, in: &definition), to: &definition.family)
        definition.family.append(family.kind.rawValue)
        Varint.append(string(family.unit, in: &definition), to: &definition.family)
        Varint.append(string(family.help, in: &definition), to: &definition.family)
        return UInt64(index)
    }

    /// 0 for none.
    private mutating func start(_ milliseconds: Int64?, in definition: inout Definition) -> UInt64 {
        guard let milliseconds else { return 0 }
        if let index = starts[milliseconds] { return UInt64(index) + 1 }
        let index = UInt32(starts.count)
        starts[milliseconds] = index
        Varint.append(Varint.zigzag(milliseconds), to: &definition.start)
        return UInt64(index) + 1
    }

    private mutating func mark(_ handle: Int, _ ref: Int32) {
        if handle >= refs.count {
            refs.append(contentsOf: repeatElement(Self.unknown, count: handle + 1 - refs.count))
        }
        refs[handle] = ref
    }
}
