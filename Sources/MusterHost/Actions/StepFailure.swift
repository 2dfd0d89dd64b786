/// Why a step does not go on.
enum StepFailure: Error, Equatable {
    /// The agent is stopping: whoever comes next resumes.
    case cancelled
    /// The daemon has not answered for too long; nothing more is known.
    case unanswered(String)
    /// What was tried cannot be, in words for people.
    case verdict(String)
}
