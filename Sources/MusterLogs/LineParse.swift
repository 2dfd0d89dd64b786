import MusterModel

/// How much of a file may follow the bytes at hand, and so what to do with an unfinished line at their end.
package enum ParseEnd: Sendable {
    /// More may come: what is unfinished stays unread, and the bytes are given again together with what follows.
    case open
    /// More will not fit into one buffer: merged lines end here, an unfinished record stays unread.
    case forced
    /// Nothing follows, or nothing that belongs to this block: what is unfinished becomes a line.
    case closed
}

/// What came of parsing some bytes. The lines are in the builder.
package struct LineParse: Equatable, Sendable {
    /// Bytes from the front that are dealt with; the lines in the builder are exactly theirs.
    package var consumed = 0
    /// The builder has no room for the next line.
    package var isFull = false
    /// Pieces that go on in the next line.
    package var splitLines = 0
    /// Records that were no valid JSON and were left out.
    package var damagedRecords = 0
    /// NUL bytes skipped at the head of a file.
    package var skippedNULs = 0
    /// Whole lines behind `consumed` that wait for the rest of their event.
    package var heldLines = 0

    package init() {}
}

/// Cuts a plain file into lines at LF. A CR before the LF goes with it. A line longer than `Limits.logLineBytes`
/// becomes pieces marked `continues`.
package enum PlainLines {
    private static let lineFeed: UInt8 = 0x0a
    private static let carriageReturn: UInt8 = 0x0d

    /// `skipsNULs`: the bytes are the head of a file, where a run of NULs is the hole that a truncation left behind a
    /// writer that kept its position. All lines get the time `arrival` (nanoseconds).
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, end: ParseEnd, skipsNULs: Bool, arrival: Int64,
        into builder: inout LogBlockBuilder
    ) -> LineParse {
        var result = LineParse()
        if skipsNULs {
            result.skippedNULs = unsafe ByteScan.skipNULs(in: bytes, from: 0)
            result.consumed = result.skippedNULs
        }
        while result.consumed < bytes.count {
            let start = result.consumed
            guard let feed = unsafe ByteScan.first(lineFeed, in: bytes, from: start) else { break }
            var stop = feed
            if stop > start, unsafe bytes[stop - 1] == carriageReturn { stop -= 1 }
            if stop - start > Limits.logLineBytes {
                guard unsafe appendPiece(of: bytes, result: &result, arrival, &builder) else { return result }
                continue
            }
            let line = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<stop])
            guard unsafe builder.append(line, timestamp: arrival) else {
                result.isFull = true
                return result
            }
            result.consumed = feed + 1
            builder.pointReached(consumed: result.consumed)
        }
        unsafe parseRest(bytes, end: end, arrival: arrival, into: &builder, result: &result)
        return result
    }

    /// The same for bytes in an array, from the middle of a file.
    package static func parse(
        _ bytes: [UInt8], end: ParseEnd, arrival: Int64, into builder: inout LogBlockBuilder
    ) -> LineParse {
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe parse(buffer, end: end, skipsNULs: false, arrival: arrival, into: &builder)
        }
    }

    /// The bytes after the last LF.
    private static func parseRest(
        _ bytes: UnsafeRawBufferPointer, end: ParseEnd, arrival: Int64, into builder: inout LogBlockBuilder,
        result: inout LineParse
    ) {
        // Two bytes of margin: a CR LF that is still to come must not become a line of its own.
        while bytes.count - result.consumed >= Limits.logLineBytes + 2 {
            guard unsafe appendPiece(of: bytes, result: &result, arrival, &builder) else { return }
        }
        guard case .closed = end, result.consumed < bytes.count else { return }
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[result.consumed...])
        guard rest.count <= Limits.logLineBytes else {
            guard unsafe appendPiece(of: bytes, result: &result, arrival, &builder) else { return }
            return unsafe parseRest(bytes, end: end, arrival: arrival, into: &builder, result: &result)
        }
        if unsafe builder.append(rest, timestamp: arrival, flags: .continues) {
            result.consumed = bytes.count
            result.splitLines += 1
            builder.pointReached(consumed: result.consumed)
        } else {
            result.isFull = true
        }
    }

    private static func appendPiece(
        of bytes: UnsafeRawBufferPointer, result: inout LineParse, _ arrival: Int64, _ builder: inout LogBlockBuilder
    ) -> Bool {
        let piece = unsafe UnsafeRawBufferPointer(
            rebasing: bytes[result.consumed..<result.consumed + Limits.logLineBytes])
        guard unsafe builder.append(piece, timestamp: arrival, flags: .continues) else {
            result.isFull = true
            return false
        }
        result.consumed += Limits.logLineBytes
        result.splitLines += 1
        builder.pointReached(consumed: result.consumed)
        return true
    }
}
