import MusterLogs
import MusterModel
import MusterStore
import MusterWire

// The tailer: the file is the buffer, and a block's place in it is on the disk before the block goes out.

extension AgentProcess {
    /// Blocks that are cut before one sync.
    private static let blocksPerSync = 3
    private static let compactBytes = 3_000

    private var hasRoom: Bool {
        batch.count < Self.blocksPerSync && ledger.canCut && outbound.isUp
            && outbound.hasRoom(.logs, payloadBytes: (batch.count + 1) * (Self.logBlockBytes + 64))
    }

    /// Reads and sends what there is room for.
    func turnTail() {
        tailRetryAt = nil
        guard commitTail(), isWelcomed else { return }
        findSource()
        resendBlocks()
        guard resends.isEmpty else { return }
        while hasRoom, cutBlock() {
            if batch.count == Self.blocksPerSync, !commitTail() { return }
        }
        _ = commitTail()
    }

    private func findSource() {
        guard tailSource == nil, !machine.log.isEmpty else { return }
        let identity = FileIdentity(device: 1, inode: 1, birth: 1)
        let found = ledger.sourceFound(identity, kind: .plain, path: "/var/log/app.log", labels: Labels(), at: 0)
        tailSource = found.source
        unjournalled += found.records
    }

    /// Blocks of an earlier process whose fate it did not learn: the same bytes under the same names.
    private func resendBlocks() {
        while let range = resends.first, hasRoom {
            resends.removeFirst()
            guard range.sequence > ledger.acknowledgedSequence else { continue }
            world.mark(.resentLogBlock)
            deliver(frame(range.sequence, range.start, range.end))
        }
    }

    private func cutBlock() -> Bool {
        guard let id = tailSource, let source = ledger.sources[id] else { return false }
        let start = Int(source.read)
        var end = start
        var lines = 0
        for index in start..<machine.log.count where machine.log[index] == UInt8(ascii: "\n") {
            guard index + 1 - start <= Self.logBlockBytes else { break }
            end = index + 1
            lines += 1
        }
        guard end > start else { return false }
        guard
            let cut = ledger.blockCut(
                id, start: UInt64(start), end: UInt64(end), lineCount: lines, arrival: now,
                tail: ContentMarker(Array(machine.log[start..<end].suffix(LogLimits.tailMarkerBytes))))
        else {
            world.truth.violated("agent \(agent): the ledger refused the block at \(start)")
            return false
        }
        unjournalled.append(cut.record)
        batch.append(frame(cut.sequence, UInt64(start), UInt64(end)))
        return true
    }

    private func frame(_ sequence: UInt64, _ start: UInt64, _ end: UInt64) -> (frame: DataFrame, block: Truth.Block) {
        let bytes = Array(machine.log[Int(start)..<Int(end)])
        return (
            DataFrame(class: .logs, sequence: sequence, codec: 1, payload: bytes),
            Truth.Block(start: Int(start), end: Int(end))
        )
    }

    /// Writes what the ledger decided, then sends what was waiting for it. All records go in one write: of two writes the
    /// disk may keep the second alone. False while the disk does not take it.
    private func commitTail() -> Bool {
        guard !unjournalled.isEmpty || !batch.isEmpty else { return true }
        do throws(StoreError) {
            try tailJournal.append(unjournalled)
            if !batch.isEmpty { try tailJournal.sync() }
            if tailJournal.bytes > Self.compactBytes { try tailJournal.compact(ledger.snapshot()) }
        } catch {
            // The journal may be given up; a new one with all that is known takes its place.
            do throws(StoreError) {
                try tailJournal.compact(ledger.snapshot())
                world.mark(.tailJournalRepaired)
            } catch {
                tailRetryAt = now + .seconds(1)
                return false
            }
        }
        unjournalled = []
        let ready = batch
        batch = []
        for block in ready { deliver(block) }
        return true
    }

    private func deliver(_ block: (frame: DataFrame, block: Truth.Block)) {
        guard !machine.isGone else { return }
        world.truth.blockSent(agent, block.frame, block.block)
        enqueue(block.frame)
    }
}
