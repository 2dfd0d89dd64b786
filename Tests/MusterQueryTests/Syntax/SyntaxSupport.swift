import MusterModel
import MusterPattern
import MusterQuery
import Testing

/// A text and how it is printed once it was read.
struct Spelled: Sendable, CustomTestStringConvertible {
    var text: String
    var printed: String
    var testDescription: String { text }

    init(_ text: String, _ printed: String? = nil) {
        self.text = text
        self.printed = printed ?? text
    }
}

func parsed(_ text: String, limits: QueryLimits = QueryLimits()) throws(QueryError) -> Expression {
    try Expression(parsing: text, compiler: RE2Compiler(), limits: limits)
}

/// Nil when the text is accepted.
func refusal(_ text: String, limits: QueryLimits = QueryLimits()) -> QueryError? {
    do throws(QueryError) {
        _ = try parsed(text, limits: limits)
        return nil
    } catch {
        return error
    }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
