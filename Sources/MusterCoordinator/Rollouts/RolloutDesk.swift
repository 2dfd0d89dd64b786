import Foundation
package import Logging
package import MusterControlStore
import MusterHealth
package import MusterModel
package import MusterProtocol
package import MusterRollouts
package import MusterTransport
import MusterYAML
import Synchronization

/// The loop that owns the rollouts: every event changes a machine, what it decides is stored, and only then sent.
package final class RolloutDesk: Sendable {
    package static let inboxEvents = 4_096
    /// Finished rollouts that are kept for `history` and `undo`.
    package static let historyMax = 1_000
    /// What a rollout may take in the store when it starts: reasons and outcomes of its hosts are added to it later.
    package static let startBytesMax = ControlLimit.valueBytes / 2
    private static let pulse = Duration.milliseconds(200)
    /// How long the time does not move a rollout that the store has refused for good.
    private static let heldFor = Duration.seconds(10)

    package enum Order: String, Sendable {
        case pause, resume, abort, undo
    }

    package typealias Reply<Value> = @Sendable (Result<Value, APIError>) -> Void

    private enum Event: Sendable {
        case pulse
        case run(RolloutSpec, Reply<RolloutID>)
        case order(RolloutID, Order, by: String, Reply<RolloutID>)
        case reported(StepKey, StepReport, host: HostID, Reply<Void>)
        case hostConnected(HostID)
        case hostLost(HostID, reason: String)
        case snapshot(HostID)
    }

    private let fleet: Fleet
    private let store: any ControlStore
    private let clock: MachineClock
    private let logger: Logger
    private let events: AsyncStream<Event>
    private let inbox: AsyncStream<Event>.Continuation
    /// At most one pulse waits: a desk that is held up must not fill its inbox with them.
    private let isPulseWaiting = Mutex(false)
    private let published = Mutex<[RolloutID: Rollout]>([:])
    private let sender = Mutex<(@Sendable (RolloutStep) -> Bool)?>(nil)
    /// Until when time does not move these: each beat would be refused, and said in the log, again.
    private let held = Mutex<[RolloutID: Instant]>([:])

    package init(fleet: Fleet, store: any ControlStore, clock: MachineClock, logger: Logger) {
        self.fleet = fleet
        self.store = store
        self.clock = clock
        self.logger = logger
        (events, inbox) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.inboxEvents))
    }

    /// How steps reach their hosts; set once, before `run`.
    package func sends(by send: @escaping @Sendable (RolloutStep) -> Bool) { sender.withLock { $0 = send } }

    // MARK: Asking

    /// What a document would do now.
    package func plan(_ spec: RolloutSpec) throws(APIError) -> RolloutPlan {
        do throws(RolloutPlanError) {
            return try RolloutPlan.make(spec, inventory())
        } catch {
            throw .conflict("\(error)")
        }
    }

    /// Newest first.
    package var all: [Rollout] {
        published.withLock { Array($0.values) }.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    }

    package func rollout(_ id: RolloutID) -> Rollout? { published.withLock { $0[id] } }

    package static func spec(_ bytes: [UInt8], file: String) throws(APIError) -> RolloutSpec {
        do throws(ConfigError) {
            return try RolloutSpec.decode(try YAML.parse(bytes, file: file))
        } catch {
            throw .badRequest("\(error)", hint: "docs/reference/rollouts.md shows a document with every key")
        }
    }

    private func inventory() -> RolloutInventory {
        let now = clock.now
        return RolloutInventory(
            hosts: fleet.hosts(now: now).map { view in
                RolloutInventory.Host(
                    host: view.snapshot.host, state: view.status?.state ?? .suspect, reason: view.status?.reason ?? "",
                    labels: view.snapshot.labels, containers: view.snapshot.containers)
            })
    }

    // MARK: Wishes and reports

    package func run(_ spec: RolloutSpec) async throws(APIError) -> RolloutID {
        try await asking { .run(spec, $0) }
    }

    /// The id of the rollout the order is about; for `undo` of one that succeeded, of the new one that undoes it.
    package func order(_ id: RolloutID, _ order: Order, by person: String) async throws(APIError) -> RolloutID {
        try await asking { .order(id, order, by: person, $0) }
    }

    /// True when the report is stored.
    package func reported(_ key: StepKey, _ report: StepReport, by host: HostID) async -> Bool {
        do throws(APIError) {
            try await asking { .reported(key, report, host: host, $0) }
            return true
        } catch {
            return false
        }
    }

    package func hostConnected(_ host: HostID) { inbox.yield(.hostConnected(host)) }
    package func hostLost(_ host: HostID, reason: String) { inbox.yield(.hostLost(host, reason: reason)) }
    package func snapshotReceived(of host: HostID) {
        guard published.withLock({ $0.values.contains { !$0.isSettled } }) else { return }
        inbox.yield(.snapshot(host))
    }

    private func asking<Value: Sendable>(_ event: (@escaping Reply<Value>) -> Event) async throws(APIError) -> Value {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, APIError>, Never>) in
            let outcome = inbox.yield(event { continuation.resume(returning: $0) })
            guard case .enqueued = outcome else {
                continuation.resume(returning: .failure(APIError(503, "overloaded", "too much waits to be decided")))
                return
            }
        }
        return try result.get()
    }

    // MARK: The loop

    package func run() async throws {
        var epoch: UInt64 = 0
        var rollouts = try await restore(&epoch)
        await withDiscardingTaskGroup { group in
            group.addTask { [inbox] in
                while !Task.isCancelled {
                    self.beat()
                    try? await Task.sleep(for: Self.pulse)
                }
                inbox.finish()
            }
            for await event in events {
                if case .pulse = event { isPulseWaiting.withLock { $0 = false } }
                await handle(event, &rollouts, epoch)
            }
            group.cancelAll()
        }
    }

    private func beat() {
        isPulseWaiting.withLock { isWaiting in
            guard !isWaiting, case .enqueued = inbox.yield(.pulse) else { return }
            isWaiting = true
        }
    }

    /// The epoch of this term is stored before anything is sent in it: agents refuse what an older term still sends.
    private func restore(_ epoch: inout UInt64) async throws -> [RolloutID: Rollout] {
        let known = try await store.get("rollout-epoch").flatMap { UInt64(String(decoding: $0.value, as: UTF8.self)) }
        epoch = (known ?? 0) + 1
        _ = try await store.transaction([], [.put("rollout-epoch", Array("\(epoch)".utf8))])
        var rollouts: [RolloutID: Rollout] = [:]
        for entry in try await store.list(prefix: "rollout/").entries {
            var rollout = try JSONDecoder().decode(Rollout.self, from: Data(entry.value))
            let effect = rollout.isSettled ? Rollout.Effect() : rollout.restored(epoch: epoch, now: clock.now)
            do throws(APIError) {
                try await perform(effect, rollout)
            } catch {
                // Not sent, but shown: whoever repairs it has to see it.
                published.withLock { $0[rollout.id] = rollout }
            }
            rollouts[rollout.id] = rollout
        }
        return rollouts
    }

    private func handle(_ event: Event, _ rollouts: inout [RolloutID: Rollout], _ epoch: UInt64) async {
        let now = clock.now
        switch event {
        case .pulse:
            for id in rollouts.keys.sorted() where rollouts[id]?.wakeAt.map({ $0 <= now }) ?? false {
                guard held.withLock({ $0[id].map { $0 <= now } ?? true }) else { continue }
                try? await change(id, &rollouts) { $0.tick(now: now) }
            }
        case .run(let spec, let reply): await started(spec, &rollouts, epoch, reply)
        case .order(let id, let order, let person, let reply):
            await ordered(id, order, person, &rollouts, epoch, reply)
        case .reported(let key, let report, let host, let reply):
            await reported(key, report, host, &rollouts, reply)
        case .hostConnected(let host):
            await everywhere(&rollouts) { $0.hostBack(host, now: now) }
        case .hostLost(let host, let reason):
            await everywhere(&rollouts) { $0.hostLost(host, reason: reason, now: now) }
        case .snapshot(let host): await looked(at: host, &rollouts, now)
        }
    }

    private func everywhere(_ rollouts: inout [RolloutID: Rollout], _ event: (inout Rollout) -> Rollout.Effect) async {
        for id in rollouts.keys.sorted() where rollouts[id]?.isSettled == false {
            try? await change(id, &rollouts, event)
        }
    }

    /// Throws when the change is not stored; then it did not happen.
    private func change(
        _ id: RolloutID, _ rollouts: inout [RolloutID: Rollout], _ event: (inout Rollout) -> Rollout.Effect
    ) async throws(APIError) {
        guard var rollout = rollouts[id] else { return }
        let before = rollout.state
        let effect = event(&rollout)
        try await perform(effect, rollout)
        rollouts[id] = rollout
        if rollout.state != before {
            logger.info(
                "rollout changed",
                metadata: [
                    "rollout": "\(id)", "from": "\(before.rawValue)", "to": "\(rollout.state.rawValue)",
                    "reason": "\(rollout.reason)",
                ])
        }
    }

    private func started(
        _ spec: RolloutSpec, _ rollouts: inout [RolloutID: Rollout], _ epoch: UInt64, _ reply: Reply<RolloutID>
    ) async {
        do throws(APIError) {
            reply(.success(try await start(try plan(spec), &rollouts, epoch)))
        } catch {
            reply(.failure(error))
        }
    }

    private func start(
        _ plan: RolloutPlan, _ rollouts: inout [RolloutID: Rollout], _ epoch: UInt64
    ) async throws(APIError) -> RolloutID {
        for other in rollouts.values where !other.isSettled {
            let both = plan.overlap(with: other.plan)
            guard both.isEmpty else {
                throw .conflict(
                    "rollout \(other.id) is at work on \(both.map(\.text).joined(separator: ", "))",
                    hint: "wait for it, or: muster rollout abort \(other.id)")
            }
        }
        guard let id = unusedID(rollouts) else { throw .conflict("too many rollouts were started today") }
        var rollout = Rollout(id: id, plan: plan, epoch: epoch, now: clock.now)
        let effect: Rollout.Effect
        do throws(RolloutRefusal) { effect = try rollout.started(now: clock.now) } catch { throw .conflict("\(error)") }
        let bytes = Self.encoded(rollout).count
        guard bytes <= Self.startBytesMax else {
            throw .conflict(
                "the rollout takes \(bytes) bytes in the store; at most \(Self.startBytesMax) are allowed at the start",
                hint: "select fewer hosts at a time: it names \(plan.hosts.count)")
        }
        try await perform(effect, rollout)
        rollouts[id] = rollout
        await forgetOldest(&rollouts)
        return id
    }

    /// `r-20260301-0001`: sorts by time, can be said on the phone.
    private func unusedID(_ rollouts: [RolloutID: Rollout]) -> RolloutID? {
        let day = clock.now.description.prefix(10).filter { $0 != "-" }
        for number in 1...9_999 {
            let digits = String(number)
            let text = "r-\(day)-\(String(repeating: "0", count: 4 - digits.count))\(digits)"
            if let id = RolloutID(text), rollouts[id] == nil { return id }
        }
        return nil
    }

    private func forgetOldest(_ rollouts: inout [RolloutID: Rollout]) async {
        let settled = rollouts.values.filter(\.isSettled).sorted { $0.createdAt < $1.createdAt }
        for rollout in settled.prefix(max(0, rollouts.count - Self.historyMax)) {
            rollouts[rollout.id] = nil
            published.withLock { $0[rollout.id] = nil }
            held.withLock { $0[rollout.id] = nil }
            try? await store([.delete("rollout/\(rollout.id)")])
        }
    }

    private func ordered(
        _ id: RolloutID, _ order: Order, _ person: String, _ rollouts: inout [RolloutID: Rollout], _ epoch: UInt64,
        _ reply: Reply<RolloutID>
    ) async {
        guard var rollout = rollouts[id] else {
            return reply(.failure(.notFound("rollout \(id)", hint: "muster rollout history lists them")))
        }
        if order == .undo, rollout.state == .succeeded {
            do throws(APIError) {
                let plan: RolloutPlan
                do throws(RolloutPlanError) {
                    plan = try rollout.undoPlan(inventory())
                } catch {
                    throw .conflict("\(error)")
                }
                reply(.success(try await start(plan, &rollouts, epoch)))
            } catch {
                reply(.failure(error))
            }
            return
        }
        do throws(APIError) {
            let effect = try Self.apply(order, to: &rollout, by: person, now: clock.now)
            try await perform(effect, rollout)
            rollouts[id] = rollout
            reply(.success(id))
        } catch {
            reply(.failure(error))
        }
    }

    private static func apply(
        _ order: Order, to rollout: inout Rollout, by person: String, now: Instant
    ) throws(APIError) -> Rollout.Effect {
        do throws(RolloutRefusal) {
            switch order {
            case .pause: return try rollout.paused(by: person, now: now)
            case .resume: return try rollout.resumed(by: person, now: now)
            case .abort: return try rollout.aborted(by: person, now: now)
            case .undo: return try rollout.undone(by: person, now: now)
            }
        } catch {
            throw .conflict("\(error)")
        }
    }

    private func reported(
        _ key: StepKey, _ report: StepReport, _ host: HostID, _ rollouts: inout [RolloutID: Rollout],
        _ reply: Reply<Void>
    ) async {
        let now = clock.now
        // A report about a rollout that is forgotten, or of a host that is not part of it, says nothing: it is taken so
        // that the agent can forget it too.
        if let rollout = rollouts[key.rollout], rollout.hostState(of: host) != nil {
            do throws(APIError) {
                try await change(key.rollout, &rollouts) { rollout in
                    switch report {
                    case .accepted: rollout.stepAccepted(key, now: now)
                    case .finished(let outcome): rollout.stepFinished(key, outcome, now: now)
                    }
                }
            } catch {
                return reply(.failure(error))
            }
        }
        reply(.success(()))
    }

    /// A host that was done keeps counting: an instance that turns critical on it counts against the rollout.
    private func looked(at host: HostID, _ rollouts: inout [RolloutID: Rollout], _ now: Instant) async {
        guard let snapshot = fleet.snapshot(of: host) else { return }
        for id in rollouts.keys.sorted() {
            guard let rollout = rollouts[id], !rollout.isSettled, rollout.hostState(of: host) == .succeeded else {
                continue
            }
            let targets = snapshot.containers.filter { container in
                !container.name.contains(RolloutPlan.parkedMark)
                    && rollout.plan.spec.select.allSatisfy { container.labels[$0.key] == $0.value }
            }
            let ids = Set(targets.map(\.id))
            let critical = snapshot.instances.first { instance in
                instance.health == .critical && instance.container.map { ids.contains($0) } ?? false
            }
            guard let critical else { continue }
            try? await change(id, &rollouts) {
                $0.hostDegraded(host, reason: "instance \(critical.id) is critical: \(critical.reason)", now: now)
            }
        }
    }

    // MARK: Acting

    /// Stores, then shows, then sends; whoever asked is answered after that. When it throws nothing is shown or sent.
    private func perform(_ effect: Rollout.Effect, _ rollout: Rollout) async throws(APIError) {
        if effect.isToBeStored {
            do throws(APIError) {
                try await store([.put("rollout/\(rollout.id)", Self.encoded(rollout))])
            } catch {
                held.withLock { $0[rollout.id] = clock.now + Self.heldFor }
                throw error
            }
        }
        published.withLock { $0[rollout.id] = rollout }
        guard let send = sender.withLock({ $0 }) else { return }
        for step in effect.send where !send(step) {
            logger.notice(
                "step not sent; it is sent again when the host is back",
                metadata: [
                    "rollout": "\(step.rollout)", "step": "\(step.step)", "host": "\(step.host)",
                ])
        }
    }

    /// Rollouts are made of texts and numbers that JSON can hold: there is nothing to fail.
    private static func encoded(_ rollout: Rollout) -> [UInt8] {
        Array((try? JSONEncoder().encode(rollout)) ?? Data())
    }

    /// Returns when it is stored; nothing is sent before. Throws when the desk stops first, and when the store will
    /// never take it: one rollout must not hold up the others.
    private func store(_ changes: [ControlChange]) async throws(APIError) {
        while !Task.isCancelled {
            do throws(ControlStoreError) {
                _ = try await store.transaction([], changes)
                return
            } catch {
                guard !Task.isCancelled else { throw .stopping }
                guard error.mayPass else {
                    logger.error(
                        "rollout cannot be stored; what happened to it is left out",
                        metadata: [
                            "keys": "\(changes.map(\.key).joined(separator: ", "))", "reason": "\(error)",
                            "wayOut": "abort it and roll out to fewer hosts at a time",
                        ])
                    throw .conflict("it cannot be stored: \(error)", hint: "roll out to fewer hosts at a time")
                }
                logger.error("rollout not stored; trying again", metadata: ["reason": "\(error)"])
                try? await Task.sleep(for: .seconds(1))
            }
        }
        throw .stopping
    }
}
