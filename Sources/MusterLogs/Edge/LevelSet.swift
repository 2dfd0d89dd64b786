package import MusterModel

/// Some of the levels.
package struct LevelSet: Equatable, Sendable {
    private var bits: UInt8 = 0

    package static let all = LevelSet(LogLevel.allCases)

    package init(_ levels: some Sequence<LogLevel>) {
        for level in levels { bits |= 1 << level.rawValue }
    }

    @inline(__always)
    package func contains(_ level: LogLevel) -> Bool { bits >> level.rawValue & 1 == 1 }
}
