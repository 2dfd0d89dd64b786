import MusterInterchange
import MusterModel
import MusterTransport
import Synchronization

/// Takes OTLP exports of metrics: decodes them, translates them into series, and keeps the totals of deltas.
///
/// Totals are in memory: after a restart a delta series begins from zero, which readers take for a reset of the
/// counter.
final class OTLPDesk: Sendable {
    private static let gzip = ZlibCompressor(.gzip)
    /// One record of the log has room for twice as much.
    private static let portionBytes = 4 << 20
    /// Of the store about its refusals, in an answer.
    private static let sentences = 4
    private let translator = Mutex(OTLPTranslator())
    private let clock: MachineClock

    init(clock: MachineClock) { self.clock = clock }

    /// The answer to an export; `store` takes its samples and returns when they are durable.
    func answer(
        _ call: APICall, store: (RelayedBatch) async throws(APIError) -> RelayedOutcome
    ) async -> APIAnswer {
        guard let encoding = OTLPEncoding(contentType: call.contentType) else {
            return .content(
                415,
                OTLPStatus.invalid(
                    "the content type is \"\(call.contentType.prefix(100))\"; send "
                        + "application/x-protobuf or application/json"
                ).encoded(.json), type: OTLPEncoding.json.contentType)
        }
        let export: OTLPMetrics
        do {
            export = try Self.decoded(call, encoding)
        } catch {
            return .content(error.status, OTLPStatus.invalid(error.text).encoded(encoding), type: encoding.contentType)
        }
        let now = MachineClock.wall
        let translated = translator.withLock { $0.translate(export, now: now) }
        var rejected: Set<Int> = []
        var said: [String] = []
        // What repeats the labels of a resource in every series is a multiple of what was sent.
        for portion in translated.portions(maxBytes: Self.portionBytes) {
            do throws(APIError) {
                let starts = portion.origins.map { $0.map(\.start) }
                let outcome = try await store(
                    RelayedBatch(portion.series, starts: starts, families: portion.families))
                if !outcome.unstored.isEmpty {
                    let points = portion.origins.flatMap { $0.map(\.point) }
                    rejected.formUnion(outcome.unstored.compactMap { points[$0] })
                }
                if let refusals = outcome.storeRefusals, said.count < Self.sentences { said.append(refusals) }
            } catch {
                let status: OTLPStatus =
                    switch error.status {
                    case 413: .invalid(error.message)
                    case 429: .exhausted(error.message)
                    default: .unavailable(error.message)
                    }
                return .content(
                    error.status, status.encoded(encoding), type: encoding.contentType,
                    retryAfterSeconds: error.retryAfterSeconds)
            }
        }
        let response = OTLPResponse(
            translated, storeRejected: rejected.count, storeMessage: said.joined(separator: ". "))
        return .content(200, response.encoded(encoding), type: encoding.contentType)
    }

    private struct Fault: Error {
        var text: String
        var status = 400
    }

    private static func decoded(_ call: APICall, _ encoding: OTLPEncoding) throws(Fault) -> OTLPMetrics {
        var bytes = call.body
        switch call.contentEncoding.lowercased() {
        case "", "identity": break
        case "gzip":
            do throws(CompressionError) {
                bytes = try gzip.inflate(bytes[...], maxBytes: PushLimits.otlpBytes)
            } catch {
                switch error {
                case .tooLarge, .suspiciousRatio: throw Fault(text: "\(error)", status: 413)
                case .damaged, .trailingBytes: throw Fault(text: "\(error)")
                }
            }
        default:
            throw Fault(
                text: "the content encoding \"\(call.contentEncoding.prefix(50))\" is not known; send gzip",
                status: 415)
        }
        switch encoding {
        case .protobuf:
            do throws(ProtobufError) { return try OTLPMetrics(protobuf: bytes) } catch { throw Fault(text: "\(error)") }
        case .json:
            do throws(JSONError) { return try OTLPMetrics(json: bytes) } catch { throw Fault(text: "\(error)") }
        }
    }
}
