import MusterModel
import Testing

/// Counters that fall, by the rules of Prometheus (promql/functions.go): a range is open on its left; a sample below
/// the one before is a reset, and what was reached before it is added; the difference of the outer samples is extended
/// to the edges of the range where these are nearer than 1.1 spacings, else by half a spacing, and to the left no
/// further than where a counter that is not negative would have been zero.
@Suite struct CounterResets {
    /// Samples a minute apart, the first at 0; a range of seconds that ends at `at`; nil where there is no value.
    struct Row: Sendable, CustomTestStringConvertible {
        var values: [Double]
        var range: Int
        var at: Double
        var increase: Double?
        var resets: Double?
        var irate: Double?

        init(_ values: [Double], _ range: Int, at: Double, increase: Double?, resets: Double?, irate: Double?) {
            self.values = values
            self.range = range
            self.at = at
            self.increase = increase
            self.resets = resets
            self.irate = irate
        }

        var testDescription: String { "\(values) [\(range)s] at \(at)" }
    }

    /// 32 bits, which wrap between 60 and 120 s.
    private static let wrap: [Double] = [4_294_967_280, 4_294_967_290, 5, 15]
    private static let belowZero: [Double] = [-1, -5, -2, 3]
    private static let firstFalls: [Double] = [50, 2, 4, 6]
    private static let lastFalls: [Double] = [50, 52, 54, 1]

    static let wraps: [Row] = [
        // 60 to 180 s: 5 + 10 in 120 s, 60 s to the left edge are near.
        Row(wrap, 180, at: 180, increase: 15.0 * 180 / 120, resets: 1, irate: 10.0 / 60),
        // All of them: 10 + 5 + 10 in 180 s.
        Row(wrap, 240, at: 180, increase: 25.0 * 240 / 180, resets: 1, irate: 10.0 / 60),
        // The wrap is between the only two.
        Row(wrap, 120, at: 120, increase: 5.0 * 120 / 60, resets: 1, irate: 5.0 / 60),
        // The sample before the wrap is on the left edge, so outside; from 5 and 10 a minute, zero is 30 s back.
        Row(wrap, 120, at: 180, increase: 10.0 * (60 + 30) / 60, resets: 0, irate: 10.0 / 60),
        // A second more and it is inside.
        Row(wrap, 121, at: 180, increase: 15.0 * 121 / 120, resets: 1, irate: 10.0 / 60),
        // One sample is no difference.
        Row(wrap, 60, at: 180, increase: nil, resets: 0, irate: nil),
        // 90 s to the right edge are far, so half a minute.
        Row(wrap, 300, at: 270, increase: 25.0 * (180 + 30 + 30) / 180, resets: 1, irate: 10.0 / 60),
    ]

    static let negatives: [Row] = [
        // 3 - -1 and -1 for the reset; from below zero there is no zero to stop at.
        Row(belowZero, 240, at: 180, increase: 3.0 * 240 / 180, resets: 1, irate: 5.0 / 60),
        Row(belowZero, 180, at: 180, increase: 8.0 * 180 / 120, resets: 0, irate: 5.0 / 60),
        // -5 - -1 and -1: a counter may seem to have counted backwards.
        Row(belowZero, 120, at: 60, increase: -5.0 * 120 / 60, resets: 1, irate: -5.0 / 60),
        // From above zero to below: 1 - 4 and 4, then -1 - 2 and 6.
        Row([4, -2, 1], 180, at: 120, increase: 1.0 * 180 / 120, resets: 1, irate: 3.0 / 60),
        Row([2, 6, -1], 180, at: 120, increase: 3.0 * 180 / 120, resets: 1, irate: -1.0 / 60),
        // Up through zero: the first is not below it, so its zero is right there.
        Row([-3, 0, 6], 120, at: 120, increase: 6, resets: 0, irate: 6.0 / 60),
    ]

    static let edges: [Row] = [
        // The first sample of the range is the one before the reset: 2 + 2 + 2.
        Row(firstFalls, 240, at: 180, increase: 6.0 * 240 / 180, resets: 1, irate: 2.0 / 60),
        // It is on the left edge, so outside: 4 from 2, and zero is as far back as the edge.
        Row(firstFalls, 180, at: 180, increase: 4.0 * 180 / 120, resets: 0, irate: 2.0 / 60),
        // The last sample of the range is the one behind the reset: 2 + 2 + 1.
        Row(lastFalls, 240, at: 180, increase: 5.0 * 240 / 180, resets: 1, irate: 1.0 / 60),
        // Half a second earlier it is not there yet; 60.5 and 59.5 s to the edges are near.
        Row(lastFalls, 240, at: 179.5, increase: 4.0 * (120 + 60.5 + 59.5) / 120, resets: 0, irate: 2.0 / 60),
        // The range goes on behind it: a spacing is near, 70 s are far.
        Row(lastFalls, 300, at: 240, increase: 5.0 * (180 + 60 + 60) / 180, resets: 1, irate: 1.0 / 60),
        Row(lastFalls, 300, at: 250, increase: 5.0 * (180 + 50 + 30) / 180, resets: 1, irate: 1.0 / 60),
        // To zero: what came before counts, the zero adds nothing.
        Row([50, 52, 54, 0], 240, at: 180, increase: 4.0 * 240 / 180, resets: 1, irate: 0),
        // The first and the last: 1 + 4 + 0.
        Row([9, 1, 5, 0], 240, at: 180, increase: 5.0 * 240 / 180, resets: 2, irate: 0),
        // Falls at every sample: 7 + 5 + 3.
        Row([9, 7, 5, 3], 240, at: 180, increase: 15.0 * 240 / 180, resets: 3, irate: 3.0 / 60),
    ]

    @Test(arguments: wraps + negatives + edges)
    func `a counter that falls`(row: Row) throws {
        let view = metric(row.values)
        let increase = try only("increase(m[\(row.range)s])", view, at: row.at)
        #expect(isClose(increase, row.increase), "increase: \(String(describing: increase))")
        let rate = try only("rate(m[\(row.range)s])", view, at: row.at)
        #expect(isClose(rate, row.increase.map { $0 / Double(row.range) }), "rate: \(String(describing: rate))")
        let resets = try only("resets(m[\(row.range)s])", view, at: row.at)
        #expect(isClose(resets, row.resets), "resets: \(String(describing: resets))")
        let irate = try only("irate(m[\(row.range)s])", view, at: row.at)
        #expect(isClose(irate, row.irate), "irate: \(String(describing: irate))")
    }

    /// A range query moves its windows along, an instant query has one.
    @Test(arguments: ["increase", "rate", "irate", "resets"])
    func `each step of a range query is what an instant query says`(function: String) throws {
        for values in [Self.wrap, Self.belowZero, Self.firstFalls, Self.lastFalls, [9, 7, 5, 3, 8, 0, 0, 4]] {
            let view = metric(values)
            let text = "\(function)(m[150s])"
            let moved = try matrix(text, view, from: 0, to: 600, step: 30)[Labels()] ?? []
            var single: [Double?] = []
            for second in stride(from: 0, through: 600, by: 30) {
                single.append(try only(text, view, at: Double(second)))
            }
            let isSame = moved.elementsEqual(single, by: isClose)
            #expect(isSame, "\(text) of \(values): \(moved) and \(single)")
            #expect(single.contains { $0 != nil }, "\(text) of \(values)")
        }
    }

    /// The sample at 120 s ends one window and is outside of the next, so no window has both sides of the fall.
    @Test func `of two windows that touch, the sample between them is in the first`() throws {
        let view = metric([10, 20, 30, 5, 15])
        for (at, first, last) in [(120.0, 20.0, 30.0), (240.0, 5.0, 15.0)] {
            #expect(try only("count_over_time(m[2m])", view, at: at) == 2)
            #expect(try only("min_over_time(m[2m])", view, at: at) == first)
            #expect(try only("last_over_time(m[2m])", view, at: at) == last)
            #expect(try only("resets(m[2m])", view, at: at) == 0)
        }
        #expect(try only("resets(m[121s])", view, at: 240) == 1)
    }
}
