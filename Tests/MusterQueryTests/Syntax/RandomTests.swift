import MusterQuery
import Testing

@Suite struct RandomQueryTexts {
    @Test func `every query reads back from its own print`() throws {
        var queries = RandomQueries(seed: 1)
        for _ in 0..<4_000 {
            let text = queries.next()
            let expression = try parsed(text)
            let printed = expression.description
            let again = try parsed(printed)
            #expect(again.description == printed, "\(text)")
            #expect(again.type == expression.type, "\(text)")
            #expect(try parsed(expression.prettyPrinted).description == printed, "\(text)")
        }
    }

    /// What a change to a text may put in.
    private static let pieces = [
        "(", ")", "[", "]", "{", "}", ",", ":", "@", "\"", "'", "`", "\\", "-", "+", "^", "=~", "</", "#", "\n", "é",
        "\u{0}", "0x",
        "1e", "5m", " offset ", " by ", " on ", " bool ", " group_left ", "fill(", "step()", "sum", "nan", "_", "9",
        "\\x", "\\u12",
    ]

    @Test func `no change to a query makes a trap`() throws {
        var queries = RandomQueries(seed: 2)
        var accepted = 0
        for _ in 0..<20_000 {
            var text = Array(queries.next().unicodeScalars)
            for _ in 0...queries.pick(3) {
                let place = queries.pick(text.count + 1)
                let end = min(text.count, place + queries.pick(4))
                let piece = Array(queries.one(of: Self.pieces).unicodeScalars)
                switch queries.pick(4) {
                case 0: text.removeSubrange(place..<end)
                case 1: text.insert(contentsOf: piece, at: place)
                case 2: text.replaceSubrange(place..<end, with: piece)
                default: text.insert(contentsOf: text[..<place].suffix(12), at: place)
                }
            }
            var changed = ""
            changed.unicodeScalars.append(contentsOf: text)
            do throws(QueryError) {
                let printed = try parsed(changed).description
                #expect(try parsed(printed).description == printed, "\(changed)")
                accepted += 1
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        // Both ways are taken, or the changes are too weak or too strong to prove anything.
        #expect((2_000...18_000).contains(accepted), "\(accepted)")
    }
}
