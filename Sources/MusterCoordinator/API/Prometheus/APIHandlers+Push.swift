import MusterInterchange
import MusterModel
import MusterStore
import MusterTransport

/// What pushes samples: remote write and OTLP. A request is answered when its samples are durable and readable.
extension APIHandlers {
    func remoteWrite(_ call: APICall) async throws -> APIAnswer {
        let version: RemoteWriteVersion
        do throws(RemoteWriteRefusal) {
            version = try RemoteWriteVersion.of(
                contentType: call.contentType, contentEncoding: call.contentEncoding, versionHeader: call.versionHeader)
        } catch {
            throw APIError(error.status, "refused", error.text)
        }
        do throws(APIError) {
            return try await remoteWrite(call, version)
        } catch {
            // Also who is told to come again is told that nothing was written.
            guard version == .v2 else { throw error }
            let again = error.retryAfterSeconds.map { [HTTPHeader("Retry-After", "\($0)")] } ?? []
            return .refused(
                error.status, text: error.message + "\n", headers: RemoteWriteAnswer.written(samples: 0) + again)
        }
    }

    private func remoteWrite(_ call: APICall, _ version: RemoteWriteVersion) async throws(APIError) -> APIAnswer {
        let codec = RelayedBatch.Codec(version)
        let batch: RelayedBatch
        do throws(RemoteWriteRefusal) {
            batch = try RelayedBatch(call.body, codec)
        } catch {
            throw APIError(error.status, "refused", error.text)
        }
        let outcome = try await relay(batch, call.body, codec)
        var tally = batch.tally
        tally.refusals.add(outcome.refusals)
        let answer = RemoteWriteAnswer(
            to: version, tally, samplesWritten: outcome.written, storeRefusals: outcome.storeRefusals)
        guard answer.status == 204 else {
            return .refused(answer.status, text: answer.text + "\n", headers: answer.headers)
        }
        return .status(answer.status, headers: answer.headers)
    }

    func otlpMetrics(_ call: APICall) async throws -> APIAnswer {
        await otlp.answer(call) { (batch: RelayedBatch) async throws(APIError) in
            try await relay(batch, batch.remoteWriteBody, .remoteWriteV1)
        }
    }

    /// Throws what makes the sender come again.
    private func relay(
        _ batch: RelayedBatch, _ body: [UInt8], _ codec: RelayedBatch.Codec
    ) async throws(APIError) -> RelayedOutcome {
        do throws(RelayError) {
            return try await ingest.relay(batch, body, codec, now: MachineClock.wall)
        } catch {
            throw error.apiError
        }
    }
}

extension RelayError {
    fileprivate var apiError: APIError {
        switch self {
        case .tooLarge(let bytes):
            APIError(
                413, "too_large", "the request has \(bytes) bytes, \(SegmentLog.payloadBytes) are allowed",
                hint: "send fewer samples at a time")
        case .overloaded:
            APIError(429, "overloaded", "the disk does not keep up", hint: "send again later", retryAfterSeconds: 1)
        case .failed(let error):
            APIError(503, "not_stored", "the samples could not be stored: \(error)", retryAfterSeconds: 5)
        }
    }
}
