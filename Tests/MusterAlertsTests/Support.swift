import Foundation
import MusterAlerts
import MusterModel

/// Enough of a pattern language for tests: `a|b` alternatives, each with an optional `.*` at its end. `(` is an error.
struct TestPatterns: PatternCompiler {
    struct Compiled: Pattern {
        let alternatives: [Substring]
        func isFullMatch(_ text: String) -> Bool {
            alternatives.contains { $0.hasSuffix(".*") ? text.hasPrefix($0.dropLast(2)) : $0 == text }
        }
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern {
        if expression.contains("(") { throw PatternError(expression: expression, reason: "missing closing )") }
        return Compiled(alternatives: expression.split(separator: "|", omittingEmptySubsequences: false))
    }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        throw PatternError(expression: expression, reason: "nothing is searched here")
    }
}

/// Documents in a few words: nested Swift values become nodes, with the line of every node its place in reading order.
indirect enum Doc: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    case text(String)
    case list([Doc])
    case map([(String, Doc)])

    init(stringLiteral value: String) { self = .text(value) }
    init(arrayLiteral elements: Doc...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, Doc)...) { self = .map(elements) }

    var node: ConfigNode {
        var line = 0
        return node(&line)
    }

    private func node(_ line: inout Int) -> ConfigNode {
        line += 1
        let position = SourcePosition(file: "test.yaml", line: line, column: 1)
        switch self {
        case .text(let text): return ConfigNode(.scalar(text, isQuoted: false), at: position)
        case .list(let elements): return ConfigNode(.sequence(elements.map { $0.node(&line) }), at: position)
        case .map(let entries):
            let nodes = entries.map { key, value in
                ConfigNode.Entry(key: key, keyPosition: position, value: value.node(&line))
            }
            return ConfigNode(.mapping(nodes), at: position)
        }
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Through JSON and back, as the wiring stores it.
func stored<Value: Codable>(_ value: Value) throws -> Value {
    try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
}

/// The names of the top fields of a value as JSON, in order.
func jsonFields(_ value: some Encodable) throws -> [String] {
    let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(value))
    return (object as? [String: Any])?.keys.sorted() ?? []
}
