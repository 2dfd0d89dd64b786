import MusterModel
import MusterSeries

/// A compressor without a library: runs of equal bytes. Keeps the contract of `Compressor`.
struct RunLengthCompressor: Compressor {
    func deflate(_ bytes: [UInt8], level: Int) -> [UInt8] {
        var packed: [UInt8] = []
        var index = 0
        while index < bytes.count {
            var run = 1
            while run < 255, index + run < bytes.count, bytes[index + run] == bytes[index] { run += 1 }
            packed += [UInt8(run), bytes[index]]
            index += run
        }
        return packed
    }

    func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8] {
        guard bytes.count % 2 == 0 else { throw .damaged("odd length") }
        var plain: [UInt8] = []
        for index in stride(from: bytes.startIndex, to: bytes.endIndex, by: 2) {
            guard bytes[index] > 0 else { throw .damaged("an empty run") }
            plain += Array(repeating: bytes[index + 1], count: Int(bytes[index]))
            guard plain.count <= maxBytes else { throw .tooLarge(maxBytes: maxBytes) }
        }
        return plain
    }
}

/// Expressions are literal texts; enough for an index.
struct LiteralCompiler: PatternCompiler {
    struct Alternatives: Pattern {
        let texts: [String]
        func isFullMatch(_ text: String) -> Bool { texts.contains(text) || texts.contains(".*") }
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern {
        Alternatives(texts: expression.split(separator: "|", omittingEmptySubsequences: false).map(String.init))
    }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        throw PatternError(expression: expression, reason: "nothing is searched here")
    }
}

/// SplitMix64: the same seed gives the same numbers.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

let hostA = HostID("host-a") ?? { preconditionFailure("a valid name") }()

/// Values that codecs like to lose.
let awkwardBits: [UInt64] = [
    0, (-0.0 as Double).bitPattern, 1.0.bitPattern, (-1.0).bitPattern, 0.1.bitPattern, Double.infinity.bitPattern,
    (-Double.infinity).bitPattern, Double.nan.bitPattern, 0x7ff8_0000_dead_beef, 0xfff0_0000_0000_0001,
    StaleMarker.bitPattern, Double.leastNonzeroMagnitude.bitPattern, Double.greatestFiniteMagnitude.bitPattern,
    9_007_199_254_740_991.0.bitPattern, 9_007_199_254_740_992.0.bitPattern, (-9_007_199_254_740_991.0).bitPattern,
    9_007_199_254_740_994.0.bitPattern, 1e300.bitPattern, UInt64.max, 1, 0x8000_0000_0000_0001,
]
