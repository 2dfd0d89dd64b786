import MusterModel

/// The expression of `| regexp`: its named groups become labels.
struct LabelledSearch: Sendable {
    private let pattern: any SearchPattern
    /// In the order of the groups.
    private let groups: [(name: String, number: Int)]

    /// Errors have no place: the caller knows where the expression stands.
    init(_ expression: String, compiler: some PatternCompiler) throws(LogQLError) {
        do throws(PatternError) {
            pattern = try compiler.compileSearch(expression)
        } catch {
            throw LogQLError(.syntax, error.description)
        }
        groups = pattern.groupNames.map { ($0.key, $0.value) }.sorted { $0.number < $1.number }
        guard !groups.isEmpty, groups.allSatisfy({ Labels.isName($0.name) }) else {
            throw LogQLError(
                .syntax, "regexp needs groups named like labels, for example `status=(?P<status>[0-9]+)`")
        }
    }

    func captures(in line: [UInt8]) -> [(name: String, value: String)] {
        guard let ranges = pattern.firstMatch(in: line.span, from: 0) else { return [] }
        return groups.compactMap { name, number in
            guard number < ranges.count, let range = ranges[number] else { return nil }
            return (name, String(decoding: line[range], as: UTF8.self))
        }
    }
}
