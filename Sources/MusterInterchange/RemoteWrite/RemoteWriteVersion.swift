/// The two messages remote write has, and how a request says which one it brings.
package enum RemoteWriteVersion: Sendable, Equatable {
    case v1
    case v2

    package static let v1Message = "prometheus.WriteRequest"
    package static let v2Message = "io.prometheus.write.v2.Request"

    package var contentType: String {
        switch self {
        case .v1: "application/x-protobuf"
        case .v2: "application/x-protobuf;proto=\(Self.v2Message)"
        }
    }

    /// The header `X-Prometheus-Remote-Write-Version` of a request.
    package var versionHeader: String {
        switch self {
        case .v1: "0.1.0"
        case .v2: "2.0.0"
        }
    }

    /// Decides from the headers, nil for those that are absent. A request without type or encoding is taken for 1.0
    /// with snappy, as senders older than the specification leave them out. Throws what to answer.
    package static func of(
        contentType: String?, contentEncoding: String?, versionHeader: String?
    ) throws(RemoteWriteRefusal) -> RemoteWriteVersion {
        let version = try named(by: contentType)
        let encoding = (contentEncoding ?? "").trimmedASCII.lowercased()
        guard encoding.isEmpty || encoding == "snappy" else {
            throw RemoteWriteRefusal(
                status: 415, text: "content encoding \(quoted(encoding)) is not supported, send snappy (block format)")
        }
        if let header = versionHeader?.trimmedASCII, let said = major(of: header), said != version {
            throw RemoteWriteRefusal(
                status: 415,
                text: "the headers contradict each other: version \(quoted(header)), but the content type is that of "
                    + (version == .v1 ? "1.0" : "2.0"))
        }
        return version
    }

    private static func named(by contentType: String?) throws(RemoteWriteRefusal) -> RemoteWriteVersion {
        guard let contentType, !contentType.trimmedASCII.isEmpty else { return .v1 }
        let parts = contentType.split(separator: ";").map { String($0).trimmedASCII }
        guard parts.first?.lowercased() == "application/x-protobuf" else {
            throw RemoteWriteRefusal(
                status: 415, text: "content type \(quoted(contentType)) is not supported, send application/x-protobuf")
        }
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map { String($0).trimmedASCII }
            guard pair.count == 2, pair[0].lowercased() == "proto" else { continue }
            switch pair[1] {
            case v1Message: return .v1
            case v2Message: return .v2
            default:
                throw RemoteWriteRefusal(
                    status: 415,
                    text: "the message \(quoted(pair[1])) is not known, send \(v1Message) or \(v2Message)")
            }
        }
        return .v1
    }

    /// Nil when the header says neither, which is then left to the content type.
    private static func major(of header: String) -> RemoteWriteVersion? {
        switch header.split(separator: ".").first {
        case "0", "1": .v1
        case "2": .v2
        default: nil
        }
    }

    private static func quoted(_ text: String) -> String { "\"\(text.prefix(100))\"" }
}

/// A request that is not taken, and what its sender is told. With 4xx it must not send it again.
package struct RemoteWriteRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    package var status: Int
    package var text: String

    package init(status: Int, text: String) {
        self.status = status
        self.text = text
    }

    package var description: String { "\(status): \(text)" }
}

extension String {
    /// Without spaces and tabs at both ends.
    var trimmedASCII: String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        guard let first = utf8.firstIndex(where: { !isSpace($0) }), let last = utf8.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(Substring(utf8[first...last]))
    }
}
