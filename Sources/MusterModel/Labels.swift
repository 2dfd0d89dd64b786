/// A set of labels: names are unique and sorted by their UTF-8 bytes, so equal sets compare, hash and print alike.
package struct Labels: Hashable, Sendable, CustomStringConvertible {
    package struct Label: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var pairs: [Label]

    package init() { pairs = [] }

    /// Of two labels with one name the later wins.
    package init(_ labels: some Sequence<(String, String)>) {
        var latest: [String: String] = [:]
        for (name, value) in labels { latest[name] = value }
        pairs = latest.map { Label($0.key, $0.value) }.sorted { $0.name < $1.name }
    }

    package init(_ labels: [String: String]) { self.init(labels.map { ($0.key, $0.value) }) }

    /// Pairs that are sorted already, each name once: no sorting and no copy for an answer of many series.
    package init(sortedPairs pairs: [Label]) {
        assert(zip(pairs, pairs.dropFirst()).allSatisfy { $0.name < $1.name }, "\(pairs)")
        self.pairs = pairs
    }

    /// Whether a label may be called so: letters, digits and `_`, ASCII only, not beginning with a digit.
    package static func isName(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }

    package var isEmpty: Bool { pairs.isEmpty }
    package var count: Int { pairs.count }

    /// The value of a label; writing nil removes it.
    package subscript(name: String) -> String? {
        get { pairs.first { $0.name == name }?.value }
        set {
            let index = pairs.firstIndex { $0.name >= name } ?? pairs.endIndex
            let isPresent = index < pairs.endIndex && pairs[index].name == name
            switch (newValue, isPresent) {
            case (let value?, true): pairs[index].value = value
            case (let value?, false): pairs.insert(Label(name, value), at: index)
            case (nil, true): pairs.remove(at: index)
            case (nil, false): break
            }
        }
    }

    /// These labels and the other's; the other's value wins.
    package func merging(_ other: Labels) -> Labels {
        var merged = self
        for label in other.pairs { merged[label.name] = label.value }
        return merged
    }

    package func filtered(_ isKept: (String) -> Bool) -> Labels {
        var kept = Labels()
        kept.pairs = pairs.filter { isKept($0.name) }
        return kept
    }

    package var dictionary: [String: String] {
        Dictionary(uniqueKeysWithValues: pairs.map { ($0.name, $0.value) })
    }

    /// The metric's name: the label `__name__`, empty when there is none.
    package var metricName: String { self["__name__"] ?? "" }

    /// Prometheus spelling: `name{a="b",c="d"}`, with `\\`, `\"` and `\n` escaped in values.
    package var description: String {
        let rest = pairs.filter { $0.name != "__name__" }
        guard !rest.isEmpty || metricName.isEmpty else { return metricName }
        return metricName + "{" + rest.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    package static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension Labels: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, String)...) { self.init(elements) }
}
