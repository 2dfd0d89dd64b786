/// Numbers of payment cards: 13 to 19 digits, in groups with one space or one dash between them, with a prefix that
/// issuers use (ISO/IEC 7812 as the networks publish it) and a Luhn checksum (ISO/IEC 7812-1, annex B).
///
/// One number in ten passes the checksum by chance, so a count or an id of that length that begins like a card is
/// replaced
/// too. Not taken for cards: runs of more than 19 digits, fractions (`0.4111...`), digits within a run of hexadecimal
/// ones.
enum CardNumbers {
    private static let digits = 13...19

    /// Calls `found` with each number, in order. Any 13 bytes in a row include one of those looked at, every 13th: text
    /// without digits costs a thirteenth of its bytes.
    static func scan(_ line: Span<UInt8>, found: (Range<Int>) -> Void) {
        var index = digits.lowerBound &- 1
        var floor = 0
        while index < line.count {
            guard isPart(line[index]) else {
                index &+= digits.lowerBound
                continue
            }
            var start = index
            while start > floor, isPart(line[start &- 1]) { start &-= 1 }
            var end = index &+ 1
            while end < line.count, isPart(line[end]) { end &+= 1 }
            if end &- start >= digits.lowerBound { scan(line, region: start..<end, found: found) }
            floor = end
            index = end &+ digits.lowerBound
        }
    }

    @inline(__always)
    private static func isPart(_ byte: UInt8) -> Bool { ASCIIByte.isDigit(byte) || byte == 0x20 || byte == 0x2d }

    /// A region of digits, spaces and dashes.
    private static func scan(_ line: Span<UInt8>, region: Range<Int>, found: (Range<Int>) -> Void) {
        var index = region.lowerBound
        while index < region.upperBound {
            let isStart =
                ASCIIByte.isDigit(line[index]) && (index == region.lowerBound || !ASCIIByte.isDigit(line[index &- 1]))
            if isStart, let end = cardEnd(line, from: index, to: region.upperBound) {
                found(index..<end)
                index = end
            } else {
                index &+= 1
            }
        }
    }

    /// The end of the longest number that begins here.
    private static func cardEnd(_ line: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        guard line[start] &- 0x32 < 5 || line[start] == 0x38, !isInside(line, start, -1) else { return nil }
        var count = 0
        // Luhn from the left, for both cases of where the number ends: the last digit counts once.
        var ifEven = 0
        var ifOdd = 0
        var prefix = 0
        var index = start
        var best: Int?
        while index < end, count < digits.upperBound {
            let byte = line[index]
            if ASCIIByte.isDigit(byte) {
                let digit = Int(byte &- 0x30)
                let doubled = digit > 4 ? digit &* 2 &- 9 : digit &* 2
                ifEven &+= count & 1 == 0 ? doubled : digit
                ifOdd &+= count & 1 == 0 ? digit : doubled
                if count < 6 { prefix = prefix &* 10 &+ digit }
                count &+= 1
                index &+= 1
                let isGroupEnd = index == line.count || !ASCIIByte.isDigit(line[index])
                let sum = count & 1 == 0 ? ifEven : ifOdd
                if isGroupEnd, digits.contains(count), sum % 10 == 0, isIssued(prefix, count),
                    !isInside(line, index &- 1, 1)
                {
                    best = index
                }
            } else {
                index &+= 1
                guard index < end, ASCIIByte.isDigit(line[index]) else { break }
            }
        }
        return best
    }

    /// Whether the digit at `index` is an end of something else: `step` leads outwards.
    private static func isInside(_ line: Span<UInt8>, _ index: Int, _ step: Int) -> Bool {
        let near = line.byte(at: index &+ step)
        let far = line.byte(at: index &+ 2 &* step)
        if (near | 0x20) &- 0x61 < 6 { return (far | 0x20) &- 0x61 < 6 || ASCIIByte.isDigit(far) }
        return step < 0 && near == 0x2e && ASCIIByte.isDigit(far)
    }

    /// `prefix` is the first six digits.
    private static func isIssued(_ prefix: Int, _ count: Int) -> Bool {
        let four = prefix / 100
        switch four {
        case 4000...4999: return count == 13 || count == 16 || count == 19
        case 5100...5599, 2221...2720: return count == 16
        case 3400...3499, 3700...3799: return count == 15
        case 3528...3589: return count >= 16
        case 3000...3059, 3095, 3600...3699, 3800...3999: return count >= 14
        case 6011, 6440...6599, 6200...6299, 8100...8299, 2200...2204: return count >= 16
        case 5000...5099, 5600...5899, 6000...6999: return true
        default: return false
        }
    }
}
