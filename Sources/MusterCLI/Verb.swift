package import ArgumentParser
package import Foundation
package import MusterModel

/// What every verb takes.
package struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Which coordinator, and as whom.", valueName: "file"))
    package var context: String?

    @Flag(help: "Print JSON for programs instead of a table.")
    package var json = false

    package init() {}
}

/// Runs `work`; when it takes longer than `delay` the notice is shown, and wiped at the latest when it is done.
package func announcing<Answer: Sendable>(
    _ notice: WaitingNotice, after delay: Duration = WaitingNotice.delay,
    _ work: @escaping @Sendable () async throws -> Answer
) async throws -> Answer {
    try await withThrowingTaskGroup(of: Answer?.self) { group in
        defer { notice.end() }
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: delay)
            notice.show()
            return nil
        }
        while let result = try await group.next() {
            guard let answer = result else { continue }
            group.cancelAll()
            return answer
        }
        throw CancellationError()
    }
}

/// Turns what a verb throws into one message and an exit code.
package func reporting(_ work: () async throws -> Void) async throws {
    do {
        try await work()
    } catch let error as CLIError {
        Output.error("muster: \(error)")
        throw Ending.error.exitCode
    } catch let error as ExitCode {
        throw error
    } catch {
        Output.error("muster: \(error)")
        throw Ending.error.exitCode
    }
}

/// Durations on the command line: `10s`, `1h30m`.
package func parseDuration(_ text: String) throws -> Duration {
    guard let duration = Duration(shortText: text), duration > .zero else {
        throw ValidationError("\"\(text)\" is no duration; write for example 30s, 10m or 1h30m")
    }
    return duration
}

/// Times on the command line: RFC 3339, or seconds since 1970 as in the API.
package func parseTime(_ text: String) throws -> Instant {
    if let seconds = Double(text), seconds.isFinite, abs(seconds) < 9e9 {
        return Instant(milliseconds: Int64((seconds * 1_000).rounded()))
    }
    for isFractional in [false, true] {
        guard let date = try? Date.ISO8601FormatStyle(includingFractionalSeconds: isFractional).parse(text) else {
            continue
        }
        return Instant(milliseconds: Int64((date.timeIntervalSince1970 * 1_000).rounded()))
    }
    throw ValidationError("\"\(text)\" is no time; write for example 2026-03-01T12:00:00Z, or seconds since 1970")
}

/// A number of rows or the like on the command line.
package func parseCount(_ text: String) throws -> Int {
    guard let count = Int(text), count > 0 else {
        throw ValidationError("\"\(text)\" is no number of rows; write for example 20")
    }
    return count
}

/// How long ago, for people: `3s`, `4m`, `2h`, `5d`.
package func age(_ from: String, now: Date) -> String {
    let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    guard let date = try? format.parse(from) else { return from }
    let seconds = max(0, Int(now.timeIntervalSince(date)))
    return switch seconds {
    case ..<120: "\(seconds)s"
    case ..<7_200: "\(seconds / 60)m"
    case ..<172_800: "\(seconds / 3_600)h"
    default: "\(seconds / 86_400)d"
    }
}

extension [String: String] {
    /// `a=b,c=d` by name, for a table cell.
    var cell: String { sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
}
