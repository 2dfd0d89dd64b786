/// A table for people: columns as wide as their widest cell, two spaces between, no lines drawn. The last column is cut
/// to the terminal's width; elsewhere nothing is cut, because a cut id is useless.
package struct Table {
    package struct Cell: Sendable {
        var text: String
        var colour: Terminal.Colour?

        package init(_ text: String, _ colour: Terminal.Colour? = nil) {
            self.text = Terminal.sanitized(text)
            self.colour = colour
        }
    }

    /// A column is its title. Numbers are set to the right, everything else to the left.
    package struct Column: ExpressibleByStringLiteral, Sendable {
        var title: String
        var isNumber = false

        package init(stringLiteral title: String) { self.title = title }

        package static func number(_ title: String) -> Column {
            var column = Column(stringLiteral: title)
            column.isNumber = true
            return column
        }
    }

    private let columns: [Column]
    private var rows: [[Cell]] = []

    package init(_ columns: Column...) { self.columns = columns }

    package mutating func row(_ cells: Cell...) { rows.append(cells) }

    package var isEmpty: Bool { rows.isEmpty }

    private var header: [Cell] { columns.map { Cell($0.title, .dim) } }

    /// By column, the width of its widest cell.
    private var widths: [Int] {
        columns.indices.map { column in ([header] + rows).map { $0[column].text.count }.max() ?? 0 }
    }

    package func lines(_ terminal: Terminal) -> [String] {
        let widths = widths
        let before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
        let last = terminal.isOutputTerminal ? max(12, terminal.width - before) : Int.max
        return ([header] + rows).map { line($0[...], widths, last: last, terminal) }
    }

    /// For a screen, on which no line may be wider than it: columns are dropped from the right until the others fit,
    /// and the last one is cut.
    package func fitted(_ terminal: Terminal) -> [String] {
        let widths = widths
        var shown = widths.count
        var before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
        // A column that is cut to less than its title says nothing.
        while shown > 1, before + min(widths[shown - 1], max(6, columns[shown - 1].title.count)) > terminal.width {
            shown -= 1
            before -= widths[shown - 1] + 2
        }
        return ([header] + rows).map { line($0.prefix(shown), widths, last: terminal.width - before, terminal) }
    }

    private func line(_ cells: ArraySlice<Cell>, _ widths: [Int], last: Int, _ terminal: Terminal) -> String {
        var line = ""
        for (column, cell) in cells.enumerated() {
            let isLast = column == cells.count - 1
            let text = isLast ? cell.text.cut(to: last) : cell.text
            let blanks = String(repeating: " ", count: max(0, min(widths[column], isLast ? last : .max) - text.count))
            if columns[column].isNumber { line += blanks }
            line += terminal.paint(text, cell.colour)
            if !isLast { line += columns[column].isNumber ? "  " : blanks + "  " }
        }
        return line
    }
}

extension String {
    /// The beginning of a text that is longer than `width`, with a mark that there is more.
    func cut(to width: Int) -> String {
        guard count > width else { return self }
        return width > 0 ? prefix(width - 1) + "…" : ""
    }
}

/// The colour a state is shown in, one rule for hosts, instances, alerts and rollouts.
package func stateColour(_ state: String) -> Terminal.Colour? {
    switch state {
    case "alive", "passing", "running", "healthy", "succeeded", "resolved": .green
    case "suspect", "warning", "starting", "pending", "paused", "rollingBack", "rolledBack", "restarting": .yellow
    case "unreachable", "dead", "critical", "unhealthy", "firing", "failed", "rollbackFailed", "aborted", "exited": .red
    default: nil
    }
}
