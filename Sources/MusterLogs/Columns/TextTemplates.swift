/// A text with marks where its numbers and identifiers were, and those, in their order.
///
/// A word without digits is text. A word of digits is a number. A word of two or three runs of letters and digits whose
/// letters are no hexadecimal (`web12`, `10ms`, `27T05`) keeps its letters as text and gives its digits away. Every
/// other word with digits, and a UUID, goes away whole.
@safe struct TextTemplater {
    /// Longer runs of digits do not fit into 64 bits.
    static let numberDigits = 18

    struct Slot {
        var piece: Piece
        var isNumber: Bool
    }

    private(set) var slots: [Slot] = []
    /// The templates, one behind the other; the last one may turn out to be known and is taken back then.
    private(set) var texts: [UInt8] = []
    /// What the slots of these templates are.
    private(set) var shapes = SlotShapes()
    /// The byte of text before the next slot of the template; 0 at its beginning and behind a slot.
    private var before: UInt8 = 0

    /// Appends the template of a piece of `writer`'s buffer to `texts` and its slots to `slots`. Words with digits go
    /// into the collector when `collectsWords`.
    mutating func take(_ piece: Piece, _ writer: inout StringColumnWriter, collectsWords: Bool) {
        before = 0
        let base = unsafe writer.base
        let classes = unsafe writer.classes
        let end = piece.upper
        var index = piece.lower
        var textStart = index
        while index < end {
            let first = unsafe classes[Int(base.load(fromByteOffset: index, as: UInt8.self))]
            guard first & ByteClass.word != 0 else {
                if first == ByteClass.control {
                    unsafe flush(base, textStart, index)
                    texts.append(TemplateMark.escape)
                    textStart = index
                }
                index &+= 1
                continue
            }
            let start = index
            var kinds = first
            index &+= 1
            while index < end {
                let kind = unsafe classes[Int(base.load(fromByteOffset: index, as: UInt8.self))]
                guard kind & ByteClass.word != 0 else { break }
                kinds |= kind
                index &+= 1
            }
            guard kinds & ByteClass.digit != 0 else { continue }
            if index &- start == 8, beginsIdentifier(start, end, writer) {
                unsafe flush(base, textStart, start)
                index = start &+ StringColumnWriter.identifierBytes
                let identifier = Piece(start, StringColumnWriter.identifierBytes)
                if collectsWords { unsafe writer.words.insert(wordsOf: writer.bytes(of: identifier), classes: classes) }
                append(Slot(piece: identifier, isNumber: false))
                textStart = index
                continue
            }
            if collectsWords { unsafe writer.words.insert(base + start, index &- start, kinds: kinds) }
            unsafe flush(base, textStart, start)
            unsafe split(base, classes, start, index, kinds)
            textStart = index
        }
        unsafe flush(base, textStart, end)
    }

    /// The template that was taken last is a new one.
    mutating func keepTemplate() { shapes.endTemplate() }

    /// It began at `start` and is known: it is taken back. Its slots stay.
    mutating func dropTemplate(from start: Int) {
        texts.removeLast(texts.count - start)
        shapes.dropOpen()
    }

    /// Whether a UUID stands here that is no part of a longer word.
    private func beginsIdentifier(_ start: Int, _ end: Int, _ writer: StringColumnWriter) -> Bool {
        let behind = start &+ StringColumnWriter.identifierBytes
        guard behind <= end, unsafe writer.isIdentifier(writer.base + start, behind &- start) else { return false }
        guard behind < end else { return true }
        return unsafe writer.classes[Int(writer.base.load(fromByteOffset: behind, as: UInt8.self))] & ByteClass.word
            == 0
    }

    @inline(__always)
    private mutating func flush(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) {
        guard end > start else { return }
        unsafe texts.append(contentsOf: UnsafeRawBufferPointer(start: base + start, count: end &- start))
        before = unsafe base.load(fromByteOffset: end &- 1, as: UInt8.self)
    }

    @inline(__always)
    private mutating func append(_ slot: Slot) {
        texts.append(slot.isNumber ? TemplateMark.number : TemplateMark.word)
        shapes.append(isNumber: slot.isNumber, before: before)
        before = 0
        slots.append(slot)
    }

    /// A word with digits.
    private mutating func split(
        _ base: UnsafeRawPointer, _ classes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ kinds: UInt8
    ) {
        if kinds == ByteClass.digit {
            return append(Slot(piece: Piece(start, end &- start), isNumber: end &- start <= Self.numberDigits))
        }
        guard kinds & ByteClass.otherLetter != 0, let runs = unsafe runs(base, classes, start, end) else {
            return append(Slot(piece: Piece(start, end &- start), isNumber: false))
        }
        for run in [runs.0, runs.1, runs.2] where run.count > 0 {
            let byte = unsafe base.load(fromByteOffset: run.lower, as: UInt8.self)
            if unsafe classes[Int(byte)] == ByteClass.digit {
                append(Slot(piece: run, isNumber: true))
            } else {
                unsafe flush(base, run.lower, run.upper)
            }
        }
    }

    /// The two or three runs of a word; nil when there are more, when letters of one are all hexadecimal, or when a
    /// number is too long.
    private func runs(
        _ base: UnsafeRawPointer, _ classes: UnsafePointer<UInt8>, _ start: Int, _ end: Int
    ) -> (Piece, Piece, Piece)? {
        var runs = (Piece(end, 0), Piece(end, 0), Piece(end, 0))
        var index = start
        for number in 0..<3 {
            guard index < end else { break }
            let runStart = index
            let isDigits = unsafe classes[Int(base.load(fromByteOffset: index, as: UInt8.self))] == ByteClass.digit
            var kinds: UInt8 = 0
            while index < end {
                let kind = unsafe classes[Int(base.load(fromByteOffset: index, as: UInt8.self))]
                guard (kind == ByteClass.digit) == isDigits else { break }
                kinds |= kind
                index &+= 1
            }
            guard isDigits ? index &- runStart <= Self.numberDigits : kinds & ByteClass.otherLetter != 0 else {
                return nil
            }
            let run = Piece(runStart, index &- runStart)
            switch number {
            case 0: runs.0 = run
            case 1: runs.1 = run
            default: runs.2 = run
            }
        }
        return index == end ? runs : nil
    }
}
