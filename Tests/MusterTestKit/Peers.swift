import Foundation

/// What a test needs of the machine it runs on.
package enum Peers {
    /// Where peers are required, what is missing fails the test instead of skipping it.
    package static let areRequired = ProcessInfo.processInfo.environment["MUSTER_REQUIRE_PEERS"] == "1"

    /// Why tests that need all these are skipped, in words; nil when they run. `programs` are paths with the Debian
    /// packages that bring them.
    package static func obstacle(programs: [(path: String, package: String)], needsRoot: Bool = false) -> String? {
        if areRequired { return nil }
        if needsRoot, geteuid() != 0 { return "this needs root" }
        let missing = programs.first { !FileManager.default.isExecutableFile(atPath: $0.path) }
        return missing.map { "\($0.package) is not installed: there is no \($0.path)" }
    }

    /// The first of these files that can be executed; the first of all when none can, so that the error names it.
    package static func path(of name: String, in folders: [String] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"])
        -> String
    {
        let candidates = folders.map { "\($0)/\(name)" }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) } ?? candidates.first ?? name
    }
}
