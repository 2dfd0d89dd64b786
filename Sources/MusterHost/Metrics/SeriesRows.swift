/// The rows of a kernel table, one for each device, CPU or key, each with the handles of its series.
///
/// Kernel tables keep their order, so the next row is nearly always the one that stood there a tick ago: that is a
/// comparison of a few bytes. A row that is new is inserted where it stands, a row that is missing ends its series.
struct SeriesRows: Sendable {
    private struct Row: Sendable {
        var key: [UInt8]
        var handles: [Int]
        var pass: UInt64
    }

    private var rows: [Row] = []
    private var cursor = 0
    private var pass: UInt64 = 0

    var count: Int { rows.count }

    /// A reading of the table from its beginning.
    mutating func passBegan() {
        cursor = 0
        pass &+= 1
    }

    /// The row of a key, or nil when the table has a new one, which is then to be inserted.
    mutating func row(_ bytes: Span<UInt8>, _ key: Range<Int>) -> Int? {
        if cursor < rows.count, bytes.spells(key, rows[cursor].key) { return found(cursor) }
        for offset in rows.indices.dropFirst() {
            let index = (cursor + offset) % rows.count
            if bytes.spells(key, rows[index].key) { return found(index) }
        }
        // The loop above starts past the cursor; a cursor behind the last row has not looked at every row yet.
        if cursor >= rows.count, let first = rows.first, bytes.spells(key, first.key) { return found(0) }
        return nil
    }

    /// The row of a key that is already on its own.
    mutating func row(_ key: [UInt8]) -> Int? { row(key.span, 0..<key.count) }

    /// A row that `row` did not find. `handles` may be empty: the row is known and not measured.
    mutating func inserted(_ key: [UInt8], _ handles: [Int]) -> Int {
        cursor = min(cursor, rows.count)
        rows.insert(Row(key: key, handles: handles, pass: pass), at: cursor)
        cursor += 1
        return cursor - 1
    }

    /// Ends the series of the rows that this pass did not meet, and forgets them. Returns their keys.
    @discardableResult
    mutating func passEnded(_ table: inout MetricTable) -> [[UInt8]] {
        guard rows.contains(where: { $0.pass != pass }) else { return [] }
        var missing: [[UInt8]] = []
        for row in rows where row.pass != pass {
            for handle in row.handles { table.end(handle) }
            missing.append(row.key)
        }
        rows.removeAll { $0.pass != pass }
        return missing
    }

    /// Ends every series and forgets every row.
    mutating func ended(_ table: inout MetricTable) {
        for row in rows { for handle in row.handles { table.end(handle) } }
        rows.removeAll()
    }

    /// False for a row that is known and not measured.
    func isMeasured(_ row: Int) -> Bool { !rows[row].handles.isEmpty }

    func width(_ row: Int) -> Int { rows[row].handles.count }

    /// The handle of a column, `MetricTable.refused` for a column the row does not have.
    func handle(_ row: Int, _ column: Int) -> Int {
        column < rows[row].handles.count ? rows[row].handles[column] : MetricTable.refused
    }

    private mutating func found(_ index: Int) -> Int {
        rows[index].pass = pass
        cursor = index + 1
        return index
    }
}
