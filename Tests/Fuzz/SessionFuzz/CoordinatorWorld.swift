import MusterModel
import MusterWire

/// A coordinator's end whose agent does as it likes and whose disk fails at times.
struct CoordinatorWorld {
    private static let window = Window(frames: 4, bytes: 5_000)
    private var session: CoordinatorSession
    private var marks = ReceiveMarks()
    private var stored = PerClass<[UInt64]>(repeating: [])
    private var acknowledged = PerClass<UInt64>(repeating: 0)

    init() { session = Self.session(now: Instant(seconds: 1_700_000_000)) }

    private static func session(now: Instant) -> CoordinatorSession {
        CoordinatorSession(
            certificateHost: Script.host(0), windows: PerClass(repeating: window), now: now)
    }

    mutating func step(_ choice: UInt8, _ script: inout Script, now: Instant) {
        switch choice % 9 {
        case 0:
            let superseded = session.refuse(Refusal(.superseded, "x"))
            precondition(session.isClosed && superseded.send.count <= 1)
            session = Self.session(now: now)
        case 1:
            let welcome = session.admit(marks: marks, now: now)
            precondition(welcome.send.count <= 1)
        case 2, 3, 4: receive(script.frame(), now: now)
        case 5:
            let name = script.trafficClass()
            _ = marks.becameDurable(name, through: script.number())
            acknowledge()
        case 6: fail(script.trafficClass())
        case 7: _ = session.woke(now: now)
        default: _ = session.send(script.payload())
        }
        for name in TrafficClass.allCases { precondition(marks.durable[name] <= marks.received[name]) }
        precondition(session.messagesOutstanding <= WireLimits.messagesOutstanding)
        precondition(!session.isClosed || session.wakeAt == nil)
    }

    private mutating func receive(_ frame: Frame, now: Instant) {
        let before = marks
        do throws(WireError) {
            let effect = try session.received(frame, marks: &marks, now: now)
            guard let store = effect.store else { return }
            precondition(store.sequence > (stored[store.class].last ?? 0), "a sequence is stored twice or out of order")
            stored[store.class].append(store.sequence)
        } catch {
            precondition(session.isClosed, "an error leaves the session open")
            precondition(marks == before, "an error moves the marks")
        }
    }

    /// The disk lost what was not synced; the session has to go.
    private mutating func fail(_ name: TrafficClass) {
        marks.storeFailed(name)
        stored[name].removeAll { $0 > marks.durable[name] }
        _ = session.refuse(Refusal(.storageFailed, "x"))
    }

    private mutating func acknowledge() {
        let frames = session.acknowledgements(marks: marks)
        precondition(frames.count <= TrafficClass.allCases.count)
        for case .acknowledgement(let name, let sequence) in frames {
            precondition(sequence == marks.durable[name], "something is acknowledged that is not durable")
            precondition(sequence >= acknowledged[name])
            acknowledged[name] = sequence
        }
        precondition(session.acknowledgements(marks: marks).isEmpty, "acknowledged twice in one call")
    }
}
