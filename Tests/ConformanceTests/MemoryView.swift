import MusterModel
import MusterQuery

/// Series in memory, every label interned.
struct MemoryView: SampleView {
    private var numbers: [String: UInt32] = [:]
    private var texts: [String] = []
    private var series: [Labels: [Sample]] = [:]
    private var order: [Labels] = []

    var symbolLimit: UInt32 { UInt32(texts.count) }

    /// Adds samples to a series; of two with one time the later wins.
    mutating func add(_ labels: Labels, _ samples: [Sample]) {
        if series[labels] == nil {
            order.append(labels)
            for label in labels.pairs {
                for text in [label.name, label.value] where numbers[text] == nil {
                    numbers[text] = UInt32(texts.count)
                    texts.append(text)
                }
            }
        }
        var byTime: [Int64: Sample] = [:]
        for sample in (series[labels] ?? []) + samples { byTime[sample.milliseconds] = sample }
        series[labels] = byTime.values.sorted { $0.milliseconds < $1.milliseconds }
    }

    func text(of symbol: Symbol) -> String { texts[Int(symbol.id)] }

    func symbol(for text: String) -> Symbol? { numbers[text].map { Symbol(id: $0) } }

    func select(_ requests: [SelectRequest]) throws(QueryError) -> [SelectedSeries] { requests.map(select) }

    private func select(_ request: SelectRequest) -> SelectedSeries {
        var found = SelectedSeries()
        for labels in order where request.matchers.allSatisfy({ $0.isMatch(labels) }) {
            let samples = (series[labels] ?? []).filter { (request.from...request.to).contains($0.milliseconds) }
            guard !samples.isEmpty else { continue }
            let firstPair = found.pairs.count
            let firstSample = found.times.count
            let pairs = labels.pairs.compactMap { label -> LabelPair? in
                guard let name = symbol(for: label.name), let value = symbol(for: label.value) else { return nil }
                return LabelPair(name: name, value: value)
            }
            found.pairs += pairs.sorted { $0.name.id < $1.name.id }
            found.times += samples.map(\.milliseconds)
            found.bits += samples.map(\.value.bitPattern)
            found.entries.append(
                SelectedSeries.Entry(
                    labels: firstPair..<found.pairs.count, samples: firstSample..<found.times.count))
        }
        return found
    }
}
