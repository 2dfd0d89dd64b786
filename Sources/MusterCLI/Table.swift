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

    private let columns: [String]
    private var rows: [[Cell]] = []

    package init(_ columns: String...) { self.columns = columns }

    package mutating func row(_ cells: Cell...) { rows.append(cells) }

    package var isEmpty: Bool { rows.isEmpty }

    package func lines(_ terminal: Terminal) -> [String] {
        let header = columns.map { Cell($0, .dim) }
        let widths = columns.indices.map { column in
            ([header] + rows).map { $0[column].text.count }.max() ?? 0
        }
        return ([header] + rows).map { cells in
            var line = ""
            var used = 0
            for (column, cell) in cells.enumerated() {
                let isLast = column == columns.count - 1
                var text = cell.text
                if isLast, terminal.isOutputTerminal, text.count > max(12, terminal.width - used) {
                    text = String(text.prefix(max(12, terminal.width - used) - 1)) + "…"
                }
                line += terminal.paint(text, cell.colour)
                if !isLast { line += String(repeating: " ", count: widths[column] - text.count + 2) }
                used += widths[column] + 2
            }
            return line
        }
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
