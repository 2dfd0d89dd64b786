/// One message of a connection, without what marked its ends.
package struct SyslogFrame: Equatable, Sendable {
    /// At most `SyslogLimits.messageBytes`.
    package var bytes: [UInt8]
    /// The message was longer, or its connection ended within it: this is its beginning.
    package var isCut: Bool

    package init(_ bytes: [UInt8], isCut: Bool = false) {
        self.bytes = bytes
        self.isCut = isCut
    }
}

/// Cuts the bytes of one TCP or TLS connection into messages (RFC 6587). How a connection marks the end of a message
/// shows in its first byte and stays: a digit begins a count of bytes (`11 <34>message`), anything else a message that
/// ends with LF or NUL.
///
/// Pieces may come in any size; the messages are the same. Between two counted messages LF, CR, NUL and spaces are
/// passed over, which some senders add. Where a count should stand and none does, the text up to the next LF or NUL is
/// given as a message and counted as damage, so that one mistake of a sender does not cost the messages after it.
package struct SyslogFraming: Sendable {
    package enum Method: Sendable, Equatable {
        case octetCounting
        case nonTransparent
    }

    package struct Counters: Equatable, Sendable {
        package var messages: UInt64 = 0
        /// Messages of which only the beginning was kept.
        package var cutMessages: UInt64 = 0
        /// Bytes of messages that were passed over.
        package var skippedBytes: UInt64 = 0
        /// Places where a count should have been.
        package var damagedCounts: UInt64 = 0

        package init() {}
    }

    private enum State {
        /// At the beginning of a message.
        case between
        /// Within the digits, which are in `held`.
        case count
        /// Within a counted message, with so many bytes to come.
        case body(Int)
        /// Within a message that goes to the next LF or NUL.
        case line
    }

    /// Nil before the first byte.
    package private(set) var method: Method?
    package private(set) var counters = Counters()
    private var state = State.between
    private var held: [UInt8] = []
    private var isCutting = false

    package init() {}

    /// Bytes of a message that is not whole yet.
    package var heldBytes: Int { held.count }

    /// Appends the messages that these bytes finish.
    package mutating func received(_ bytes: Span<UInt8>, into frames: inout [SyslogFrame]) {
        var index = 0
        while index < bytes.count {
            switch state {
            case .between: begin(bytes[index], &index)
            case .count: count(bytes[index], &index)
            case .body(let left):
                let end = index + min(left, bytes.count - index)
                hold(bytes, index..<end)
                state = .body(left - (end - index))
                index = end
                if case .body(0) = state { finish(into: &frames) }
            case .line:
                let start = index
                while index < bytes.count, bytes[index] != Self.lineFeed, bytes[index] != 0 { index += 1 }
                hold(bytes, start..<index)
                guard index < bytes.count else { return }
                index += 1
                finishLine(into: &frames)
            }
        }
    }

    /// The connection ended. A message that was not whole is given as it is: of a counted one, or of a count, that is
    /// a cut; a line may be meant to end so.
    package mutating func ended(into frames: inout [SyslogFrame]) {
        switch state {
        case .between: return
        case .count:
            counters.damagedCounts += 1
            isCutting = true
            finish(into: &frames)
        case .body:
            isCutting = true
            finish(into: &frames)
        case .line: finishLine(into: &frames)
        }
    }

    private static let lineFeed: UInt8 = 0x0a
    private static let carriageReturn: UInt8 = 0x0d

    /// Takes the byte only where it is passed over.
    private mutating func begin(_ byte: UInt8, _ index: inout Int) {
        let isDigit = (0x31...0x39).contains(byte)
        if method == nil { method = isDigit ? .octetCounting : .nonTransparent }
        guard method == .octetCounting else {
            state = .line
            return
        }
        if isDigit {
            state = .count
        } else if byte == Self.lineFeed || byte == Self.carriageReturn || byte == 0 || byte == 0x20 {
            index += 1
        } else {
            counters.damagedCounts += 1
            state = .line
        }
    }

    private mutating func count(_ byte: UInt8, _ index: inout Int) {
        if (0x30...0x39).contains(byte), held.count < SyslogLimits.countDigits {
            held.append(byte)
            index += 1
        } else if byte == 0x20 {
            index += 1
            let length = held.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            held.removeAll(keepingCapacity: true)
            state = .body(length)
        } else {
            // No count after all: what was taken for one is the beginning of a line.
            counters.damagedCounts += 1
            state = .line
        }
    }

    private mutating func hold(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        let kept = min(range.count, SyslogLimits.messageBytes - held.count)
        held.reserveCapacity(held.count + kept)
        for index in range.lowerBound..<range.lowerBound + kept { held.append(bytes[index]) }
        guard kept < range.count else { return }
        isCutting = true
        counters.skippedBytes += UInt64(range.count - kept)
    }

    private mutating func finishLine(into frames: inout [SyslogFrame]) {
        if !isCutting, held.last == Self.carriageReturn { held.removeLast() }
        // An empty line is the rest of an end that is written in two bytes.
        guard !held.isEmpty else {
            state = .between
            return
        }
        finish(into: &frames)
    }

    private mutating func finish(into frames: inout [SyslogFrame]) {
        counters.messages += 1
        if isCutting { counters.cutMessages += 1 }
        frames.append(SyslogFrame(held, isCut: isCutting))
        held = []
        isCutting = false
        state = .between
    }
}
