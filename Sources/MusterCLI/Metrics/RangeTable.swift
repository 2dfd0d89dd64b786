/// The answer of a range query for people: a row for each series with its course as a sparkline.
package struct RangeTable {
    /// Columns of a sparkline where nothing says how wide the paper is.
    package static let columnsOnPaper = 64

    private struct Row {
        var name: String
        var slots: [Double?]
        /// Least, greatest and last value.
        var figures: [String]
    }

    private let window: QueryWindow
    private let common: String
    private let title: String
    private let rows: [Row]
    private let leftOut: Int
    private let sharedScale: Sparkline.Scale?
    private let isScaleShared: Bool

    /// At most `limit` rows are shown, in the order of the answer. With `isScaleShared` equal heights are equal values
    /// in all rows; otherwise each row has a scale of its own.
    package init(_ series: [QueryData.Series], _ window: QueryWindow, limit: Int, isScaleShared: Bool) {
        let shown = series.prefix(limit)
        let names = SeriesNames(shown.map(\.metric))
        self.window = window
        self.isScaleShared = isScaleShared
        common = Terminal.sanitized(names.common)
        title = names.title
        leftOut = series.count - shown.count
        rows = zip(names.rows, shown).map { name, series in
            let values = (series.values ?? []).compactMap(\.value)
            let numbers = values.filter { !$0.isNaN }
            return Row(
                name: Terminal.sanitized(name), slots: window.slots(series.values ?? []),
                figures: [numbers.min(), numbers.max(), values.last].map { $0.map(HumaneNumber.text) ?? "-" })
        }
        sharedScale = Sparkline.Scale(rows.flatMap(\.slots))
    }

    package func lines(_ terminal: Terminal) -> [String] {
        guard !rows.isEmpty else { return ["No series matches in this time."] }
        let width = terminal.isOutputTerminal ? terminal.width : Int.max
        let layout = Layout(
            title: title, names: rows.map(\.name), figures: rows.map(\.figures),
            points: rows.map(\.slots.count).max() ?? 0,
            width: terminal.isOutputTerminal ? terminal.width : nil)
        var lines = common.isEmpty ? [] : [terminal.paint(common.cut(to: width), .bold)]
        lines.append(terminal.paint(window.description.cut(to: width), .dim))
        lines.append(terminal.paint(layout.line(title, "TREND", ["MIN", "MAX", "LAST"]).cut(to: width), .dim))
        for row in rows {
            let columns = Sparkline.fitted(row.slots, columns: layout.trend)
            let scale = isScaleShared ? sharedScale : Sparkline.Scale(columns)
            lines.append(layout.line(row.name, Sparkline.text(columns, scale), row.figures).cut(to: width))
        }
        if leftOut > 0 { lines.append(leftOutText(leftOut, "series", shown: rows.count)) }
        return lines
    }
}

/// How the width is divided: first the figures give way, then names are cut; the sparkline takes the rest.
private struct Layout {
    /// A sparkline or a cut name that is narrower says nothing.
    private static let least = 8

    /// The width of names; 0 when no row has one.
    let name: Int
    let trend: Int
    /// Which of least, greatest and last value are shown, and how wide.
    let figures: [(index: Int, width: Int)]

    /// Without a width nothing is cut.
    init(title: String, names: [String], figures: [[String]], points: Int, width: Int?) {
        let longest = names.map(\.count).max() ?? 0
        let wanted = longest == 0 ? 0 : max(longest, title.count)
        let all = ["MIN", "MAX", "LAST"].enumerated().map { index, title in
            (index: index, width: max(title.count, figures.map { $0[index].count }.max() ?? 0))
        }
        guard let width else {
            (name, trend, self.figures) = (wanted, max("TREND".count, min(points, RangeTable.columnsOnPaper)), all)
            return
        }
        let least = min(wanted, Self.least) + min(points, Self.least)
        let choices = [all, Array(all.suffix(1)), []]
        let chosen = choices.first { Self.rest(width, wanted, $0) >= least } ?? []
        let rest = max(0, Self.rest(width, wanted, chosen))
        trend = max("TREND".count, min(points, max(rest - wanted, rest / 2)))
        name = max(0, min(wanted, rest - trend))
        self.figures = chosen
    }

    /// What figures and blanks leave of the width.
    private static func rest(_ width: Int, _ name: Int, _ figures: [(index: Int, width: Int)]) -> Int {
        width - figures.reduce(0) { $0 + $1.width + 2 } - (name > 0 ? 2 : 0)
    }

    func line(_ name: String, _ trend: String, _ figures: [String]) -> String {
        var line = self.name > 0 ? padded(name.cut(to: self.name), self.name) + "  " : ""
        line += padded(trend, self.trend)
        for (index, width) in self.figures {
            line += "  " + String(repeating: " ", count: max(0, width - figures[index].count)) + figures[index]
        }
        return line
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
