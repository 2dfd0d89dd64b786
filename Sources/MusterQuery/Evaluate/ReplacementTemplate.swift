/// The replacement of `label_replace`: text with `$1`, `${1}`, `$name`, `${name}` for what groups captured and `$$` for
/// a dollar. A name is as long as it can be: `$1x` is the group `1x`. An unknown group stands for nothing, a `$` that
/// begins none of these for itself. Source: Go, regexp.Expand.
struct ReplacementTemplate {
    private enum Part {
        case text(String)
        case group(Int)
        case name(String)
    }

    private var parts: [Part] = []

    init(_ template: String) {
        var rest = template[...]
        while let dollar = rest.firstIndex(of: "$") {
            parts.append(.text(String(rest[..<dollar])))
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                parts.append(.text("$"))
                rest.removeFirst()
            } else if let name = Self.name(&rest) {
                parts.append(Self.number(name).map(Part.group) ?? .name(name))
            } else {
                parts.append(.text("$"))
            }
        }
        parts.append(.text(String(rest)))
    }

    func expanded(_ captures: [String?], names: [String: Int]) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .group(let number): number < captures.count ? captures[number] ?? "" : ""
            case .name(let name): names[name].flatMap { $0 < captures.count ? captures[$0] : nil } ?? ""
            }
        }.joined()
    }

    /// Takes a name, in braces or not, off the beginning; leaves `rest` alone when there is none.
    private static func name(_ rest: inout Substring) -> String? {
        let isBraced = rest.first == "{"
        let body = isBraced ? rest.dropFirst() : rest
        let name = body.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        let after = body[name.endIndex...]
        guard !name.isEmpty, !isBraced || after.first == "}" else { return nil }
        rest = isBraced ? after.dropFirst() : after
        return String(name)
    }

    /// Digits without a leading zero.
    private static func number(_ name: String) -> Int? {
        guard name.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        guard name == "0" || !name.hasPrefix("0"), name.utf8.count <= 8 else { return nil }
        return Int(name)
    }
}
