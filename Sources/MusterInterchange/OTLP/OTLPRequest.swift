package import MusterModel

/// An export over HTTP: from the request to metrics, or to the answer that says why not. The answer to a request whose
/// content type is none of OTLP's is plain in JSON.
package struct OTLPRequest: Sendable {
    package static let path = "/v1/metrics"
    /// A body as it is sent, and after it was inflated.
    package static let bodyBytes = 16 << 20
    /// How long a sender shall wait that was told there is no room.
    package static let retryAfter = Duration.seconds(1)

    /// Why a whole request is not taken. Raw values are label values of the metric that counts refusals.
    package enum Refusal: String, Sendable, CaseIterable {
        case notFound = "not_found"
        case method
        case contentType = "content_type"
        case contentEncoding = "content_encoding"
        case tooLarge = "too_large"
        case malformed
        /// The samples that wait for the next tick are as many as allowed.
        case full
        /// Too many requests at one time.
        case busy
    }

    package var metrics: OTLPMetrics
    package var encoding: OTLPEncoding

    /// What is wrong with a request by its head alone; nil lets its body in.
    package static func refusal(_ head: HTTPRequest) -> Refusal? {
        guard head.target.prefix(while: { $0 != "?" }) == path else { return .notFound }
        guard head.method == "POST" else { return .method }
        guard encoding(head) != nil else { return .contentType }
        guard ["", "identity", "gzip"].contains(contentEncoding(head)) else { return .contentEncoding }
        return nil
    }

    /// Reads the body. `compressor` is one of gzip's format.
    package init(_ request: HTTPRequest, compressor: any Compressor) throws(OTLPRefused) {
        if let refusal = Self.refusal(request) { throw OTLPRefused(refusal, "") }
        encoding = Self.encoding(request) ?? .protobuf
        var body = request.body
        guard body.count <= Self.bodyBytes else { throw OTLPRefused(.tooLarge, "") }
        if Self.contentEncoding(request) == "gzip" {
            do throws(CompressionError) {
                body = try compressor.inflate(body[...], maxBytes: Self.bodyBytes)
            } catch {
                switch error {
                case .tooLarge, .suspiciousRatio: throw OTLPRefused(.tooLarge, "\(error)")
                case .damaged, .trailingBytes: throw OTLPRefused(.malformed, "\(error)")
                }
            }
        }
        switch encoding {
        case .protobuf:
            do throws(ProtobufError) {
                metrics = try OTLPMetrics(protobuf: body)
            } catch {
                throw OTLPRefused(.malformed, "\(error)")
            }
        case .json:
            do throws(JSONError) {
                metrics = try OTLPMetrics(json: body)
            } catch {
                throw OTLPRefused(.malformed, "\(error)")
            }
        }
    }

    /// The answer to a request that is refused, in the encoding it came in.
    package static func answer(to request: HTTPRequest, _ refusal: Refusal, _ detail: String = "") -> HTTPResponse {
        let encoding = encoding(request) ?? .json
        let text = detail.isEmpty ? words(refusal) : detail
        var headers = [HTTPHeader("Content-Type", encoding.contentType)]
        let status: (code: Int, body: OTLPStatus)
        switch refusal {
        case .notFound: status = (404, .invalid(text))
        case .method:
            status = (405, .invalid(text))
            headers.append(HTTPHeader("Allow", "POST"))
        case .contentType, .contentEncoding: status = (415, .invalid(text))
        case .tooLarge: status = (413, .invalid(text))
        case .malformed: status = (400, .invalid(text))
        case .full, .busy:
            status = (429, .exhausted(text))
            headers.append(HTTPHeader("Retry-After", "\(retryAfter.components.seconds)"))
        }
        return HTTPResponse(status: status.code, headers: headers, body: status.body.encoded(encoding))
    }

    /// The answer to an export that was taken.
    package static func answer(_ encoding: OTLPEncoding, _ response: OTLPResponse) -> HTTPResponse {
        HTTPResponse(
            status: 200, headers: [HTTPHeader("Content-Type", encoding.contentType)], body: response.encoded(encoding))
    }

    private static func words(_ refusal: Refusal) -> String {
        switch refusal {
        case .notFound: "only metrics are taken here, at \(path)"
        case .method: "exports are sent with POST"
        case .contentType: "the content type is application/x-protobuf or application/json"
        case .contentEncoding: "the content encoding is gzip or none"
        case .tooLarge: "the body is larger than the \(bodyBytes) bytes allowed"
        case .malformed: "the body cannot be read"
        case .full: "as many samples as allowed wait for the next reading; repeat the export"
        case .busy: "too many requests at one time; repeat the export"
        }
    }

    private static func encoding(_ request: HTTPRequest) -> OTLPEncoding? {
        OTLPEncoding(contentType: header("content-type", request))
    }

    private static func contentEncoding(_ request: HTTPRequest) -> String {
        (header("content-encoding", request) ?? "").lowercased()
    }

    private static func header(_ name: String, _ request: HTTPRequest) -> String? {
        request.headers.first { $0.name.lowercased() == name }?.value
    }
}

/// A request that gives no metrics.
package struct OTLPRefused: Error, Equatable, Sendable {
    package var refusal: OTLPRequest.Refusal
    /// In words, empty when the rule says it all.
    package var detail: String

    init(_ refusal: OTLPRequest.Refusal, _ detail: String) {
        self.refusal = refusal
        self.detail = detail
    }
}
