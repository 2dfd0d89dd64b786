package import MusterModel

/// Why the Docker daemon did not do what was asked.
package enum DockerError: Error, Equatable, CustomStringConvertible {
    /// The daemon cannot be reached or the exchange broke.
    case exchange(asked: String, HTTPFailure)
    /// The daemon answered with an error status and its own words.
    case refused(asked: String, status: Int, message: String)
    /// The answer is no JSON or misses what the API promises.
    case unreadable(asked: String, problem: String)
    /// The daemon's API is older than Muster speaks.
    case tooOld(offered: String)
    case pullFailed(image: String, message: String)

    package var description: String {
        switch self {
        case .exchange(let asked, let failure): "Docker did not answer \(asked): \(failure)"
        case .refused(let asked, let status, let message): "Docker refused \(asked) with \(status): \(message)"
        case .unreadable(let asked, let problem): "Docker's answer to \(asked) cannot be read: \(problem)"
        case .tooOld(let offered):
            "this Docker daemon offers API \(offered); Muster needs \(DockerAPI.oldestVersion) or newer "
                + "(Docker Engine 20.10): upgrade the daemon"
        case .pullFailed(let image, let message):
            "the image \(image) is not on this host and cannot be pulled: \(message)"
        }
    }

    /// Whether the daemon may answer when asked again: it was away, restarting or overwhelmed.
    package var isPassing: Bool {
        switch self {
        case .exchange: true
        case .refused(_, let status, let message): status == 503 || Self.isBetweenRestarts(status, message)
        case .unreadable, .tooOld, .pullFailed: false
        }
    }

    package var isNotFound: Bool {
        guard case .refused(_, status: 404, let message) = self else { return false }
        return !Self.isBetweenRestarts(404, message)
    }

    /// A container that crashes and restarts has no network sandbox for a moment: the daemon answers 404 then, for a
    /// container that is there. And it has ended before the daemon takes note of it: changing it is answered with 500.
    private static func isBetweenRestarts(_ status: Int, _ message: String) -> Bool {
        status == 404 && message.hasPrefix("sandbox ")
            || status == 500 && message.contains("cannot update a stopped container")
    }
}
