import MusterModel

/// What an agent has told about its series in the epoch that is open.
struct EncoderDictionary: Sendable {
    /// A definition on its way into a frame: new strings and label pairs as they will stand there.
    struct Definition: Sendable {
        var strings: [UInt8] = []
        var stringCount = 0
        var pairs: [UInt8] = []
    }

    private static let unknown: Int32 = -1
    private static let refused: Int32 = -2

    enum Known { case ref(Int), refused, unknown }

    /// By handle.
    private var refs: [Int32] = []
    private var strings: [String: Int] = [:]
    private(set) var stringBytes = 0
    /// Refs without an end, ascending.
    private(set) var live: [Int] = []
    private(set) var nextRef = 0
    /// Refs below it stand in a frame already.
    var sentRefs = 0
    /// The bit pattern sent last, by ref.
    var previous: [UInt64] = []

    var stringCount: Int { strings.count }

    @inline(__always)
    func known(_ handle: Int) -> Known {
        guard handle < refs.count, refs[handle] != Self.unknown else { return .unknown }
        return refs[handle] == Self.refused ? .refused : .ref(Int(refs[handle]))
    }

    /// Nil when the epoch has no room for the labels' strings.
    mutating func define(_ handle: Int, _ labels: Labels) -> (ref: Int, definition: Definition)? {
        var newStrings = 0
        var newBytes = 0
        for label in labels.pairs {
            for text in [label.name, label.value] where strings[text] == nil {
                newStrings += 1
                newBytes += text.utf8.count
            }
        }
        guard strings.count + newStrings <= MetricFrame.stringsPerEpoch,
            stringBytes + newBytes <= MetricFrame.stringBytesPerEpoch
        else { return nil }
        var definition = Definition()
        Varint.append(UInt64(labels.count), to: &definition.pairs)
        for label in labels.pairs {
            spell(label.name, in: &definition)
            spell(label.value, in: &definition)
        }
        let ref = nextRef
        nextRef += 1
        mark(handle, Int32(ref))
        live.append(ref)
        previous.append(0)
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

    /// `ended` is ascending.
    mutating func forget(_ ended: [Int]) { live.removeAll(ascending: ended) }

    private mutating func spell(_ text: String, in definition: inout Definition) {
        if let index = strings[text] {
            Varint.append(UInt64(index), to: &definition.pairs)
            return
        }
        let index = strings.count
        strings[text] = index
        stringBytes += text.utf8.count
        Varint.append(UInt64(text.utf8.count), to: &definition.strings)
        definition.strings.append(contentsOf: text.utf8)
        definition.stringCount += 1
        Varint.append(UInt64(index), to: &definition.pairs)
    }

    private mutating func mark(_ handle: Int, _ ref: Int32) {
        if handle >= refs.count {
            refs.append(contentsOf: repeatElement(Self.unknown, count: handle + 1 - refs.count))
        }
        refs[handle] = ref
    }
}

extension [Int] {
    /// Removes elements of an ascending array; `removed` is ascending too.
    mutating func removeAll(ascending removed: [Int]) {
        guard !removed.isEmpty else { return }
        var next = 0
        removeAll { element in
            while next < removed.count, removed[next] < element { next += 1 }
            return next < removed.count && removed[next] == element
        }
    }
}
