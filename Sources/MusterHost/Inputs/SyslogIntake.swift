import Glibc
import MusterInterchange
import MusterModel
import Synchronization

/// What all sockets of a `SyslogReceiver` share: the sink, the clock, the counts.
final class SyslogIntake: Sendable {
    private struct State {
        var counters = SyslogCounters()
        var connections = 0
        var isStopped = false
    }

    let options: SyslogReceiver.Options
    private let now: @Sendable () -> Instant
    private let sink: @Sendable (SyslogRecord) -> Bool
    private let state = Mutex(State())

    init(
        _ options: SyslogReceiver.Options, _ now: @escaping @Sendable () -> Instant,
        _ sink: @escaping @Sendable (SyslogRecord) -> Bool
    ) {
        self.options = options
        self.now = now
        self.sink = sink
    }

    var counters: SyslogCounters { state.withLock { $0.counters } }
    var connections: Int { state.withLock { $0.connections } }
    /// Nothing is waited for any more.
    var isStopped: Bool { state.withLock { $0.isStopped } }

    func stop() { state.withLock { $0.isStopped = true } }

    func count(_ change: (inout SyslogCounters) -> Void) { state.withLock { change(&$0.counters) } }

    /// False when all places are taken. Else `connectionEnded` is due once.
    func connectionAdmitted() -> Bool {
        state.withLock { state in
            guard state.connections < options.connections, !state.isStopped else {
                state.counters.refusedConnections += 1
                return false
            }
            state.connections += 1
            return true
        }
    }

    func connectionEnded() { state.withLock { $0.connections -= 1 } }

    func record(_ frame: SyslogFrame, _ transport: SyslogTransport, peer: String?) -> SyslogRecord {
        let arrived = now()
        let message = SyslogMessage(
            frame.bytes[...], now: arrived, offsetSeconds: options.offsetSeconds(arrived))
        return SyslogRecord(
            message: message, transport: transport, peer: peer, arrived: arrived, isCut: frame.isCut)
    }

    /// False when the sink has no room.
    func give(_ record: SyslogRecord) -> Bool {
        guard sink(record) else { return false }
        count { counters in
            counters.records += 1
            if record.message.format == .unparsed { counters.unparsed += 1 }
            if record.isCut { counters.cut += 1 }
        }
        return true
    }

    /// A datagram is a message, and one the sink has no room for is dropped: nobody can be asked to wait. That holds
    /// for the local socket too, where the kernel would make programs wait within `syslog()`.
    func datagramReceived(_ bytes: [UInt8], _ transport: SyslogTransport, peer: String?) {
        guard !bytes.isEmpty else { return }
        let frame = SyslogFrame(
            Array(bytes.prefix(SyslogLimits.messageBytes)), isCut: bytes.count > SyslogLimits.messageBytes)
        if !give(record(frame, transport, peer: peer)) { count { $0.droppedDatagrams += 1 } }
    }

    /// Seconds east of Greenwich that this host's zone is at a time.
    static func localOffset(at moment: Instant) -> Int64 {
        var seconds = time_t(moment.seconds)
        var parts = unsafe tm()
        guard unsafe localtime_r(&seconds, &parts) != nil else { return 0 }
        return unsafe Int64(parts.tm_gmtoff)
    }
}
