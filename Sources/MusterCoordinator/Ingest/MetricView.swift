import MusterModel
import MusterQuery
import MusterSeries
import Synchronization

/// What one query reads of the metric store, and of the engine that has what is older: one picture for all its
/// selectors, taken when it asks for them.
final class MetricView: SampleView {
    private struct State {
        /// Nil before the query has selected something; nothing has a symbol then.
        var texts: SymbolTexts?
        /// Texts that only older samples have, numbered behind the others.
        var older: [String] = []

        var limit: UInt32 { texts?.limit ?? 0 }
    }

    private let store: MetricStore
    private let olderSamples: OlderSamples?
    private let state = Mutex(State())

    init(_ store: MetricStore, older: OlderSamples?) {
        self.store = store
        olderSamples = older
    }

    var symbolLimit: UInt32 { state.withLock { $0.limit + UInt32(clamping: $0.older.count) } }

    func text(of symbol: Symbol) -> String {
        state.withLock { state in
            guard symbol.id >= state.limit else { return state.texts?.text(of: symbol.id) ?? "" }
            let index = Int(symbol.id - state.limit)
            return index < state.older.count ? state.older[index] : ""
        }
    }

    func symbol(for text: String) -> Symbol? {
        state.withLock { state in
            if let known = state.texts?.symbol(for: text) { return Symbol(id: known) }
            return state.older.firstIndex(of: text).map { Symbol(id: state.limit + UInt32($0)) }
        }
    }

    func select(_ requests: [SelectRequest]) throws(QueryError) -> [SelectedSeries] {
        let (view, sources) = store.picture(
            requests.map {
                SeriesRequest(matchers: $0.matchers, from: $0.from, to: $0.to, maxSeries: $0.maxSeries)
            })
        var blocks = BlockMemory(store, sources)
        var left = requests.map(\.maxSamples).max() ?? 0
        var answers: [SelectedSeries] = []
        for (selection, request) in zip(view.selections, requests) {
            guard !selection.isOverSeries else {
                throw .refused("a selector finds more than \(request.maxSeries) series; add matchers")
            }
            let decoded = view.decode(selection, maxSamples: left) { blocks.rows(of: $1, in: $0, slots: $2) }
            guard !decoded.isOverSamples else {
                throw .refused(
                    "the query reads more than \(request.maxSamples) samples; add matchers, shorten the range or use a "
                        + "longer step")
            }
            left -= decoded.times.count
            answers.append(SelectedSeries(decoded))
        }
        var merged = MergedSamples(limit: view.symbolLimit) { view.symbol(for: $0) }
        if let olderSamples { try addOlder(olderSamples, requests, &answers, &merged) }
        state.withLock { $0 = State(texts: view.texts, older: merged.made) }
        return answers
    }

    private func addOlder(
        _ engine: OlderSamples, _ requests: [SelectRequest], _ answers: inout [SelectedSeries],
        _ merged: inout MergedSamples
    ) throws(QueryError) {
        let edge = store.oldestKept
        for (index, request) in requests.enumerated() where request.from < edge {
            let older = try engine.samples(request.matchers, from: request.from, to: min(request.to, edge - 1))
            answers[index] = merged.merge(older, answers[index])
        }
    }
}

extension SelectedSeries {
    init(_ decoded: DecodedSeries) {
        self.init()
        entries = decoded.entries.map { Entry(labels: $0.labels, samples: $0.samples) }
        pairs = decoded.pairs.map { LabelPair(name: Symbol(id: $0.name), value: Symbol(id: $0.value)) }
        times = decoded.times
        bits = decoded.bits
    }
}

/// The blocks a query has read, so that its selectors read each once; the newest ones only, within a limit.
struct BlockMemory {
    /// Bytes of rows that are kept.
    static let maxBytes = 64 << 20

    private let store: MetricStore
    private let sources: [UInt32: BlockSource]
    private var kept: [BlockKey: BlockRows] = [:]
    private var bytes = 0

    private struct BlockKey: Hashable {
        var part: UInt32
        var offset: UInt32
    }

    init(_ store: MetricStore, _ sources: [UInt32: BlockSource]) {
        self.store = store
        self.sources = sources
    }

    /// Of a block the same `slots` are asked for each time.
    mutating func rows(of block: BlockRef, in group: GroupID, slots: UInt64) -> BlockRows {
        let key = BlockKey(part: block.part, offset: block.offset)
        if let known = kept[key] { return known }
        let rows = store.rows(of: block, in: group, slots: slots, from: sources)
        let cost = rows.values.count * 8 + rows.times.count * 16
        if bytes + cost > Self.maxBytes {
            kept = [:]
            bytes = 0
        }
        kept[key] = rows
        bytes += cost
        return rows
    }
}
