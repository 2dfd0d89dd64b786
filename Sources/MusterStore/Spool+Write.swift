package import MusterModel
import Synchronization

extension Spool {
    /// Stores a frame behind the others of its class; its sequence must be above that of those which are still stored.
    /// A frame that was released before is kept for the next process and not given out by this one. Never throws for a
    /// full or broken disk: the outcome says whether the frame is stored and what was lost.
    package func append(_ record: SegmentRecord) -> Outcome {
        lanes.withLock { lanes in
            let index = Int(record.id.class.rawValue)
            if let last = lanes[index].tail, record.id.sequence <= last {
                return refused(.other, "sequence \(record.id.sequence) follows \(last)")
            }
            // A segment may have to end and a new one begin.
            let bytes = SegmentLog.storedBytes(record) + 2 * FilePreamble.bytes
            guard bytes <= settings.maxBytes, record.payload.count <= SegmentLog.payloadBytes else {
                return refused(
                    .tooLarge, "a frame of \(record.payload.count) bytes; the budget is \(settings.maxBytes)")
            }
            var drops: [Drop] = []
            do throws(StoreError) {
                while Self.bytes(lanes) + bytes > settings.maxBytes {
                    guard let drop = try dropOldest(&lanes, for: record.id.class) else {
                        var outcome = refused(.budget, "more important frames fill all \(settings.maxBytes) bytes")
                        outcome.drops = drops
                        return outcome
                    }
                    if drop.records > 0 { drops.append(drop) }
                }
                _ = try lanes[index].log.append([record])
            } catch {
                drops += Self.collectLoss(&lanes[index])
                return Outcome(isStored: false, drops: drops, failure: error)
            }
            lanes[index].tail = record.id.sequence
            lanes[index].lastSequence = max(lanes[index].lastSequence ?? 0, record.id.sequence)
            lanes[index].unsynced.count(
                sequence: record.id.sequence, received: record.received, bytes: SegmentLog.storedBytes(record))
            return Outcome(isStored: true, drops: drops, failure: nil)
        }
    }

    /// Makes everything durable. Returns what was lost where the disk failed; nothing else is affected.
    package func sync() -> [Drop] {
        lanes.withLock { lanes in
            var drops: [Drop] = []
            for index in lanes.indices where lanes[index].unsynced.records > 0 {
                do throws(StoreError) {
                    try lanes[index].log.sync()
                    lanes[index].unsynced = Drop(lanes[index].unsynced.class, .disk)
                } catch {
                    drops += Self.loss(&lanes[index])
                }
            }
            return drops
        }
    }

    /// Forgets frames up to and including `sequence`; the space of segments that hold nothing else is given back.
    package func release(_ trafficClass: TrafficClass, through sequence: UInt64) throws(StoreError) {
        try lanes.withLock { lanes throws(StoreError) in
            let index = Int(trafficClass.rawValue)
            let log = lanes[index].log
            lanes[index].releasedThrough = max(lanes[index].releasedThrough ?? 0, sequence)
            let through = lanes[index].releasedThrough ?? sequence
            guard log.segmentCount > 0 else { return }
            if let last = lanes[index].lastSequence, last <= through {
                _ = try log.removeAll()
                lanes[index].tail = nil
                lanes[index].reader.segmentsRemoved()
                lanes[index].unsynced = Drop(trafficClass, .disk)
                return
            }
            // Sequences increase, so a segment is done when the one behind it begins at or before the next to deliver.
            let next = through == UInt64.max ? through : through + 1
            let done = log.index.withLock { log in
                log.segments.last { ($0.first?.sequence ?? .max) <= next }?.number
            }
            if let done { _ = try log.removeSegments(before: SegmentPosition(segment: done, offset: 0)) }
            lanes[index].reader.segmentsRemoved()
        }
    }

    private func refused(_ cause: StoreError.Cause, _ detail: String) -> Outcome {
        Outcome(
            isStored: false, drops: [],
            failure: StoreError(cause, operation: "append to the spool", path: directory, detail: detail))
    }

    /// Removes the oldest segment of the least important class that may make room; nil when there is none.
    private func dropOldest(_ lanes: inout [Lane], for incoming: TrafficClass) throws(StoreError) -> Drop? {
        let victims = TrafficClass.allCases.filter { $0 >= incoming && $0 != .control }.reversed()
        guard let victim = victims.first(where: { lanes[Int($0.rawValue)].log.segmentCount > 0 }) else { return nil }
        let lane = lanes[Int(victim.rawValue)]
        guard let number = lane.log.segments.first else { return nil }
        var drop = Drop(victim, .budget)
        _ = try lane.log.scan(from: SegmentPosition(segment: number, offset: 0), .heads) { record in
            guard record.position.segment == number else { return .stop }
            if record.id.sequence > lane.releasedThrough ?? 0 || lane.releasedThrough == nil {
                let bytes =
                    SegmentLog.recordOverheadBytes + record.id.host.text.utf8.count + record.payloadBytes
                drop.count(sequence: record.id.sequence, received: record.received, bytes: bytes)
            }
            return .next
        }
        try lane.log.removeSegment(number)
        lanes[Int(victim.rawValue)].reader.segmentsRemoved()
        if lane.log.segmentCount == 0 { lanes[Int(victim.rawValue)].unsynced = Drop(victim, .disk) }
        return drop
    }

    /// After a failed append: whether frames appended before it were lost with it.
    private static func collectLoss(_ lane: inout Lane) -> [Drop] {
        do throws(StoreError) {
            try lane.log.sync()
            lane.unsynced = Drop(lane.unsynced.class, .disk)
            return []
        } catch {
            return loss(&lane)
        }
    }

    private static func loss(_ lane: inout Lane) -> [Drop] {
        let lost = lane.unsynced
        lane.unsynced = Drop(lost.class, .disk)
        return lost.records > 0 ? [lost] : []
    }
}
