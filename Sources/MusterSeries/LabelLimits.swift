import MusterModel

/// The limits every set of labels keeps, on the way out as on the way in.
enum LabelLimits {
    /// The name of the first limit the labels break, nil when they keep all.
    static func firstBroken(by labels: Labels) -> String? {
        guard labels.count <= Limits.labelsPerSet else { return "labelsPerSet (\(Limits.labelsPerSet))" }
        for label in labels.pairs {
            guard (1...Limits.labelNameBytes).contains(label.name.utf8.count) else {
                return "labelNameBytes (1 to \(Limits.labelNameBytes))"
            }
            guard label.value.utf8.count <= Limits.labelValueBytes else {
                return "labelValueBytes (\(Limits.labelValueBytes))"
            }
        }
        return nil
    }
}
