package import ArgumentParser

/// How a verb ends, for scripts. Stable.
package enum Ending: Int32, Sendable {
    case success = 0
    case error = 1
    /// `rollout plan` found something to do.
    case planHasChanges = 2
    case rolledBack = 3
    case failedNotRolledBack = 4
    /// Paused, or waiting for a decision.
    case needsPerson = 5

    /// What the process ends with.
    package var exitCode: ExitCode { ExitCode(rawValue) }
}

/// The table that `--help` of the verbs with several endings prints.
let endingHelp = """
    Exit codes: 0 done, 1 error, 2 the plan has changes, 3 rolled back, 4 failed and not rolled back, 5 needs a person.
    """
