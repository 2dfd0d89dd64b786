import Logging
import MusterModel
import MusterProtocol
import MusterTestKit
import MusterTransport
import MusterWire
import NIOPosix
import Synchronization

/// A coordinator as far as the link is concerned: it welcomes, remembers every data frame by its name, acknowledges at
/// once, and says what it is told to say.
final class FakeCoordinator: Sendable {
    let authority: CertificateAuthority
    private let listener: LinkListener
    private let serving = Mutex<Task<Void, Never>?>(nil)

    struct Received: Sendable {
        var boot: BootID
        var frame: DataFrame
    }

    private struct State {
        var hellos: [Hello] = []
        var certificates: [Certificate] = []
        var marks: [BootID: ReceiveMarks] = [:]
        var received: [Received] = []
        /// Frames that came although they were durable already.
        var duplicates = 0
        var sessions: [Session] = []
        var answer: (@Sendable (AgentMessage) -> CoordinatorMessage?)?
        var isSilent = false
    }

    private let state = Mutex(State())

    init(authority: CertificateAuthority? = nil) async throws {
        self.authority = try authority ?? CertificateAuthority.create(now: MachineClock.wall)
        let key = try KeyPair.generate()
        guard let identity = PeerIdentity(role: .coordinator, id: "fake") else { throw NeverHappened("no identity") }
        let certificate = try self.authority.issue(
            to: key.publicKey, identity: identity, dnsNames: ["localhost"], addresses: ["127.0.0.1"],
            now: MachineClock.wall)
        let context = try TLSContext.server(
            TLSCredentials(chain: [certificate], key: key),
            clients: .required(.certificates([self.authority.certificate]), .identity(roles: [.agent])))
        var options = LinkListener.Options()
        options.host = "127.0.0.1"
        options.port = 0
        listener = try await LinkListener.bind(
            options, context: LiveTLSContext(context), group: MultiThreadedEventLoopGroup.singleton
        ) { _ in }
        let listener = listener
        let task = Task { [weak self] in
            await withDiscardingTaskGroup { group in
                for await connection in listener.connections {
                    guard let self else { return }
                    let session = Session(connection)
                    self.state.withLock { state in
                        state.sessions.append(session)
                        state.certificates.append(connection.certificate)
                    }
                    group.addTask { await self.serve(session) }
                }
            }
        }
        serving.withLock { $0 = task }
    }

    func close() async {
        await listener.close()
        serving.withLock { $0?.cancel() }
    }

    var port: Int { listener.port }
    var address: LinkAddress { LinkAddress(host: "127.0.0.1", port: port) }

    // MARK: What happens

    var hellos: [Hello] { state.withLock { $0.hellos } }
    /// What agents presented, in the order of their connections.
    var certificates: [Certificate] { state.withLock { $0.certificates } }
    var received: [Received] { state.withLock { $0.received } }
    var duplicates: Int { state.withLock { $0.duplicates } }

    func sequences(_ name: TrafficClass, boot: BootID? = nil) -> [UInt64] {
        received.filter { $0.frame.class == name && (boot == nil || $0.boot == boot) }.map(\.frame.sequence)
    }

    /// This much of a boot is on the disk of this coordinator, as if received earlier.
    func knows(_ boot: BootID, _ durable: PerClass<UInt64>) {
        state.withLock { $0.marks[boot] = ReceiveMarks(durable: durable) }
    }

    /// From now on nothing is acknowledged.
    func fallsSilent() { state.withLock { $0.isSilent = true } }

    /// How messages of class control are answered.
    func answers(_ answer: @escaping @Sendable (AgentMessage) -> CoordinatorMessage?) {
        state.withLock { $0.answer = answer }
    }

    func cutAll() {
        for session in state.withLock({ $0.sessions }) { session.connection.close("the test cuts it") }
    }

    func say(_ message: CoordinatorMessage) async throws {
        guard let session = state.withLock({ $0.sessions.last }) else { throw NeverHappened("nobody is connected") }
        try await session.say(message)
    }

    // MARK: One connection

    private final class Session: Sendable {
        let connection: LinkConnection
        private let machine: Mutex<CoordinatorSession>

        init(_ connection: LinkConnection) {
            self.connection = connection
            let host = connection.peer.host ?? HostID("nobody")
            machine = Mutex(
                CoordinatorSession(
                    certificateHost: host ?? { preconditionFailure("no host") }(), now: MachineClock.wall))
        }

        func with<Answer, Failure: Error>(
            _ body: (inout CoordinatorSession) throws(Failure) -> Answer
        ) throws(Failure) -> Answer {
            try machine.withLock { session throws(Failure) in try body(&session) }
        }

        func say(_ message: CoordinatorMessage) async throws {
            let payload = try message.encoded()
            guard case .send(let frame) = with({ $0.send(payload) }) else { throw NeverHappened("it cannot be said") }
            try await connection.send(try frame.encoded())
        }
    }

    private func serve(_ session: Session) async {
        var decoder = FrameDecoder.awaitingHello()
        do {
            for try await bytes in session.connection.inbound {
                decoder.append(bytes)
                while let frame = try decoder.next() {
                    if case .hello(let hello) = frame { state.withLock { $0.hellos.append(hello) } }
                    guard try await take(frame, session, &decoder) else { return }
                }
            }
        } catch {}
        session.connection.close("the session ended")
    }

    private func take(_ frame: Frame, _ session: Session, _ decoder: inout FrameDecoder) async throws -> Bool {
        let boot = hellos.last?.boot ?? BootID(high: 0, low: 0)
        let now = MachineClock.wall
        let effect = try state.withLock { state in
            try session.with { machine in
                try machine.received(frame, marks: &state.marks[boot, default: ReceiveMarks()], now: now)
            }
        }
        var frames = effect.send
        var isOver = effect.close != nil
        if effect.identify != nil {
            let admitted = state.withLock { state in
                session.with { $0.admit(marks: state.marks[boot, default: ReceiveMarks()], now: now) }
            }
            frames += admitted.send
            isOver = admitted.close != nil
            if !isOver { decoder.admitted() }
        }
        var answer: CoordinatorMessage?
        if let data = effect.store {
            answer = stored(data, boot)
        } else if case .data = frame {
            state.withLock { $0.duplicates += 1 }
        }
        let owed = state.withLock { state in
            state.isSilent
                ? [] : session.with { $0.acknowledgements(marks: state.marks[boot, default: ReceiveMarks()]) }
        }
        for frame in frames + owed { try await session.connection.send(try frame.encoded()) }
        if let answer { try await session.say(answer) }
        if isOver { session.connection.close("it is refused") }
        return !isOver
    }

    private func stored(_ data: DataFrame, _ boot: BootID) -> CoordinatorMessage? {
        let answer = state.withLock { state in
            state.received.append(Received(boot: boot, frame: data))
            if !state.isSilent {
                _ = state.marks[boot, default: ReceiveMarks()].becameDurable(data.class, through: data.sequence)
            }
            return state.answer
        }
        guard data.class == .control, let message = try? AgentMessage.decode(data.payload) else { return nil }
        return answer?(message)
    }
}

/// A log that a test can read.
final class LogRecord: Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    func logger() -> Logger {
        var logger = Logger(label: "test") { _ in Handler(record: self) }
        logger.logLevel = .debug
        return logger
    }

    private struct Handler: LogHandler {
        let record: LogRecord
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
            record.lines.withLock { $0.append("\(event.level) \(event.message) \(values)") }
        }
    }
}
