import MusterInterchange
import MusterModel
import MusterSnappy
import MusterStore
import MusterTransport

/// What pushes log lines: Loki's push and OTLP. A request is answered when its lines are durable and can be found.
extension APIHandlers {
    private static let gzip = ZlibCompressor(.gzip)

    /// `POST /loki/api/v1/push`.
    func lokiPush(_ call: APICall) async throws -> APIAnswer {
        let logs: PushedLogs
        do {
            switch LokiPush.Encoding(contentType: call.contentType) {
            case .protobuf:
                let body = try Snappy.uncompress(call.body, limit: InterchangeLimits.logRequestBytes)
                logs = try LokiPush.decode(protobuf: body)
            case .json: logs = try LokiPush.decode(json: try Self.inflated(call))
            }
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError(400, "refused", "the push cannot be read: \(error)")
        }
        try await store(logs)
        guard logs.refusals.total > 0 else { return .status(204, headers: []) }
        return .refused(400, text: logs.refusals.text + "\n", headers: [])
    }

    /// `POST /otlp/v1/logs`.
    func otlpLogs(_ call: APICall) async throws -> APIAnswer {
        guard let encoding = OTLPEncoding(contentType: call.contentType) else {
            throw APIError(
                415, "refused", "the content type is \"\(call.contentType.prefix(100))\"",
                hint: "send application/x-protobuf or application/json")
        }
        let logs: PushedLogs
        do {
            logs = try OTLPLogs(try Self.inflated(call), encoding).pushed(now: MachineClock.wall)
        } catch let error as APIError {
            return .content(
                error.status, OTLPStatus.invalid(error.message).encoded(encoding), type: encoding.contentType)
        } catch {
            return .content(400, OTLPStatus.invalid("\(error)").encoded(encoding), type: encoding.contentType)
        }
        do throws(APIError) {
            try await store(logs)
        } catch {
            let status: OTLPStatus = error.status == 429 ? .exhausted(error.message) : .unavailable(error.message)
            return .content(
                error.status, status.encoded(encoding), type: encoding.contentType,
                retryAfterSeconds: error.retryAfterSeconds)
        }
        return .content(200, OTLPLogsResponse(logs).encoded(encoding), type: encoding.contentType)
    }

    /// The body without its content encoding. Throws `APIError`.
    private static func inflated(_ call: APICall) throws(APIError) -> [UInt8] {
        switch call.contentEncoding.lowercased() {
        case "", "identity": return call.body
        case "gzip":
            do throws(CompressionError) {
                return try gzip.inflate(call.body[...], maxBytes: InterchangeLimits.logRequestBytes)
            } catch {
                throw APIError(400, "refused", "the body cannot be inflated: \(error)")
            }
        default:
            throw APIError(
                415, "refused", "the content encoding is \"\(call.contentEncoding.prefix(100))\"",
                hint: "send gzip, or none")
        }
    }

    private func store(_ logs: PushedLogs) async throws(APIError) {
        do throws(RelayError) {
            try await ingest.store(logs, now: MachineClock.wall)
        } catch {
            switch error {
            case .tooLarge(let bytes): throw APIError(413, "too_large", "a block of \(bytes) bytes", hint: "send less")
            case .overloaded:
                throw APIError(
                    429, "overloaded", "the disk does not keep up", hint: "send again later", retryAfterSeconds: 1)
            case .failed(let reason):
                throw APIError(503, "not_stored", "the lines could not be stored: \(reason)", retryAfterSeconds: 5)
            }
        }
    }
}
