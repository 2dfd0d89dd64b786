/// What a metric is: its type in Prometheus' words (`counter`, `gauge`, ...), its unit and its help.
package struct MetricMetadata: Equatable, Sendable {
    package var type: String
    package var unit: String
    package var help: String

    package init(type: String, unit: String = "", help: String = "") {
        self.type = type
        self.unit = unit
        self.help = help
    }
}

/// Metadata by the symbol of the metric's name; the texts are interned.
package struct MetadataTable: Sendable {
    private struct Entry: Sendable, Equatable {
        var type: UInt32
        var unit: UInt32
        var help: UInt32
    }

    private var entries: [UInt32: Entry] = [:]
    /// Metrics of which something was set since `takeChanged`.
    private var changed: Set<UInt32> = []

    package init() {}

    package var count: Int { entries.count }

    /// Sets what a metric is. False when there are too many metrics, or a text is too long.
    package mutating func set(
        _ metadata: MetricMetadata, of metric: String, limit: Int, symbols: inout SymbolTable
    ) -> Bool {
        if let known = symbols.texts.symbol(for: metric), let entry = entries[known],
            entry.type == symbols.texts.symbol(for: metadata.type),
            entry.unit == symbols.texts.symbol(for: metadata.unit),
            entry.help == symbols.texts.symbol(for: metadata.help)
        {
            return true
        }
        let texts = [metric, metadata.type, metadata.unit, metadata.help]
        guard symbols.hasRoom(texts.count) else { return false }
        var retained: [UInt32] = []
        for text in texts {
            if let symbol = Self.retain(text, &symbols) { retained.append(symbol) }
        }
        guard retained.count == texts.count, entries.count < limit || entries[retained[0]] != nil else {
            symbols.release(retained)
            return false
        }
        let old = entries.updateValue(
            Entry(type: retained[1], unit: retained[2], help: retained[3]), forKey: retained[0])
        if let old { symbols.release([retained[0], old.type, old.unit, old.help]) }
        changed.insert(retained[0])
        return true
    }

    private static func retain(_ text: String, _ symbols: inout SymbolTable) -> UInt32? {
        var text = text
        text.makeContiguousUTF8()
        guard let symbol = symbols.intern(text.utf8.span) else { return nil }
        symbols.retain(symbol)
        return symbol
    }

    package func metadata(of metric: UInt32, texts: SymbolTexts) -> MetricMetadata? {
        guard let entry = entries[metric] else { return nil }
        return MetricMetadata(
            type: texts.text(of: entry.type), unit: texts.text(of: entry.unit), help: texts.text(of: entry.help))
    }

    package var metrics: [UInt32] { Array(entries.keys) }

    /// Metrics of which something was set since the last call.
    mutating func takeChanged() -> [UInt32] {
        defer { changed.removeAll() }
        return Array(changed)
    }

    /// Forgets metrics of which there is no series. `metricName` is the symbol of `__name__`.
    mutating func forget(symbols: inout SymbolTable, keeping pairs: PairTable, metricName: UInt32?) {
        for (metric, entry) in entries {
            if let metricName, pairs.number(of: SymbolPair(name: metricName, value: metric)) != nil { continue }
            entries[metric] = nil
            changed.remove(metric)
            symbols.release([metric, entry.type, entry.unit, entry.help])
        }
    }

    package var bytes: Int { entries.capacity * 24 + changed.capacity * 8 }
}
