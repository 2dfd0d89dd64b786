/// Looking for bytes in bytes.
enum ByteSearch {
    /// Where the needle begins, at or behind `start`; an empty one is found at once.
    static func first(_ needle: [UInt8], in line: [UInt8], from start: Int = 0) -> Int? {
        guard let head = needle.first else { return start <= line.count ? start : nil }
        guard line.count >= needle.count else { return nil }
        let haystack = line.span
        let wanted = needle.span
        let end = line.count - needle.count
        var index = max(start, 0)
        while index <= end {
            if haystack[index] == head {
                var length = 1
                while length < wanted.count, haystack[index + length] == wanted[length] { length += 1 }
                if length == wanted.count { return index }
            }
            index += 1
        }
        return nil
    }

    /// Whether the bytes stand in the line with no byte of a word before or behind them, as word filters split lines.
    static func has(_ needle: [UInt8], in line: [UInt8], startsAtBorder: Bool, endsAtBorder: Bool) -> Bool {
        var start = 0
        while let place = first(needle, in: line, from: start) {
            let end = place + needle.count
            let isBegun = !startsAtBorder || place == 0 || !line[place - 1].isWordByte
            let isEnded = !endsAtBorder || end == line.count || !line[end].isWordByte
            if isBegun, isEnded { return true }
            start = place + 1
        }
        return false
    }

    /// ASCII letters in small.
    static func lowered(_ bytes: [UInt8]) -> [UInt8] { bytes.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 } }
}
