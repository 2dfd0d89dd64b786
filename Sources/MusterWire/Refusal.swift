/// Why a peer is turned away or cut off.
package enum RefusalCode: UInt8, CaseIterable, Sendable, CustomStringConvertible {
    /// A code of a later version that this one does not know.
    case unspecified = 0
    case protocolVersion = 1
    case wrongHost = 2
    case wrongRole = 3
    case revoked = 4
    case overloaded = 5
    /// A newer connection of the same host took over.
    case superseded = 6
    case badFrame = 7
    case certificateExpired = 8
    case shuttingDown = 9
    /// The coordinator could not put received frames on its disk; what it had not acknowledged must come again.
    case storageFailed = 10
    /// The agent would use sequences again that the coordinator already has under this boot id.
    case staleState = 11

    package var description: String {
        switch self {
        case .unspecified: "unspecified"
        case .protocolVersion: "protocol version"
        case .wrongHost: "wrong host"
        case .wrongRole: "wrong role"
        case .revoked: "revoked"
        case .overloaded: "overloaded"
        case .superseded: "superseded"
        case .badFrame: "bad frame"
        case .certificateExpired: "certificate expired"
        case .shuttingDown: "shutting down"
        case .storageFailed: "storage failed"
        case .staleState: "stale state"
        }
    }

    /// Nothing changes by itself within seconds: trying again soon only costs both sides.
    package var isLasting: Bool {
        switch self {
        case .protocolVersion, .wrongHost, .wrongRole, .revoked, .superseded, .certificateExpired, .staleState: true
        case .unspecified, .overloaded, .badFrame, .shuttingDown, .storageFailed: false
        }
    }
}

/// The last frame before a close.
package struct Refusal: Equatable, Sendable, CustomStringConvertible {
    package var code: RefusalCode
    /// For people: what is wrong and the way out. At most `WireLimits.refusalMessageBytes`; cut when made.
    package var message: String

    package init(_ code: RefusalCode, _ message: String) {
        self.code = code
        self.message = String(message.cut(toBytes: WireLimits.refusalMessageBytes))
    }

    package var description: String { "\(code): \(message)" }
}

/// Why a session is over.
package enum CloseReason: Equatable, Sendable, CustomStringConvertible {
    /// The peer told us, and this is what it said.
    case refusedByPeer(Refusal)
    /// We told the peer.
    case refused(Refusal)
    case helloTimedOut
    case welcomeTimedOut
    /// Not one byte for `Limits.silenceDeadline`: the connection is half open.
    case silence

    package var description: String {
        switch self {
        case .refusedByPeer(let refusal): "the peer refused: \(refusal)"
        case .refused(let refusal): "refused: \(refusal)"
        case .helloTimedOut: "no hello came in time"
        case .welcomeTimedOut: "no welcome came in time"
        case .silence: "nothing was heard from the peer for too long"
        }
    }
}
