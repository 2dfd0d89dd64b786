import MusterModel

/// Why a link could not be made or has ended.
package enum LinkError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nothing listens, the name does not resolve, no route.
    case unreachable(String)
    case connectTimedOut(after: Duration)
    case tls(TLSError)
    /// The socket failed: reset, no route any more.
    case lost(String)
    /// This end closed it, for this reason.
    case closedHere(String)
    /// The peer ended it in good order.
    case closedByPeer
    case chunkTooLarge(bytes: Int, maxBytes: Int)
    case tooManySenders(Int)
    /// A link's bytes go to one task.
    case secondConsumer
    case cancelled
    /// Every address was tried.
    case allFailed([String])

    package var description: String {
        switch self {
        case .unreachable(let reason): "cannot connect: \(reason)"
        case .connectTimedOut(let after): "cannot connect: no answer within \(after.shortText)"
        case .tls(let error): error.description
        case .lost(let reason): "the connection was lost: \(reason)"
        case .closedHere(let reason): "closed here: \(reason)"
        case .closedByPeer: "the peer closed the connection"
        case .chunkTooLarge(let bytes, let maxBytes):
            "\(bytes) bytes are more than the \(maxBytes) that can be sent at once"
        case .tooManySenders(let limit): "\(limit) senders already wait for room"
        case .secondConsumer: "another task already reads this link"
        case .cancelled: "cancelled"
        case .allFailed(let reasons):
            reasons.isEmpty ? "there is no address to connect to" : reasons.joined(separator: "; ")
        }
    }
}

/// Where a coordinator listens: `coordinator.example:7443`, `[2001:db8::1]:7443`.
package struct LinkAddress: Hashable, Sendable, CustomStringConvertible {
    package static let defaultPort = 7_443

    package let host: String
    package let port: Int

    package init(host: String, port: Int = defaultPort) {
        self.host = host
        self.port = port
    }

    /// Nil unless the text is a host name, an IPv4 address or an IPv6 address in brackets, with or without a port.
    package init?(_ text: String) {
        let parts: (host: Substring, port: Substring?)
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            parts = (text[text.index(after: text.startIndex)..<end], rest.isEmpty ? nil : rest.dropFirst())
            guard parts.host.contains(":"), IPAddress.isValid(String(parts.host)) else { return nil }
        } else {
            let pieces = text.split(separator: ":", omittingEmptySubsequences: false)
            guard pieces.count <= 2, let host = pieces.first, NameSpelling.isValid(String(host)) else { return nil }
            parts = (host, pieces.count == 2 ? pieces[1] : nil)
        }
        host = String(parts.host)
        guard let portText = parts.port else {
            port = Self.defaultPort
            return
        }
        guard portText.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(portText), (1...65_535).contains(port)
        else { return nil }
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
