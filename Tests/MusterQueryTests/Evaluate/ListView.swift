import MusterModel
import MusterQuery

/// Series in a list, read the slow and certain way.
struct ListView: SampleView {
    private var series: [SeriesSamples] = []
    private var texts: [String] = []
    private var numbers: [String: UInt32] = [:]

    init(_ series: [SeriesSamples] = []) {
        for one in series { append(one) }
    }

    /// Of one series given twice the samples are joined.
    mutating func append(_ one: SeriesSamples) {
        for label in one.labels.pairs {
            for text in [label.name, label.value] where numbers[text] == nil {
                numbers[text] = UInt32(texts.count)
                texts.append(text)
            }
        }
        guard let index = series.firstIndex(where: { $0.labels == one.labels }) else { return series.append(one) }
        series[index].samples = (series[index].samples + one.samples).sorted { $0.milliseconds < $1.milliseconds }
    }

    var symbolLimit: UInt32 { UInt32(texts.count) }
    func text(of symbol: Symbol) -> String { texts[Int(symbol.id)] }
    func symbol(for text: String) -> Symbol? { numbers[text].map { Symbol(id: $0) } }

    func select(_ requests: [SelectRequest]) throws(QueryError) -> [SelectedSeries] {
        requests.map(select)
    }

    private func select(_ request: SelectRequest) -> SelectedSeries {
        var selected = SelectedSeries()
        for one in series where request.matchers.allSatisfy({ $0.isMatch(one.labels) }) {
            let samples = one.samples.filter {
                (request.from...max(request.from, request.to)).contains($0.milliseconds)
            }
            if samples.isEmpty { continue }
            let pairs = one.labels.pairs.compactMap { label -> LabelPair? in
                guard let name = symbol(for: label.name), let value = symbol(for: label.value) else { return nil }
                return LabelPair(name: name, value: value)
            }
            selected.entries.append(
                SelectedSeries.Entry(
                    labels: selected.pairs.count..<selected.pairs.count + pairs.count,
                    samples: selected.times.count..<selected.times.count + samples.count))
            selected.pairs += pairs.sorted { $0.name.id < $1.name.id }
            selected.times += samples.map(\.milliseconds)
            selected.bits += samples.map(\.value.bitPattern)
        }
        return selected
    }
}
