import MusterModel

/// The labels of an answer's rows as text, sorted by name.
struct AnswerLabels {
    private let symbols: SymbolTable
    /// Of all rows, each row's sorted by name.
    private var pairs: [LabelPair] = []
    /// Within `pairs`, by row.
    private var rows: [Range<Int>] = []

    init(_ table: SeriesTable, _ symbols: SymbolTable) {
        self.symbols = symbols
        pairs.reserveCapacity(table.pairs.count)
        rows.reserveCapacity(table.rows.count)
        // Rows with the same names, and most have them, are put into order the same way.
        var names: [Symbol] = []
        var order: [Int] = []
        for row in table.rows {
            let isSame =
                names.count == row.labels.count
                && names.indices.allSatisfy {
                    table.pairs[row.labels.lowerBound + $0].name == names[$0]
                }
            if !isSame {
                names = row.labels.map { table.pairs[$0].name }
                order = names.indices.sorted { symbols.text(names[$0]).precedesInBytes(symbols.text(names[$1])) }
            }
            rows.append(pairs.count..<pairs.count + order.count)
            for index in order { pairs.append(table.pairs[row.labels.lowerBound + index]) }
        }
    }

    func labels(of row: Int) -> Labels {
        Labels(
            sortedPairs: pairs[rows[row]].map { Labels.Label(symbols.text($0.name), symbols.text($0.value)) })
    }

    /// Indices of rows in Prometheus's order of label sets: name by name, value by value, the shorter first.
    func rowsInOrder() -> [Int] {
        guard rows.count > 1 else { return Array(rows.indices) }
        var ranks: [Symbol: UInt64] = [:]
        for pair in pairs {
            ranks[pair.name] = 0
            ranks[pair.value] = 0
        }
        let texts = ranks.keys.map { (symbol: $0, text: symbols.text($0)) }
        for (rank, element) in texts.sorted(by: { $0.text.precedesInBytes($1.text) }).enumerated() {
            ranks[element.symbol] = UInt64(rank)
        }
        let keys = pairs.map { (ranks[$0.name] ?? 0) << 32 | (ranks[$0.value] ?? 0) }
        return rows.indices.sorted { keys[rows[$0]].lexicographicallyPrecedes(keys[rows[$1]]) }
    }
}
