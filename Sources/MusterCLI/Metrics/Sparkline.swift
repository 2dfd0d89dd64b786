/// A series as one line of text: the height of a block is the value at its time, a gap is a blank.
package enum Sparkline {
    private static let blocks: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    private static let flat: Character = "▄"
    private static let gap: Character = " "

    /// What the lowest and the highest block stand for.
    package struct Scale: Equatable, Sendable {
        package let low: Double
        package let high: Double

        /// From the least to the greatest finite value; nil when there is none.
        package init?(_ values: some Sequence<Double?>) {
            let finite = values.compactMap { $0 }.filter(\.isFinite)
            guard let low = finite.min(), let high = finite.max() else { return nil }
            self.low = low
            self.high = high
        }

        /// 0 to 7, or nil when all is of one height. `value` is finite.
        fileprivate func level(_ value: Double) -> Int? {
            // Halves: the whole distance may be more than a number can hold.
            let span = high / 2 - low / 2
            guard span > 0 else { return nil }
            return min(7, max(0, Int((value / 2 - low / 2) / span * 8)))
        }
    }

    /// Brings slots of equal length into at most `columns`. A column that stands for several slots shows the greatest,
    /// because a peak is what is looked for; it is a gap only when all of them are.
    package static func fitted(_ slots: [Double?], columns: Int) -> [Double?] {
        guard columns > 0, slots.count > columns else { return columns > 0 ? slots : [] }
        return (0..<columns).map { column in
            slots[(column * slots.count / columns)..<((column + 1) * slots.count / columns)]
                .compactMap { $0 }.filter { !$0.isNaN }.max()
        }
    }

    /// One character for each value. NaN is a gap, an infinity is the outermost block, and what does not vary at all is
    /// drawn at half height.
    package static func text(_ values: [Double?], _ scale: Scale?) -> String {
        String(
            values.map { value in
                guard let value, !value.isNaN else { return gap }
                guard value.isFinite else { return blocks[value > 0 ? 7 : 0] }
                return scale?.level(value).map { blocks[$0] } ?? flat
            })
    }
}
