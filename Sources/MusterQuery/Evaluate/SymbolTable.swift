import MusterModel

/// The strings of one query: the view's, and those the query makes itself (`label_replace`, `count_values`).
struct SymbolTable {
    private let view: any SampleView
    private let limit: UInt32
    private var made: [String] = []
    private var numbers: [String: UInt32] = [:]

    init(view: any SampleView) {
        self.view = view
        limit = view.symbolLimit
    }

    /// Nil when no label of the query has it.
    func find(_ text: String) -> Symbol? {
        view.symbol(for: text) ?? numbers[text].map { Symbol(id: $0) }
    }

    mutating func intern(_ text: String) -> Symbol {
        if let known = find(text) { return known }
        let symbol = Symbol(id: limit &+ UInt32(truncatingIfNeeded: made.count))
        made.append(text)
        numbers[text] = symbol.id
        return symbol
    }

    func text(_ symbol: Symbol) -> String {
        symbol.id < limit ? view.text(of: symbol) : made[Int(symbol.id &- limit)]
    }
}

extension SymbolTable {
    /// `{a="1", b="2"}`, sorted by name, as Prometheus writes label sets in its messages.
    func text(of labels: some Sequence<LabelPair>) -> String {
        let pairs = labels.map { (name: text($0.name), value: text($0.value)) }
            .sorted { $0.name.precedesInBytes($1.name) }
        let texts = pairs.map { name, value in
            (Labels.isName(name) ? name : name.quotedAsInGo) + "=" + value.quotedAsInGo
        }
        return "{" + texts.joined(separator: ", ") + "}"
    }
}

extension String {
    /// Order of UTF-8 bytes, which is how Prometheus orders labels.
    func precedesInBytes(_ other: String) -> Bool {
        let (a, b) = (utf8Span.span, other.utf8Span.span)
        let shared = min(a.count, b.count)
        var index = 0
        while index < shared, a[index] == b[index] { index += 1 }
        return index < shared ? a[index] < b[index] : a.count < b.count
    }
}
