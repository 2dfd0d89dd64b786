package import MusterModel

/// Where a rollout stands.
package enum RolloutState: String, Codable, CaseIterable, Sendable {
    case planned
    case running
    /// Waits for a person.
    case paused
    case rollingBack
    case succeeded
    case rolledBack
    /// Some host could not be put back; a person has to look.
    case rollbackFailed
    /// An operator ended it; everything was left as it was.
    case aborted
    /// It ended by itself because too much failed, and nothing was put back (`onFailure: stop`).
    case failed

    /// What `muster rollout run` and `watch` exit with; nil while the rollout goes on by itself.
    package var exitCode: Int32? {
        switch self {
        case .planned, .running, .rollingBack: nil
        case .succeeded: 0
        case .rolledBack: 3
        case .rollbackFailed, .aborted, .failed: 4
        case .paused: 5
        }
    }

    package var isFinished: Bool {
        switch self {
        case .planned, .running, .paused, .rollingBack: false
        case .succeeded, .rolledBack, .rollbackFailed, .aborted, .failed: true
        }
    }
}

/// Where one host of a rollout stands.
package enum RolloutHostState: String, Codable, CaseIterable, Sendable {
    case pending
    /// A replace step was sent; the host has not said that it took it.
    case offered
    /// The host has journalled the step and works on it.
    case running
    case succeeded
    /// The new image did not become good there.
    case failed
    /// A restore step was sent.
    case restoring
    case rolledBack
    case rollbackFailed
    /// Left alone from the start, see the plan.
    case skipped

    var isInFlight: Bool { self == .offered || self == .running || self == .restoring }
}

/// A step that was sent and whose end is not known.
struct OutstandingStep: Codable, Equatable, Sendable {
    var step: RolloutStep
    /// The host has journalled it.
    var isAccepted = false
    /// Unaccepted for so long it counts as never taken.
    @Stored var withdrawAt: Instant
    /// Later than this its end counts as unknown.
    @Stored var deadline: Instant
    @Stored var resendAt: Instant

    /// When its time is over, as things stand.
    var endsAt: Instant { isAccepted ? deadline : min(withdrawAt, deadline) }
}

struct RolloutHost: Codable, Equatable, Sendable {
    @Stored var host: HostID
    var state = RolloutHostState.pending
    var reason = ""
    /// What the host said it ran before; from the plan until it has said so.
    var previousImage = ""
    /// The new image may be there: put back on rollback.
    var isTouched = false
    var outstanding: OutstandingStep?
    /// Tries of each kind of step, ever.
    var attempts: [String: Int] = [:]
    var isCommitted = false
    /// Why the coordinator does not hear from the host; nil while it does.
    var lost: String?
}

/// What `muster rollout status` prints. The names of its fields are part of the public interface.
package struct RolloutStatus: Codable, Equatable, Sendable {
    package struct Host: Codable, Equatable, Sendable {
        package var host: String
        package var state: String
        package var reason: String
    }

    package var id: String
    package var name: String
    package var state: String
    /// Why it is in this state, or what it waits for.
    package var reason: String
    /// From 1; 0 before the start.
    package var wave: Int
    package var hosts: [Host]
}

/// Why an operator's wish was not followed. Nothing changed.
package enum RolloutRefusal: Error, Equatable, CustomStringConvertible {
    case notInState(RolloutID, RolloutState, wish: String, wayOut: String)

    package var description: String {
        switch self {
        case .notInState(let id, let state, let wish, let wayOut):
            "rollout \(id) is \(state.rawValue) and cannot be \(wish); \(wayOut)"
        }
    }
}
