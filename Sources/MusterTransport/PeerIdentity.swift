package import MusterModel

/// What a certificate entitles its holder to ask for. Having a certificate of our authority is never enough: each
/// message is checked against the role.
package enum PeerRole: String, CaseIterable, Hashable, Sendable, CustomStringConvertible {
    case agent
    case coordinator
    case `operator`

    package var description: String { rawValue }
}

/// Who a certificate speaks for. It is the certificate's one URI name: `muster://agent/web-1`.
package struct PeerIdentity: Hashable, Sendable, CustomStringConvertible {
    package let role: PeerRole
    /// The host id of an agent, the name of a coordinator or an operator; kept to `NameSpelling`.
    package let id: String

    /// Nil when the id breaks `NameSpelling`.
    package init?(role: PeerRole, id: String) {
        guard NameSpelling.isValid(id) else { return nil }
        self.role = role
        self.id = id
    }

    /// The identity of a host's agent.
    package init(agent host: HostID) {
        role = .agent
        id = host.text
    }

    /// Reads `muster://<role>/<id>`; nil for anything else.
    package init?(uri: some StringProtocol) {
        let scheme = "muster://"
        guard uri.hasPrefix(scheme) else { return nil }
        let parts = uri.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let role = PeerRole(rawValue: String(parts[0])) else { return nil }
        self.init(role: role, id: String(parts[1]))
    }

    package var uri: String { "muster://\(role.rawValue)/\(id)" }

    /// The host this identity is the agent of; nil for other roles.
    package var host: HostID? { role == .agent ? HostID(id) : nil }

    package var description: String { uri }
}
