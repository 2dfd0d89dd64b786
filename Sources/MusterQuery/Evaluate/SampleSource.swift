package import MusterModel

/// An interned string. Equal symbols are equal strings within one `SampleView`, so the engine compares and hashes
/// labels as numbers and asks for text only where text matters: output, order, regular expressions.
package struct Symbol: Hashable, Sendable {
    package let id: UInt32

    package init(id: UInt32) { self.id = id }
}

/// One label of a series.
package struct LabelPair: Hashable, Sendable {
    package var name: Symbol
    package var value: Symbol

    package init(name: Symbol, value: Symbol) {
        self.name = name
        self.value = value
    }
}

/// What a selector found, in flat arrays: no object for each series.
package struct SelectedSeries: Sendable {
    package struct Entry: Sendable {
        /// Within `pairs`; sorted by `name.id`, each name once, no empty value.
        package var labels: Range<Int>
        /// Within `times` and `bits`; ascending times, each once.
        package var samples: Range<Int>

        package init(labels: Range<Int>, samples: Range<Int>) {
            self.labels = labels
            self.samples = samples
        }
    }

    package var entries: [Entry] = []
    package var pairs: [LabelPair] = []
    /// Milliseconds since 1970.
    package var times: [Int64] = []
    /// Bit patterns of the values, stale markers included.
    package var bits: [UInt64] = []

    package init() {}
}

/// What one selector asks of a view.
package struct SelectRequest: Sendable {
    package var matchers: [LabelMatcher]
    /// Milliseconds, both included.
    package var from: Int64
    package var to: Int64
    /// Set when only the newest sample at or before each of these times is looked at, and only one within `lookback`
    /// before it: a view may leave out every other, and of dense series should.
    package var instants: StepGrid?
    /// Milliseconds.
    package var lookback: Int64
    /// A view may stop as soon as it has found more than these; the engine refuses the query then.
    package var maxSeries: Int
    package var maxSamples: Int

    package init(
        matchers: [LabelMatcher], from: Int64, to: Int64, instants: StepGrid? = nil, lookback: Int64 = 0,
        maxSeries: Int, maxSamples: Int
    ) {
        self.matchers = matchers
        self.from = from
        self.to = to
        self.instants = instants
        self.lookback = lookback
        self.maxSeries = maxSeries
        self.maxSamples = maxSamples
    }
}

/// A consistent picture of the samples for one query: what is written after it was taken does not appear in it.
package protocol SampleView: Sendable {
    /// All symbols of the view are below it; the engine numbers strings it makes itself from here on.
    var symbolLimit: UInt32 { get }
    /// Only for symbols this view has given out.
    func text(of symbol: Symbol) -> String
    /// Nil when no series of the view has it as a name or value.
    func symbol(for text: String) -> Symbol?
    /// All selectors of a query at once, so that they see one picture; an answer for each request, in their order.
    func select(_ requests: [SelectRequest]) throws(QueryError) -> [SelectedSeries]
}
