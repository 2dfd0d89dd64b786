import MusterInterchange
import MusterModel

/// SplitMix64: a run is a function of its seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Bytes from hexadecimal digits; white space is skipped.
func hex(_ text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue.map(UInt8.init) }
    precondition(digits.count.isMultiple(of: 2))
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// One to four changes: a byte replaced, removed, doubled or a stretch cut off.
func mutated(_ bytes: [UInt8], _ generator: inout SplitMix) -> [UInt8] {
    var changed = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !changed.isEmpty {
        let index = Int.random(in: changed.indices, using: &generator)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: changed.remove(at: index)
        case 1: changed.insert(changed[index], at: index)
        case 2: changed.removeSubrange(index...)
        case 3: changed[index] = [0, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
        default: changed[index] = UInt8.random(in: 0...255, using: &generator)
        }
    }
    return changed
}

/// What the rows of a source stand for, as its readings say. Every reading is held to the rules of readings.
struct ReadRows {
    private(set) var live: [Int: Labels] = [:]

    /// `name{labels} value` for each series, by name; `stale` for one that ended.
    mutating func spelled(_ reading: SeriesReading) -> [String] {
        take(reading).map { "\($0.key) " + (StaleMarker.isMarker($0.value) ? "stale" : GoFloat.general($0.value)) }
            .sorted()
    }

    /// Values by the spelling of the series; the stale marker for one that ended and did not begin again.
    mutating func take(_ reading: SeriesReading) -> [String: Double] {
        var values: [String: Double] = [:]
        for row in reading.ended {
            precondition(live[row] != nil, "row \(row) ended and was not live")
            if let labels = live.removeValue(forKey: row) { values["\(labels)"] = StaleMarker.value }
        }
        for start in reading.started {
            precondition(live[start.row] == nil, "row \(start.row) was given out twice")
            live[start.row] = start.labels
        }
        precondition(Set(reading.values.map(\.row)).count == reading.values.count, "two values of one row")
        for value in reading.values {
            guard let labels = live[value.row] else { preconditionFailure("row \(value.row) is not live") }
            values["\(labels)"] = value.value
        }
        return values
    }
}

/// What a walker gave out of a request, with the labels decoded.
struct WalkedSeries: Equatable {
    var labels: Labels
    var samples: [Sample]
}

/// Walks a whole request the way an ingester does: decode the labels, refuse what breaks a rule, go on.
func walk(_ walker: inout some RemoteWriteWalker) throws -> [WalkedSeries] {
    var walked: [WalkedSeries] = []
    var ranges: [LabelRange] = []
    while try walker.next() {
        do throws(SeriesRefusal) {
            try LabelBytes.decode(walker.bytes.span, walker.labels, into: &ranges)
        } catch {
            walker.tally.refuse(error, samples: walker.samples.count)
            continue
        }
        walked.append(
            WalkedSeries(labels: LabelBytes.labels(walker.bytes.span, ranges), samples: walker.samples))
    }
    return walked
}

/// Pieces of protobuf, spelled out as the format's definition says.
enum Wire {
    static func varint(_ value: UInt64) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
    }

    static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
        varint(field << 3 | 2) + varint(UInt64(value.count)) + value
    }

    static func text(_ field: UInt64, _ value: String) -> [UInt8] { bytes(field, Array(value.utf8)) }

    static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] { varint(field << 3) + varint(value) }

    static func fixed(_ field: UInt64, _ value: UInt64) -> [UInt8] {
        varint(field << 3 | 1) + (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func label(_ name: String, _ value: String) -> [UInt8] { bytes(1, text(1, name) + text(2, value)) }

    static func sample(_ value: Double, _ milliseconds: Int64) -> [UInt8] {
        bytes(2, fixed(1, value.bitPattern) + number(2, UInt64(bitPattern: milliseconds)))
    }
}
