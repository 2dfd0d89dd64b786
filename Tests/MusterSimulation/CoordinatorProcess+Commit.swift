import MusterModel
import MusterStore
import MusterWire

// Group commit: append and sync on a thread of their own, in the model as two events with time between them.

extension CoordinatorProcess {
    func submit(_ frame: DataFrame, _ key: StreamKey, _ peer: Peer) {
        let id = FrameID(
            host: world.agents[key.agent].host, boot: key.boot, class: frame.class, sequence: frame.sequence)
        let record = SegmentRecord(id: id, codec: frame.codec, received: now, payload: frame.payload)
        let index = frame.class == .logs ? 1 : 0
        commits[index].waiting.append(CommitQueue.Item(record: record, key: key, link: peer.link.id))
        schedule(index)
    }

    private func schedule(_ index: Int) {
        guard !commits[index].isScheduled, commits[index].inFlight.isEmpty, !commits[index].waiting.isEmpty else {
            return
        }
        commits[index].isScheduled = true
        world.after(world.random(0...2), .commitBegins(index, life: machine.life))
    }

    func commitBegins(_ index: Int) {
        commits[index].isScheduled = false
        let batch = commits[index].waiting
        commits[index].waiting = []
        commits[index].inFlight = batch
        do throws(StoreError) {
            _ = try commits[index].log.append(batch.map(\.record))
            world.after(
                world.random(0...max(1, world.plan.syncTime.nanoseconds / 1_000_000)),
                .commitSyncs(index, life: machine.life))
        } catch {
            failed(index)
        }
    }

    func commitSyncs(_ index: Int) {
        do throws(StoreError) {
            try commits[index].log.sync()
        } catch {
            return failed(index)
        }
        let batch = commits[index].inFlight
        commits[index].inFlight = []
        guard !machine.isGone else { return }
        for item in batch {
            let id = item.record.id
            world.truth.becameDurable(item.key.agent, id.class, id.sequence, payload: item.record.payload)
            _ = marks[item.key]?.becameDurable(id.class, through: id.sequence)
        }
        schedule(index)
    }

    /// What was being committed is not stored, nor what waits behind it, and its senders have to come again. Their
    /// connections close a moment later, for that is another thread's work; until then they go on sending.
    private func failed(_ index: Int) {
        world.mark(.storeFailed)
        let batch = commits[index].inFlight + commits[index].waiting
        commits[index].inFlight = []
        commits[index].waiting = []
        guard !machine.isGone else { return }
        for item in batch {
            marks[item.key]?.storeFailed(item.record.id.class)
            world.after(world.random(0...20), .storeFailureCloses(link: item.link, life: machine.life))
        }
        schedule(index)
    }

    func storeFailureCloses(_ link: Int) {
        if let peer = peers[link] { end(peer) }
    }
}
