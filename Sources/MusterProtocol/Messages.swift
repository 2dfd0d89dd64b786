package import MusterModel
package import MusterRollouts
import SwiftProtobuf

/// What an agent tells the coordinator, the payload of a data frame of class `health` or `control`.
package enum AgentMessage: Equatable, Sendable {
    case snapshot(HostSnapshot)
    case stepReport(StepKey, StepReport)
    /// A signing request in PEM; only its public key is taken.
    case certificateRequest(String)

    package func encoded() throws(ProtocolError) -> [UInt8] {
        var message = PBAgentMessage()
        switch self {
        case .snapshot(let snapshot): message.snapshot = PBHostSnapshot(snapshot)
        case .stepReport(let key, let report): message.stepReport = PBStepReport(key, report)
        case .certificateRequest(let request):
            var inner = PBCertificateRequest()
            inner.signingRequest = request
            message.certificateRequest = inner
        }
        return try bytes(of: message)
    }

    package static func decode(_ bytes: [UInt8]) throws(ProtocolError) -> AgentMessage {
        switch try message(PBAgentMessage.self, of: bytes).kind {
        case .snapshot(let snapshot): return .snapshot(try snapshot.noun())
        case .stepReport(let report):
            let (key, report) = try report.noun()
            return .stepReport(key, report)
        case .certificateRequest(let request): return .certificateRequest(request.signingRequest)
        case nil: throw .unknownKind
        }
    }
}

/// What the coordinator tells an agent, the payload of a message frame.
package enum CoordinatorMessage: Equatable, Sendable {
    case step(RolloutStep)
    /// The report is stored; it need not be sent again.
    case stepReportStored(StepKey)
    /// PEM, leaf first.
    case certificate(chain: String)
    case certificateRefused(reason: String)
    /// Send a whole snapshot.
    case snapshotRequest
    /// Begin a new dictionary epoch in the metric stream.
    case keyframeRequest

    package func encoded() throws(ProtocolError) -> [UInt8] {
        var message = PBCoordinatorMessage()
        switch self {
        case .step(let step): message.step = PBRolloutStep(step)
        case .stepReportStored(let key): message.stepReportStored = PBStepKey(key)
        case .certificate(let chain):
            var inner = PBCertificateResponse()
            inner.chain = chain
            message.certificate = inner
        case .certificateRefused(let reason):
            var inner = PBCertificateResponse()
            inner.refused = reason
            message.certificate = inner
        case .snapshotRequest: message.snapshotRequest = PBSnapshotRequest()
        case .keyframeRequest: message.keyframeRequest = PBKeyframeRequest()
        }
        return try bytes(of: message)
    }

    package static func decode(_ bytes: [UInt8]) throws(ProtocolError) -> CoordinatorMessage {
        switch try message(PBCoordinatorMessage.self, of: bytes).kind {
        case .step(let step): return .step(try step.noun())
        case .stepReportStored(let key): return .stepReportStored(try key.noun())
        case .certificate(let response):
            return response.chain.isEmpty
                ? .certificateRefused(reason: response.refused) : .certificate(chain: response.chain)
        case .snapshotRequest: return .snapshotRequest
        case .keyframeRequest: return .keyframeRequest
        case nil: throw .unknownKind
        }
    }
}

private func bytes(of message: some Message) throws(ProtocolError) -> [UInt8] {
    do {
        return try message.serializedBytes()
    } catch {
        throw .damaged
    }
}

/// Decodes with a bound on nesting, so that a hostile message cannot exhaust the stack.
private func message<M: Message>(_ type: M.Type, of bytes: [UInt8]) throws(ProtocolError) -> M {
    guard bytes.count <= Limits.snapshotBytes else {
        throw .tooMany("bytes", count: bytes.count, limit: Limits.snapshotBytes)
    }
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = 16
    options.discardUnknownFields = true
    do {
        return try M(serializedBytes: bytes, options: options)
    } catch {
        throw .damaged
    }
}

/// The hash that a heartbeat carries of the last snapshot: FNV-1a, 64 bits, over its encoded message. Agent and
/// coordinator compute it over the same bytes, so nothing is re-encoded to compare.
package enum SnapshotHash {
    package static func of(_ payload: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in payload { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return hash
    }
}
