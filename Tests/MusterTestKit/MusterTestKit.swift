// MusterTestKit: what tests of several modules need around the code they test.
//
// Processes that are ended by their id whatever happens, folders that go away, ports nobody has, a dockerd of the tests'
// own, and waiting on a level. Nothing here knows Muster's programs; whoever starts those describes them itself.
//
// A test waits for a state of the world and gives it a bound, it never waits for a time. What is missing on a machine is
// said in words by `Peers`, so that a skipped test tells why, and is a failure where peers are required.

/// Thrown when a state did not come within its bound.
package struct NeverHappened: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Waits until `condition` holds and throws `NeverHappened` when it does not within `bound`.
package func eventually(
    _ what: String, within bound: Duration = .seconds(10), every pause: Duration = .milliseconds(20),
    _ condition: () async throws -> Bool
) async throws {
    _ = try await awaited(what, within: bound, every: pause) { try await condition() ? true : nil }
}

/// Waits until `look` finds something and returns it; throws `NeverHappened` when it does not within `bound`. It always
/// looks once more after the bound, so a slow machine is not blamed for what has come meanwhile.
package func awaited<Found>(
    _ what: String, within bound: Duration = .seconds(10), every pause: Duration = .milliseconds(20),
    _ look: () async throws -> Found?
) async throws -> Found {
    let end = ContinuousClock.now + bound
    while true {
        let isLast = ContinuousClock.now >= end
        if let found = try await look() { return found }
        guard !isLast else { throw NeverHappened("within \(bound) it never was so that \(what)") }
        try await Task.sleep(for: pause)
    }
}

/// How long `work` took.
package func timed(_ work: () async throws -> Void) async rethrows -> Duration {
    let began = ContinuousClock.now
    try await work()
    return ContinuousClock.now - began
}
