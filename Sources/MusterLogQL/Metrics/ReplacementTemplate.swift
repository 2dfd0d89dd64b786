/// The replacement of `label_replace`: `$1`, `${1}`, `$name` and `${name}` stand for what groups captured, `$$` for a
/// dollar. An unknown group stands for nothing. Source: Go, regexp.Expand.
struct ReplacementTemplate {
    private enum Part {
        case text(String)
        case group(String)
    }

    private var parts: [Part] = []

    init(_ template: String) {
        var rest = template[...]
        while let dollar = rest.firstIndex(of: "$") {
            parts.append(.text(String(rest[..<dollar])))
            rest = rest[rest.index(after: dollar)...]
            let isBraced = rest.first == "{"
            let body = isBraced ? rest.dropFirst() : rest
            let name = body.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            if rest.first == "$" {
                parts.append(.text("$"))
                rest = rest.dropFirst()
            } else if !name.isEmpty, !isBraced || body[name.endIndex...].first == "}" {
                parts.append(.group(String(name)))
                rest = body[name.endIndex...].dropFirst(isBraced ? 1 : 0)
            } else {
                parts.append(.text("$"))
            }
        }
        parts.append(.text(String(rest)))
    }

    func expanded(_ captures: [String?], names: [String: Int]) -> String {
        parts.map { part in
            switch part {
            case .text(let text): return text
            case .group(let name):
                guard let number = Int(name) ?? names[name], captures.indices.contains(number) else { return "" }
                return captures[number] ?? ""
            }
        }.joined()
    }
}
