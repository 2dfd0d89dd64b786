import MusterModel
import MusterStore
import Testing

enum Sample {
    static let host = HostID("host-1") ?? { preconditionFailure("the name is valid") }()
    static let boot = BootID(high: 1, low: 2)

    /// A record whose payload follows from its sequence, so that any reader can tell whether it is the one written.
    static func record(_ sequence: UInt64, _ trafficClass: TrafficClass = .metrics, bytes: Int = 40) -> SegmentRecord {
        SegmentRecord(
            id: FrameID(host: host, boot: boot, class: trafficClass, sequence: sequence), codec: 7,
            received: Instant(seconds: 1_000 + Int64(sequence)), payload: payload(sequence, bytes))
    }

    static func payload(_ sequence: UInt64, _ bytes: Int) -> [UInt8] {
        var generator = SplitMix64(sequence)
        return (0..<bytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    static func records(_ sequences: ClosedRange<UInt64>, bytes: Int = 40) -> [SegmentRecord] {
        sequences.map { record($0, bytes: bytes) }
    }
}

extension SegmentLog {
    /// Everything in the log, each record checked against what was written under its sequence.
    func contents() throws -> [UInt64] {
        var sequences: [UInt64] = []
        var strangers = 0
        _ = try scan(.records) { stored in
            let original = Sample.record(stored.id.sequence, stored.id.class, bytes: stored.payload.count)
            if stored.record != original { strangers += 1 }
            sequences.append(stored.id.sequence)
            return .next
        }
        #expect(strangers == 0, "a record was read that nobody wrote")
        return sequences
    }
}

extension Spool {
    /// What `next()` gives out until nil.
    func drainAll(_ trafficClass: TrafficClass) throws -> [UInt64] {
        var sequences: [UInt64] = []
        while let record = try next(trafficClass) {
            #expect(record == Sample.record(record.id.sequence, trafficClass, bytes: record.payload.count))
            sequences.append(record.id.sequence)
        }
        return sequences
    }
}

/// Each way a machine can lose power or a process at one point.
enum Ending: CaseIterable {
    case killed, powerLostA, powerLostB, powerLostC

    func happen(to io: MemoryFileIO, seed: UInt64) {
        let salt: UInt64
        switch self {
        case .killed:
            io.clearFaults()
            io.kill()
            return
        case .powerLostA: salt = 1
        case .powerLostB: salt = 2
        case .powerLostC: salt = 3
        }
        var generator = SplitMix64(seed &* 31 &+ salt)
        io.crash(using: &generator)
    }
}

/// Runs `work` on a new disk again and again; the process dies behind the first call, then behind the second, and so on
/// until the work gets through. After each death the disk ends as each `Ending` says and `check` looks at what is left.
func sweepDeaths<Memory>(
    _ makeMemory: () -> Memory, work: (MemoryFileIO, inout Memory) throws -> Void,
    check: (MemoryFileIO, Memory, _ place: String) throws -> Void
) throws {
    for ending in Ending.allCases {
        var at = 1
        while true {
            let io = MemoryFileIO(seed: UInt64(at))
            io.inject(MemoryFileIO.Fault(at: at, effect: .processDies))
            var memory = makeMemory()
            var isDone = false
            do {
                try work(io, &memory)
                isDone = io.operationCount <= at
            } catch let error as StoreError where error.cause == .closed {
                isDone = false
            }
            ending.happen(to: io, seed: UInt64(at))
            try check(io, memory, "\(ending) behind call \(at)")
            if isDone { break }
            at += 1
            try #require(at < 5_000, "the work never gets through")
        }
    }
}
