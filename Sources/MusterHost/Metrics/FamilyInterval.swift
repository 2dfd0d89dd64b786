/// A metric family that is taken less often than its collector reads it.
package struct FamilyInterval: Equatable, Sendable {
    /// The name of a metric, or its beginning and `*`.
    package var pattern: String
    /// Of the grid, at least 1.
    package var ticks: UInt64

    package init(pattern: String, ticks: UInt64) {
        self.pattern = pattern
        self.ticks = max(1, ticks)
    }

    /// Of the name, how much stands in the pattern.
    fileprivate var literalBytes: Int { pattern.utf8.count - (pattern.last == "*" ? 1 : 0) }

    func isMatch(_ name: String) -> Bool {
        pattern.last == "*" ? name.hasPrefix(pattern.dropLast()) : name == pattern
    }
}

extension [FamilyInterval] {
    /// That of the pattern that says most of the name; 1 when none matches.
    func ticks(of name: String) -> UInt64 {
        filter { $0.isMatch(name) }.max { $0.literalBytes < $1.literalBytes }?.ticks ?? 1
    }
}
