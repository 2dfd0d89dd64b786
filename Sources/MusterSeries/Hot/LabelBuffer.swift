package import MusterModel

/// Where the name and the value of a label stand in a buffer of bytes.
package struct LabelSlice: BitwiseCopyable, Sendable {
    package var nameStart: UInt32
    package var nameCount: UInt32
    package var valueStart: UInt32
    package var valueCount: UInt32

    package init(nameStart: UInt32, nameCount: UInt32, valueStart: UInt32, valueCount: UInt32) {
        self.nameStart = nameStart
        self.nameCount = nameCount
        self.valueStart = valueStart
        self.valueCount = valueCount
    }

    /// Whether both lie in a buffer of so many bytes.
    func isWithin(_ count: Int) -> Bool {
        Int(nameStart) + Int(nameCount) <= count && Int(valueStart) + Int(valueCount) <= count
    }

    var name: Range<Int> { Int(nameStart)..<Int(nameStart) + Int(nameCount) }
    var value: Range<Int> { Int(valueStart)..<Int(valueStart) + Int(valueCount) }
}

/// Labels put together as bytes, in any order, to ask a store for their series. Keeps its storage when it is emptied.
package struct LabelBuffer: Sendable {
    package private(set) var bytes: [UInt8] = []
    package private(set) var slices: [LabelSlice] = []

    package init() {}

    package init(_ labels: Labels) {
        for label in labels.pairs { append(label.name, label.value) }
    }

    package mutating func append(_ name: String, _ value: String) {
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let middle = bytes.count
        bytes.append(contentsOf: value.utf8)
        note(start, middle)
    }

    package mutating func append(_ name: Span<UInt8>, _ value: Span<UInt8>) {
        let start = bytes.count
        for index in name.indices { bytes.append(name[index]) }
        let middle = bytes.count
        for index in value.indices { bytes.append(value[index]) }
        note(start, middle)
    }

    private mutating func note(_ start: Int, _ middle: Int) {
        slices.append(
            LabelSlice(
                nameStart: UInt32(clamping: start), nameCount: UInt32(clamping: middle - start),
                valueStart: UInt32(clamping: middle), valueCount: UInt32(clamping: bytes.count - middle)))
    }

    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        slices.removeAll(keepingCapacity: true)
    }
}

/// Why a store does not make a series.
package enum SeriesRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    case overOwnerBudget(limit: Int)
    case overMetricBudget(limit: Int)
    case outOfMemoryBudget(limit: Int)
    case badLabels(LabelFault)
    case unknownOwner
    /// Neither the host or target nor its series are known, and there is no room for another.
    case tooManyOwners

    package var description: String {
        switch self {
        case .overOwnerBudget(let limit):
            "the sender has \(limit) series, the most it may have; drop labels with many values, or raise its budget"
        case .overMetricBudget(let limit):
            "the metric has \(limit) series, the most that one may have; drop labels with many values"
        case .outOfMemoryBudget(let limit):
            "the series in memory use \(limit) bytes, the most that they may; the series that exist go on"
        case .badLabels(let fault): "the labels of the series are not valid: \(fault)"
        case .tooManyOwners: "there is no room for another host or target; those that have series go on"
        case .unknownOwner: "the owner of the series was forgotten; register it again"
        }
    }
}

/// What is wrong with a set of labels.
package enum LabelFault: Equatable, Sendable, CustomStringConvertible {
    case outsideBuffer
    case none
    case tooMany(Int)
    case emptyName
    case nameTooLong(bytes: Int)
    case valueTooLong(bytes: Int)
    case notText
    case twice(String)

    package var description: String {
        switch self {
        case .outsideBuffer: "a label lies outside of the message"
        case .none: "there is no label with a value"
        case .tooMany(let count): "\(count) labels, \(Limits.labelsPerSet) are allowed"
        case .emptyName: "a label has no name"
        case .nameTooLong(let bytes): "a label's name has \(bytes) bytes, \(Limits.labelNameBytes) are allowed"
        case .valueTooLong(let bytes): "a label's value has \(bytes) bytes, \(Limits.labelValueBytes) are allowed"
        case .notText: "a label is not valid UTF-8"
        case .twice(let name): "the label \(name) stands twice"
        }
    }

    /// What is wrong with these labels, nil when nothing is.
    static func first(in slices: Span<LabelSlice>, of bytes: Span<UInt8>) -> LabelFault? {
        guard slices.count <= Limits.labelsPerSet else { return .tooMany(slices.count) }
        var valueCount = 0
        for index in slices.indices {
            let slice = slices[index]
            guard slice.isWithin(bytes.count) else { return .outsideBuffer }
            guard slice.nameCount > 0 else { return .emptyName }
            guard slice.nameCount <= Limits.labelNameBytes else { return .nameTooLong(bytes: Int(slice.nameCount)) }
            guard slice.valueCount <= Limits.labelValueBytes else { return .valueTooLong(bytes: Int(slice.valueCount)) }
            let name = bytes.extracting(slice.name)
            guard SymbolTable.isText(name), SymbolTable.isText(bytes.extracting(slice.value)) else { return .notText }
            for other in 0..<index where isEqual(bytes.extracting(slices[other].name), name) {
                return .twice((try? String(copying: UTF8Span(validating: name))) ?? "")
            }
            if slice.valueCount > 0 { valueCount += 1 }
        }
        return valueCount == 0 ? LabelFault.none : nil
    }
}
