import Logging
import MusterModel
import MusterProtocol
import MusterRollouts
import MusterTransport
import MusterWire
import Synchronization

/// Every agent's connection, at most one for each host: a newer one supersedes the older. What agents say goes from
/// here to the fleet, the rollouts and the authority.
final class LinkHub: Sendable {
    let clock: MachineClock
    let ingest: Ingest
    let logger: Logger
    private let fleet: Fleet
    private let authority: HostAuthority
    private let rollouts: RolloutDesk
    private let links = Mutex<[HostID: AgentLink]>([:])
    /// When a host was last asked for something, so that a fault does not become a flood.
    private let asked = Mutex<[HostID: Instant]>([:])
    private static let askAgainAfter = Duration.seconds(2)

    init(
        clock: MachineClock, ingest: Ingest, fleet: Fleet, authority: HostAuthority, rollouts: RolloutDesk,
        logger: Logger
    ) {
        self.clock = clock
        self.ingest = ingest
        self.fleet = fleet
        self.authority = authority
        self.rollouts = rollouts
        self.logger = logger
    }

    /// Serves connections until the listener closes.
    func run(_ listener: LinkListener) async {
        await withDiscardingTaskGroup { group in
            for await connection in listener.connections {
                guard let host = connection.peer.host else {
                    connection.close("the certificate names no agent")
                    continue
                }
                group.addTask { await AgentLink(connection, host: host, hub: self).run() }
            }
        }
    }

    // MARK: Links come and go

    func refusal(of host: HostID) -> Refusal? {
        authority.isRevoked(host)
            ? Refusal(.revoked, "host \(host) is revoked; enrol it again: muster token create --host NAME") : nil
    }

    func linkEstablished(_ link: AgentLink, hello: Hello, now: Instant) {
        let older = links.withLock { links in
            defer { links[link.host] = link }
            return links[link.host]
        }
        // Revoked since the hello was looked at: `hostRevoked` may have found no link then, or only the older one.
        if let refusal = refusal(of: link.host) {
            links.withLock { links in
                if links[link.host] === link { links[link.host] = nil }
            }
            logger.warning("agent refused", metadata: ["host": "\(link.host)", "reason": "\(refusal)"])
            older?.end(refusal)
            link.end(refusal)
            return
        }
        fleet.connected(link.host, now: now)
        logger.info(
            "agent connected",
            metadata: [
                "host": "\(link.host)", "boot": "\(hello.boot)", "version": "\(hello.agentVersion)",
            ])
        if let older {
            older.end(Refusal(.superseded, "a newer connection of this host took over"))
        }
        rollouts.hostConnected(link.host)
        // What happened to the host or the link while all that was told found nothing to undo yet.
        if refusal(of: link.host) != nil { fleet.removed(link.host) }
        if link.isOver { linkEnded(link, reason: "the connection closed") }
    }

    func linkEnded(_ link: AgentLink, reason: String) {
        let isCurrent = links.withLock { links in
            guard links[link.host] === link else { return false }
            links[link.host] = nil
            return true
        }
        guard isCurrent else { return }
        fleet.disconnected(link.host, reason: reason, now: clock.now)
        logger.info("agent disconnected", metadata: ["host": "\(link.host)", "reason": "\(reason)"])
    }

    /// The host is revoked: its connection ends now.
    func hostRevoked(_ host: HostID) {
        let link = links.withLock { $0[host] }
        if let link, let refusal = refusal(of: host) { link.end(refusal) }
        fleet.removed(host)
        ingest.metrics.hostLost(host)
    }

    // MARK: What agents say

    func heartbeat(_ heartbeat: Heartbeat, key: StreamKey, link: AgentLink, now: Instant) {
        fleet.heartbeat(from: key.host, now: now)
        guard fleet.needsSnapshot(of: key.host, boot: key.boot, hash: heartbeat.snapshotHash),
            mayAsk(key.host, now: now)
        else { return }
        link.send(.snapshotRequest)
    }

    func requestKeyframe(_ link: AgentLink) {
        guard mayAsk(link.host, now: clock.now) else { return }
        link.send(.keyframeRequest)
    }

    private func mayAsk(_ host: HostID, now: Instant) -> Bool {
        asked.withLock { asked in
            if let last = asked[host], now - last < Self.askAgainAfter { return false }
            asked[host] = now
            return true
        }
    }

    /// A frame of class health or control. False when what it says could not be stored and has to be said again; what
    /// makes no sense is logged and counts as said, or it would come again for ever.
    func agentSaid(_ frame: DataFrame, link: AgentLink, now: Instant) async -> Bool {
        let message: AgentMessage
        do throws(ProtocolError) {
            message = try AgentMessage.decode(frame.payload)
        } catch {
            logger.warning("agent's message ignored", metadata: ["host": "\(link.host)", "reason": "\(error)"])
            return true
        }
        switch message {
        case .snapshot(let snapshot):
            snapshotReceived(snapshot, payload: frame.payload, link: link, now: now)
            return true
        case .stepReport(let key, let report):
            guard await rollouts.reported(key, report, by: link.host) else { return false }
            if case .finished = report { link.send(.stepReportStored(key)) }
            return true
        case .certificateRequest(let request):
            link.send(renewed(request, for: link.host))
            return true
        }
    }

    private func snapshotReceived(_ snapshot: HostSnapshot, payload: [UInt8], link: AgentLink, now: Instant) {
        guard snapshot.host == link.host else {
            logger.warning(
                "snapshot of another host ignored",
                metadata: [
                    "host": "\(link.host)", "claimed": "\(snapshot.host)",
                ])
            return
        }
        // What was read before the connection ended must not bring a revoked host back.
        guard !authority.isRevoked(link.host) else { return }
        do {
            try fleet.snapshotReceived(snapshot, hash: SnapshotHash.of(payload), now: now)
            rollouts.snapshotReceived(of: link.host)
        } catch {
            logger.warning("snapshot ignored", metadata: ["host": "\(link.host)", "reason": "\(error)"])
        }
    }

    private func renewed(_ request: String, for host: HostID) -> CoordinatorMessage {
        do {
            return .certificate(chain: try authority.renew(host, signingRequest: request, now: clock.now))
        } catch {
            logger.warning("certificate not renewed", metadata: ["host": "\(host)", "reason": "\(error)"])
            return .certificateRefused(reason: "\(error)")
        }
    }

    /// Sends a step to a host; false when it is not connected or takes no more now.
    func send(_ step: RolloutStep) -> Bool {
        links.withLock { $0[step.host] }?.send(.step(step)) ?? false
    }
}
