/// The table of modules, as the manifest declares it.
struct ModuleTable {
    enum Kind: String, CaseIterable { case core, driver, wiring, system }

    private(set) var kinds: [String: Kind] = [:]
    /// What each module may import of ours and of packages.
    private(set) var dependencies: [String: Set<String>] = [:]

    /// Reads the calls `core("Name", ...)`, `driver(...)`, `wiring(...)` and `system(...)` in the list of targets.
    init(manifest: String) {
        let lists = [
            "collections": Self.strings(manifest, in: "let collections"), "nio": Self.strings(manifest, in: "let nio"),
        ]
        let targets = manifest.firstRange(of: "targets: [").map { manifest[$0.upperBound...] } ?? ""
        for kind in Kind.allCases {
            var rest = targets[...]
            while let call = rest.firstRange(of: "\(kind)(") {
                rest = rest[call.upperBound...]
                let arguments = Self.balanced(rest)
                let names = Self.literals(arguments)
                guard let name = names.first, name.hasPrefix("Muster") || name.hasPrefix("CMuster") else { continue }
                kinds[name] = kind
                var all = Set(names.dropFirst())
                if kind != .system, name != "MusterModel" { all.insert("MusterModel") }
                for (list, members) in lists where Self.words(arguments).contains(list) { all.formUnion(members) }
                if Self.words(arguments).contains("log") { all.insert("Logging") }
                dependencies[name] = all
            }
        }
    }

    /// Names of ours that break the directions, as the manifest has them.
    var wrongDirections: [String] {
        var wrong: [String] = []
        for (name, all) in dependencies.sorted(by: { $0.key < $1.key }) {
            for other in all.sorted() where !isAllowed(name, other) { wrong.append("\(name) -> \(other)") }
        }
        return wrong
    }

    private func isAllowed(_ name: String, _ other: String) -> Bool {
        guard let kind = kinds[name], let otherKind = kinds[other] else { return true }
        return switch (kind, otherKind) {
        case (.core, .core): other == "MusterModel" || (name == "MusterLogQL" && other == "MusterLogs")
        case (.core, _): false
        case (.driver, .core), (.driver, .system): true
        case (.driver, _): false
        case (.wiring, .wiring): false
        case (.wiring, _): true
        case (.system, _): false
        }
    }

    /// The members of a list at the top of the manifest.
    private static func strings(_ manifest: String, in declaration: String) -> [String] {
        guard let start = manifest.firstRange(of: declaration) else { return [] }
        let body = manifest[start.upperBound...]
        guard let end = body.firstRange(of: "\n]") else { return [] }
        return literals(body[..<end.lowerBound])
    }

    /// The text up to the parenthesis that closes the call.
    private static func balanced(_ text: Substring) -> Substring {
        var depth = 1
        for index in text.indices {
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" { depth -= 1 }
            if depth == 0 { return text[..<index] }
        }
        return text
    }

    private static func literals(_ text: Substring) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }

    private static func words(_ text: Substring) -> Set<String> {
        Set(text.split { !$0.isLetter && $0 != "\"" }.map(String.init))
    }
}
