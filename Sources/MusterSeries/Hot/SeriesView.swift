package import MusterModel

/// What a query reads: the series that its selectors found and a picture of their samples, as they were when the view
/// was taken. It needs no lock, stays what it is, and keeps alive what it shows.
package struct SeriesView: Sendable {
    struct Entry: BitwiseCopyable, Sendable {
        var labels: UInt32
        /// In `groups`.
        var group: UInt32
        var labelCount: UInt8
        var slot: UInt8
    }

    struct Group: Sendable {
        let id: GroupID
        var sealing: [HeadRows]
        var rows: HeadRows
        var openTime: Int64
        var openMask: UInt64
        /// In `openValues`.
        var openStart: Int
        var blocks: [BlockRef]
        /// Slots of series that were selected.
        var slots: UInt64 = 0
    }

    /// What one request found.
    package struct Selection: Sendable {
        let entries: Range<Int>
        package let from: Int64
        package let to: Int64
        /// There are more series than the request allowed.
        package let isOverSeries: Bool

        package var count: Int { entries.count }

        /// The same in pieces of at most `size` series, to be read one after the other.
        package func slices(of size: Int) -> [Selection] {
            stride(from: entries.lowerBound, to: entries.upperBound, by: max(1, size)).map { start in
                Selection(
                    entries: start..<min(start + max(1, size), entries.upperBound), from: from, to: to,
                    isOverSeries: isOverSeries)
            }
        }
    }

    /// In the order of the requests.
    package private(set) var selections: [Selection] = []
    private(set) var entries: [Entry] = []
    private(set) var groups: [Group] = []
    private(set) var openValues: [UInt64] = []
    package let texts: SymbolTexts
    let pairs: Paged<SymbolPair>
    let runs: RunArena<UInt32>

    init(texts: SymbolTexts, pairs: Paged<SymbolPair>, runs: RunArena<UInt32>) {
        self.texts = texts
        self.pairs = pairs
        self.runs = runs
    }

    /// All symbols of the view are below it.
    package var symbolLimit: UInt32 { texts.limit }
    package func text(of symbol: UInt32) -> String { texts.text(of: symbol) }
    package func symbol(for text: String) -> UInt32? { texts.symbol(for: text) }

    /// The parts that reading the selections may ask for.
    package var parts: Set<UInt32> { Set(groups.lazy.flatMap { $0.blocks.lazy.map(\.part) }) }

    mutating func reserve(_ more: Int) { entries.reserveCapacity(entries.count + more) }

    mutating func add(_ record: SeriesRecord, group: UInt32) {
        groups[Int(group)].slots |= 1 << UInt64(record.slot)
        entries.append(
            Entry(labels: record.labels, group: group, labelCount: record.labelCount, slot: record.slot))
    }

    mutating func add(_ head: GroupHead) -> UInt32 {
        groups.append(
            Group(
                id: head.id, sealing: head.sealing, rows: head.rows, openTime: head.tile.time, openMask: head.tile.mask,
                openStart: openValues.count, blocks: head.blocks))
        head.tile.copy(into: &openValues)
        return UInt32(groups.count - 1)
    }

    mutating func endSelection(from start: Int, _ request: SeriesRequest, isOver: Bool) {
        selections.append(
            Selection(entries: start..<entries.count, from: request.from, to: request.to, isOverSeries: isOver))
    }
}

// Labels without samples.
extension SeriesView {
    /// The labels of a selection's series, at most `limit` of them.
    package func labels(of selection: Selection, limit: Int = .max) -> [Labels] {
        entries[selection.entries].prefix(limit).map { entry in
            Labels(
                runs.run(entry.labels, count: Int(entry.labelCount)).map { pair in
                    (text(of: pairs[Int(pair)].name), text(of: pairs[Int(pair)].value))
                })
        }
    }

    /// Sorted names of the labels of all selected series.
    package var labelNames: [String] {
        Set(usedPairs.lazy.map { pairs[Int($0)].name }).map { text(of: $0) }.sorted()
    }

    /// Sorted values of a label of all selected series.
    package func labelValues(_ name: String) -> [String] {
        guard let symbol = symbol(for: name) else { return [] }
        return usedPairs.lazy.filter { pairs[Int($0)].name == symbol }.map { text(of: pairs[Int($0)].value) }.sorted()
    }

    private var usedPairs: [UInt32] {
        var used = NumberSet(limit: pairs.count)
        for entry in entries {
            for index in 0..<Int(entry.labelCount) { used.insert(runs.element(of: entry.labels, at: index)) }
        }
        return used.numbers
    }
}

// Taking a view.
extension SeriesStore {
    /// All selectors of a query in one picture. Nil when labels were forgotten since the draft was made: make it anew.
    package mutating func view(_ draft: ViewDraft) -> SeriesView? {
        guard draft.forgotten == pairs.forgotten else { return nil }
        var view = SeriesView(texts: symbols.texts, pairs: pairs.pairs, runs: table.runs)
        /// By place of a group: its index in the view and one, 0 when it is not in it.
        var indices = [UInt32](repeating: 0, count: groups.heads.count)
        for (request, questions) in zip(draft.requests, draft.questions) {
            select(request, matching(request, questions), &view, &indices)
        }
        return view
    }

    /// Draft, expressions and view in one: when the store is not shared, or for requests without expressions.
    package mutating func view(_ requests: [SeriesRequest]) -> SeriesView {
        var view = SeriesView(texts: symbols.texts, pairs: pairs.pairs, runs: table.runs)
        var indices = [UInt32](repeating: 0, count: groups.heads.count)
        for request in requests {
            select(request, matching(request, request.matchers.map { _ in nil }), &view, &indices)
        }
        return view
    }

    private func select(
        _ request: SeriesRequest, _ numbers: [UInt32], _ view: inout SeriesView, _ indices: inout [UInt32]
    ) {
        let start = view.entries.count
        var isOver = false
        if request.from <= request.to { view.reserve(min(numbers.count, request.maxSeries)) }
        for number in numbers where request.from <= request.to {
            let record = table.records[Int(number)]
            let place = Int(record.group)
            guard groups.heads[place].newest >= request.from, groups.heads[place].oldest <= request.to else {
                continue
            }
            guard view.entries.count - start < request.maxSeries else {
                isOver = true
                break
            }
            if indices[place] == 0 { indices[place] = view.add(groups.heads[place]) + 1 }
            view.add(record, group: indices[place] - 1)
        }
        view.endSelection(from: start, request, isOver: isOver)
    }
}

/// Symbols to be shown. Sorting them needs no lock.
package struct SymbolList: Sendable {
    let symbols: [UInt32]
    let texts: SymbolTexts

    /// Their texts in order, at most `limit` of them.
    package func sorted(limit: Int = .max) -> [String] {
        Array(symbols.map { texts.text(of: $0) }.sorted().prefix(limit))
    }
}

extension SeriesStore {
    /// The names of all labels.
    package var labelNames: SymbolList { SymbolList(symbols: Array(pairs.values.keys), texts: symbols.texts) }

    /// The values of a label of any series.
    package func labelValues(_ name: String) -> SymbolList {
        let found = symbols.texts.symbol(for: name).flatMap { pairs.values[$0] } ?? []
        return SymbolList(symbols: found.map { pairs.pairs[Int($0)].value }, texts: symbols.texts)
    }
}
