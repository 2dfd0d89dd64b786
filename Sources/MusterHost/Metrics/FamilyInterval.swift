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

    func isMatch(_ name: String) -> Bool {
        pattern.last == "*" ? name.hasPrefix(pattern.dropLast()) : name == pattern
    }
}

extension [FamilyInterval] {
    /// That of the longest pattern that matches; 1 when none does.
    func ticks(of name: String) -> UInt64 {
        let matching = filter { $0.isMatch(name) }
        return matching.max { $0.pattern.utf8.count < $1.pattern.utf8.count }?.ticks ?? 1
    }
}
