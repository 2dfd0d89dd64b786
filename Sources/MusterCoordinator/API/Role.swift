/// What a token may do; each role may do what the ones before it may.
package enum Role: String, CaseIterable, Comparable, Codable, Sendable {
    /// Read everything.
    case viewer
    /// Acknowledge alerts.
    case `operator`
    /// Plan, start and steer rollouts.
    case releaser
    /// Tokens and revocation.
    case admin

    package static func < (a: Role, b: Role) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
}

/// Who may call a route.
package enum Access: Equatable, Sendable {
    /// No token is asked for.
    case anyone
    case role(Role)

    package func permits(_ role: Role?) -> Bool {
        switch self {
        case .anyone: true
        case .role(let least): role.map { $0 >= least } ?? false
        }
    }
}
