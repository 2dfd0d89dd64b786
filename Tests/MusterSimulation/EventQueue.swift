import MusterModel
import MusterRollouts

/// Everything that can happen in the simulated world. A `life` names one process: what was meant for an earlier one is
/// ignored.
enum Event {
    enum Stage: Int { case begun, swapped }

    // The world around the processes.
    case metricTick(agent: Int)
    case healthTick(agent: Int)
    case logLines(agent: Int)
    case operatorRuns
    case fault(FaultKind)
    case startAgent(Int)
    case startCoordinator
    case diskRefilled(agent: Int?)
    case partitionEnds(agent: Int)
    case look

    // The network.
    case dialled(agent: Int, life: Int)
    case arrival(link: Int, toAgent: Bool)

    // Inside a process.
    case agentWake(Int, life: Int)
    case coordinatorWake(life: Int)
    case step(agent: Int, life: Int, RolloutStep, Stage)
    case commitBegins(Int, life: Int)
    case commitSyncs(Int, life: Int)
    case storeFailureCloses(link: Int, life: Int)
}

/// Events by time; those of one time in the order they were asked for, so that a run depends on its seed alone.
struct EventQueue {
    private struct Entry {
        let at: Int64
        let tie: Int
        let event: Event

        func comes(before other: Entry) -> Bool { (at, tie) < (other.at, other.tie) }
    }

    private var heap: [Entry] = []
    private var ties = 0

    mutating func push(_ event: Event, at: Instant) {
        ties += 1
        heap.append(Entry(at: at.nanoseconds, tie: ties, event: event))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].comes(before: heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> (at: Instant, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return (Instant(nanoseconds: first.at), first.event)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].comes(before: heap[least]) { least = child }
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

/// What happened, as a hash of everything and the last few entries in words.
struct Trace {
    private struct Entry {
        let at: Int64
        let what: StaticString
        let actor: Int
        let number: UInt64

        /// Numbers of frames carry their class.
        var name: UInt8? { number >> 32 == 0 ? nil : UInt8(truncatingIfNeeded: (number >> 32) - 1) }
    }

    static let keptEntries = 200
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private(set) var count = 0
    private var recent: [Entry] = []

    mutating func note(_ at: Instant, _ what: StaticString, _ actor: Int, _ number: UInt64) {
        count += 1
        mix(UInt64(bitPattern: at.nanoseconds))
        what.withUTF8Buffer { for byte in $0 { mix(UInt64(byte)) } }
        mix(UInt64(truncatingIfNeeded: actor))
        mix(number)
        let entry = Entry(at: at.nanoseconds, what: what, actor: actor, number: number)
        if recent.count < Self.keptEntries {
            recent.append(entry)
        } else {
            recent[(count - 1) % Self.keptEntries] = entry
        }
    }

    mutating func note(_ at: Instant, _ what: StaticString, _ actor: Int, _ name: TrafficClass, _ sequence: UInt64) {
        note(at, what, actor, (UInt64(name.rawValue) + 1) << 32 | sequence)
    }

    private mutating func mix(_ word: UInt64) { hash = (hash ^ word) &* 0x0000_0100_0000_01b3 }

    /// The last events, oldest first.
    var text: String {
        let start = count % max(1, recent.count)
        let ordered = recent.count < Self.keptEntries ? recent : Array(recent[start...] + recent[..<start])
        return ordered.map { entry in
            let who = entry.actor < 0 ? "coordinator" : "agent \(entry.actor)"
            let name = entry.name.flatMap { TrafficClass(rawValue: $0) }.map { "\($0) " } ?? ""
            let number = "\(name)\(entry.number & 0xffff_ffff)"
            return "  \(Double(entry.at / 1_000) / 1e6) s  \(who)  \(entry.what)  \(number)"
        }.joined(separator: "\n")
    }
}
