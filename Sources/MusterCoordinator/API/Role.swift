/// What a token may do. Of viewer to admin each may do what the ones before it may; `ingester` stands apart.
package enum Role: String, CaseIterable, Codable, Sendable {
    /// Push samples, and nothing else: it is the token that lies in many configurations.
    case ingester
    /// Read everything.
    case viewer
    /// Acknowledge alerts.
    case `operator`
    /// Plan, start and steer rollouts.
    case releaser
    /// Tokens, revocation, and pushing samples.
    case admin

    /// Whether it may do what `least` may.
    package func includes(_ least: Role) -> Bool {
        guard self != .ingester, least != .ingester else { return self == least || self == .admin }
        return (Self.allCases.firstIndex(of: self) ?? 0) >= (Self.allCases.firstIndex(of: least) ?? 0)
    }
}

/// Who may call a route.
package enum Access: Equatable, Sendable {
    /// No token is asked for.
    case anyone
    case role(Role)

    /// Whoever may push samples.
    package static let ingest = Access.role(.ingester)

    package func permits(_ role: Role?) -> Bool {
        switch self {
        case .anyone: true
        case .role(let least): role.map { $0.includes(least) } ?? false
        }
    }
}
