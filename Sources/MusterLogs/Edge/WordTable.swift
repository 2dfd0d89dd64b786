/// Words and what they mean, asked without making a string: a word is its first eight bytes in lower case, packed, and
/// its length. Two words that agree in both are the same to it, so all words in one table differ there.
struct WordTable<Value: Sendable>: Sendable {
    private struct Slot: Sendable {
        var packed: UInt64
        /// 0 is a free slot.
        var length: Int
        var value: Value
    }

    /// At least twice the words, so that a search soon meets a free slot.
    private static var slotCount: Int { 256 }
    private var slots: [Slot?]
    /// For the first byte's lowest five bits, which lengths there are: most other words end here.
    private var lengths = [UInt32](repeating: 0, count: 32)

    /// Of two equal words the first counts; beyond half the slots words are not taken.
    init(_ words: [(String, Value)]) {
        slots = Array(repeating: nil, count: Self.slotCount)
        for (text, value) in words.prefix(Self.slotCount / 2) {
            let bytes = Array(text.utf8)
            let packed = Self.packed(bytes)
            guard self[packed, bytes.count] == nil else { continue }
            var index = Self.slot(packed)
            while slots[index] != nil { index = (index &+ 1) & (Self.slotCount &- 1) }
            slots[index] = Slot(packed: packed, length: bytes.count, value: value)
            lengths[Int(packed & 31)] |= 1 << UInt32(min(bytes.count, 31))
        }
    }

    /// False when no word begins with this byte and has this length.
    @inline(__always)
    func mayHold(first: UInt8, length: Int) -> Bool {
        lengths[Int(first & 31)] &>> UInt32(truncatingIfNeeded: min(length, 31)) & 1 == 1
    }

    @inline(__always)
    subscript(packed: UInt64, length: Int) -> Value? {
        var index = Self.slot(packed)
        while let slot = slots[index] {
            if slot.packed == packed, slot.length == length { return slot.value }
            index = (index &+ 1) & (Self.slotCount &- 1)
        }
        return nil
    }

    @inline(__always)
    private static func slot(_ packed: UInt64) -> Int {
        Int(truncatingIfNeeded: (packed &* 0x9e37_79b9_7f4a_7c15) &>> 56)
    }

    private static func packed(_ bytes: [UInt8]) -> UInt64 {
        var packed: UInt64 = 0
        for (index, byte) in bytes.prefix(8).enumerated() {
            packed |= UInt64(ASCIIByte.lower(byte)) << UInt64(8 * index)
        }
        return packed
    }
}
