/// The two spellings of OTLP over HTTP. The answer has the one of the request.
package enum OTLPEncoding: Sendable, Equatable {
    case protobuf
    case json

    /// Nil for a content type that is neither: 415.
    package init?(contentType: String?) {
        let type = (contentType ?? "").split(separator: ";").first.map { String($0).trimmedASCII.lowercased() }
        switch type {
        case "application/x-protobuf": self = .protobuf
        case "application/json": self = .json
        default: return nil
        }
    }

    package var contentType: String { self == .protobuf ? "application/x-protobuf" : "application/json" }
}

/// `ExportMetricsServiceResponse`, answered with 200: the sender must not repeat the export, also when some of it was
/// refused.
package struct OTLPResponse: Equatable, Sendable {
    package var rejectedDataPoints: Int
    /// Why, or a warning when nothing was rejected. Empty for a plain success.
    package var message: String

    package init(rejectedDataPoints: Int, message: String) {
        self.rejectedDataPoints = rejectedDataPoints
        self.message = message
    }

    /// `storeRejected` and `storeMessage` are what the store did not take of the points that were translated.
    package init(_ result: OTLPSeries, storeRejected: Int = 0, storeMessage: String = "") {
        rejectedDataPoints = result.refusals.total + storeRejected
        var sentences = [result.refusals.text("data points"), storeMessage]
        if result.attributeCollisions > 0 {
            sentences.append(
                "\(result.attributeCollisions) data points have attributes that become one label; values were joined")
        }
        message = sentences.filter { !$0.isEmpty }.joined(separator: ". ")
    }

    package func encoded(_ encoding: OTLPEncoding) -> [UInt8] {
        let isPlain = rejectedDataPoints == 0 && message.isEmpty
        switch encoding {
        case .protobuf:
            var writer = ProtobufWriter()
            if !isPlain {
                writer.message(1) { partial in
                    partial.varint(1, UInt64(max(0, rejectedDataPoints)))
                    partial.string(2, message)
                }
            }
            return writer.bytes
        case .json:
            guard !isPlain else { return Array("{}".utf8) }
            let text = JSONText.quoted(message)
            return Array(
                #"{"partialSuccess":{"rejectedDataPoints":"\#(rejectedDataPoints)","errorMessage":\#(text)}}"#.utf8)
        }
    }
}

/// `google.rpc.Status`, the body of a 4xx or 5xx.
package struct OTLPStatus: Equatable, Sendable {
    /// Of `google.rpc.Code`: 3 for an invalid argument, 8 for a resource that is exhausted, 14 for unavailable.
    package var code: Int
    package var message: String

    package static func invalid(_ message: String) -> OTLPStatus { OTLPStatus(code: 3, message: message) }
    package static func exhausted(_ message: String) -> OTLPStatus { OTLPStatus(code: 8, message: message) }
    package static func unavailable(_ message: String) -> OTLPStatus { OTLPStatus(code: 14, message: message) }

    package init(code: Int, message: String) {
        self.code = code
        self.message = message
    }

    package func encoded(_ encoding: OTLPEncoding) -> [UInt8] {
        switch encoding {
        case .protobuf:
            var writer = ProtobufWriter()
            writer.varint(1, UInt64(max(0, code)))
            writer.string(2, message)
            return writer.bytes
        case .json: return Array(#"{"code":\#(code),"message":\#(JSONText.quoted(message))}"#.utf8)
        }
    }
}
