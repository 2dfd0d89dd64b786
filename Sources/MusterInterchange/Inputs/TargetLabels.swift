package import MusterModel

/// Labels that say where series come from, and what becomes of series that have some of them already: their own are
/// renamed to `exported_<name>`, as Prometheus does, or win with `honor_labels`. `host` is always the agent's to give,
/// so a series' own `host` is renamed in any case.
package struct TargetLabels: Hashable, Sendable {
    package static let exportedPrefix = "exported_"
    private static let reserved = "host"

    package var labels: Labels
    /// The labels of the series win.
    package var honorsLabels: Bool

    package init(_ labels: Labels = Labels(), honorsLabels: Bool = false) {
        self.labels = labels
        self.honorsLabels = honorsLabels
    }

    package func applied(to series: Labels) -> Labels {
        let conflicting = series.pairs.filter { label in
            label.name == Self.reserved || !honorsLabels && labels[label.name] != nil
        }
        guard !conflicting.isEmpty else { return labels.merging(series) }
        var result = honorsLabels ? labels.merging(series) : series.merging(labels)
        result[Self.reserved] = labels[Self.reserved]
        // The shorter name first: `exported_a` of one label is then not taken from another that is called so.
        for label in conflicting.sorted(by: { $0.name.utf8.count < $1.name.utf8.count }) {
            var name = Self.exportedPrefix + label.name
            while result[name] != nil { name = Self.exportedPrefix + name }
            result[name] = label.value
        }
        return result
    }
}
