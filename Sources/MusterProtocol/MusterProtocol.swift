// MusterProtocol: control messages between agent and coordinator, as bytes and as nouns.
//
// `muster.proto` is the schema, `Generated/` what protoc makes of it (see Generated/README.md), and the files here turn
// messages into the nouns of MusterModel and MusterRollouts and back. Nobody else sees a protobuf type. A message that
// does not make sense is a `ProtocolError`; an unknown kind, which a newer peer may send, is one too, and is skipped
// and counted by the wiring instead of closing the connection.

/// Why a control message cannot be used.
package enum ProtocolError: Error, Equatable, CustomStringConvertible {
    /// The bytes are no protobuf message of this type.
    case damaged
    /// A kind this version does not know; the peer is probably newer.
    case unknownKind
    case badField(String, value: String)
    case tooMany(String, count: Int, limit: Int)

    package var description: String {
        switch self {
        case .damaged: "the control message is damaged"
        case .unknownKind: "the control message has a kind this version does not know; update this side"
        case .badField(let field, let value): "the control message's field \(field) is \"\(value)\""
        case .tooMany(let field, let count, let limit):
            "the control message has \(count) \(field); at most \(limit) are allowed"
        }
    }
}
