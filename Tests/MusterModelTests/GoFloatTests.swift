import MusterModel
import Testing

/// What Go's strconv writes, as its documentation and its tests have it.
@Suite struct GoFloatTests {
    @Test(
        arguments: [
            (0, "0", "0", "0e+00", "0"), (-0.0, "-0", "-0", "-0e+00", "-0"), (1, "1", "1", "1e+00", "1"),
            (-1.5, "-1.5", "-1.5", "-1.5e+00", "-1.5"), (100, "100", "100", "1e+02", "100"),
            (123_456, "123456", "123456", "1.23456e+05", "123456"),
            (1_000_000, "1e+06", "1000000", "1e+06", "1000000"), (0.1, "0.1", "0.1", "1e-01", "0.1"),
            (0.000_1, "0.0001", "0.0001", "1e-04", "0.0001"), (0.000_01, "1e-05", "0.00001", "1e-05", "0.00001"),
            (0.000_001, "1e-06", "0.000001", "1e-06", "0.000001"),
            (0.000_000_12, "1.2e-07", "0.00000012", "1.2e-07", "1.2e-07"),
            (1e20, "1e+20", "100000000000000000000", "1e+20", "100000000000000000000"),
            (1e21, "1e+21", "1000000000000000000000", "1e+21", "1e+21"),
            (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004", "3.0000000000000004e-01", "0.30000000000000004"),
            (
                9_007_199_254_740_991, "9.007199254740991e+15", "9007199254740991", "9.007199254740991e+15",
                "9007199254740991"
            ),
            (
                9_007_199_254_740_992, "9.007199254740992e+15", "9007199254740992", "9.007199254740992e+15",
                "9007199254740992"
            ),
            (
                1.8014398509481984e16, "1.8014398509481984e+16", "18014398509481984", "1.8014398509481984e+16",
                "18014398509481984"
            ),
            (.nan, "NaN", "NaN", "NaN", "NaN"), (.infinity, "+Inf", "+Inf", "+Inf", "+Inf"),
            (-.infinity, "-Inf", "-Inf", "-Inf", "-Inf"),
        ] as [(Double, String, String, String, String)])
    func `each format`(value: Double, general: String, fixed: String, scientific: String, json: String) {
        #expect(GoFloat.general(value) == general)
        #expect(GoFloat.fixed(value) == fixed)
        #expect(GoFloat.scientific(value) == scientific)
        #expect(GoFloat.json(value) == json)
    }

    @Test func `the ends of the range`() {
        let least = Double.leastNonzeroMagnitude
        #expect(GoFloat.json(least) == "5e-324")
        #expect(GoFloat.fixed(least) == "0." + String(repeating: "0", count: 323) + "5")
        #expect(GoFloat.json(.greatestFiniteMagnitude) == "1.7976931348623157e+308")
        #expect(GoFloat.fixed(.greatestFiniteMagnitude).count == 309)
    }

    /// Any bit pattern, whole numbers and decimals: what is written reads back as the same double.
    @Test func `every text reads back`() {
        var state: UInt64 = 88_172_645_463_325_252
        func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        var wrong: [Double] = []
        for _ in 0..<20_000 {
            let random = next()
            let values = [
                Double(bitPattern: random), Double(random >> 11), Double(random >> 34), Double(random >> 40) / 1_000,
            ]
            for value in values where value.isFinite {
                let texts = [
                    GoFloat.general(value), GoFloat.fixed(value), GoFloat.scientific(value), GoFloat.json(value),
                ]
                if !texts.allSatisfy({ Double($0) == value }) { wrong.append(value) }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(3))")
    }
}
