/// Lines of `key=value` pairs.
enum Logfmt {
    struct Pair: Equatable {
        var key: String
        var value: String
    }

    /// The pairs in their order, and whether all was logfmt: no bare value, no quote that stays open. What is wrong is
    /// skipped up to the next space.
    static func pairs(_ line: [UInt8], limit: Int) -> (pairs: [Pair], isClean: Bool) {
        var pairs: [Pair] = []
        var isClean = true
        var index = 0
        while index < line.count, pairs.count < limit {
            guard line[index] > 0x20 else {
                index += 1
                continue
            }
            let start = index
            while index < line.count, line[index] > 0x20, line[index] != equals, line[index] != quote { index += 1 }
            let key = String(decoding: line[start..<index], as: UTF8.self)
            guard index < line.count, line[index] == equals else {
                // A key alone, or a quote where none belongs.
                if index < line.count, line[index] == quote { isClean = false }
                skipWord(line, &index)
                if index > start { pairs.append(Pair(key: key, value: "")) }
                continue
            }
            index += 1
            guard !key.isEmpty, let value = value(line, &index) else {
                isClean = false
                skipWord(line, &index)
                continue
            }
            pairs.append(Pair(key: key, value: value))
        }
        return (pairs.filter { !$0.key.isEmpty }, isClean)
    }

    private static let equals = UInt8(ascii: "=")
    private static let quote = UInt8(ascii: "\"")

    private static func skipWord(_ line: [UInt8], _ index: inout Int) {
        while index < line.count, line[index] > 0x20 { index += 1 }
    }

    /// What stands behind the `=`; nil for a quote that stays open or has bad escapes.
    private static func value(_ line: [UInt8], _ index: inout Int) -> String? {
        let start = index
        guard index < line.count, line[index] == quote else {
            while index < line.count, line[index] > 0x20 {
                guard line[index] != equals, line[index] != quote else { return nil }
                index += 1
            }
            return String(decoding: line[start..<index], as: UTF8.self)
        }
        index += 1
        while index < line.count, line[index] != quote { index += line[index] == UInt8(ascii: "\\") ? 2 : 1 }
        guard index < line.count else {
            index = start + 1
            return nil
        }
        index += 1
        let body = line[start + 1..<index - 1]
        return body.contains(UInt8(ascii: "\\")) ? TextEscapes.decoded(body) : String(decoding: body, as: UTF8.self)
    }
}
