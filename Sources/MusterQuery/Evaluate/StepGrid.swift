/// Times at equal distances: the steps of a question or of a subquery. Milliseconds.
package struct StepGrid: Hashable, Sendable {
    package var start: Int64
    /// 0 for an instant that is looked at `count` times, else positive.
    package var step: Int64
    package var count: Int

    package init(start: Int64, step: Int64, count: Int) {
        self.start = start
        self.step = step
        self.count = count
    }

    package init(instant: Int64) { self.init(start: instant, step: 0, count: 1) }

    /// From `start` on the grid to `end`, which need not lie on it. `step` is positive.
    package init(from start: Int64, to end: Int64, step: Int64) {
        self.init(start: start, step: step, count: end < start ? 0 : Int((end - start) / step) + 1)
    }

    /// The multiples of `step` in (after, end]: where a subquery is evaluated, whenever the question was asked.
    static func aligned(after: Int64, to end: Int64, step: Int64) -> StepGrid {
        let remainder = after % step
        let floor = after - (remainder < 0 ? remainder + step : remainder)
        return StepGrid(from: floor + step, to: end, step: step)
    }

    package func time(_ index: Int) -> Int64 { start + Int64(index) * step }

    /// The last time; `start` when there is none.
    package var end: Int64 { time(max(0, count - 1)) }

    var first: StepGrid { StepGrid(start: start, step: step, count: min(1, count)) }

    func shifted(by milliseconds: Int64) -> StepGrid {
        StepGrid(start: start + milliseconds, step: step, count: count)
    }
}
