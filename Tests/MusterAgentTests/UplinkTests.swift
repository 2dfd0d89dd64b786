import MusterAgent
import MusterModel
import MusterProtocol
import MusterStore
import MusterTestKit
import MusterTransport
import MusterWire
import NIOPosix
import Synchronization
import Testing

/// What waits to be acknowledged, over a real link.
@Suite(.serialized)
struct UplinkTests {
    private let scratch: Scratch
    private let clock = MachineClock()
    private let host: HostID
    private let log = LogRecord()

    init() throws {
        scratch = try Scratch("uplink")
        host = try #require(HostID("a"))
    }

    /// What an agent has between its start and its end.
    private final class Process: Sendable {
        let state: AgentState
        let uplink: Uplink

        init(_ test: UplinkTests, boot: BootID? = nil, logNumbersUsed: UInt64 = 0) throws {
            state = try AgentState(directory: test.scratch("state"))
            var generator = SecureRandom()
            var known = try state.boot(using: &generator)
            if let boot {
                known = AgentState.Boot(id: boot)
                try state.persist(known)
            }
            let (spool, _) = try Spool.open(
                directory: test.scratch("state/spool"), io: SystemFileIO(), settings: Spool.Settings(maxBytes: 16 << 20)
            )
            uplink = try Uplink(
                test.host, known, store: state, spool: spool, logNumbersUsed: logNumbersUsed, clock: test.clock,
                logger: test.log.logger())
        }
    }

    /// Connects an uplink to a coordinator for the length of a test; the addresses in `first` are tried before it.
    private func connected(
        _ uplink: Uplink, _ coordinator: FakeCoordinator, certificateFor name: HostID? = nil,
        after first: [LinkAddress] = [], _ test: () async throws -> Void
    ) async throws {
        let key = try KeyPair.generate()
        let certificate = try coordinator.authority.issue(
            to: key.publicKey, identity: PeerIdentity(agent: name ?? host), now: MachineClock.wall)
        let context = try TLSContext.client(
            TLSCredentials(chain: [certificate], key: key), trust: .certificates([coordinator.authority.certificate]),
            expecting: .coordinator)
        let addresses = first + [coordinator.address]
        let running = Task {
            await uplink.run(addresses: addresses) {
                LinkDialer(context, group: MultiThreadedEventLoopGroup.singleton)
            }
        }
        do {
            try await test()
        } catch {
            print(log.text)
            running.cancel()
            _ = await running.value
            throw error
        }
        running.cancel()
        _ = await running.value
    }

    private func payload(_ number: Int, bytes: Int = 64 << 10) -> [UInt8] {
        [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)]
            + [UInt8](repeating: 0x5A, count: bytes - 2)
    }

    @Test(.timeLimit(.minutes(2)))
    func aCertificateOfAnotherHostIsRefusedAndTheLogSaysWhatToDo() async throws {
        let coordinator = try await FakeCoordinator()
        let process = try Process(self)
        try await connected(process.uplink, coordinator, certificateFor: HostID("b")) {
            try await eventually("the reason is in the log", within: .seconds(10)) {
                log.text.contains("the certificate is for b, but hello says a; enrol this host again")
            }
        }
        #expect(!process.uplink.isUp)
        #expect(process.uplink.counters.connects == 0)
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func whereNobodyListensTheNextAddressIsTried() async throws {
        let coordinator = try await FakeCoordinator()
        let process = try Process(self)
        let closed = LinkAddress(host: "127.0.0.1", port: try Ports.free())
        try await connected(process.uplink, coordinator, after: [closed]) {
            try await eventually("it is welcomed") { process.uplink.isUp }
        }
        #expect(log.text.contains("coordinator=\(closed)"))
        #expect(coordinator.hellos.count == 1)
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func whatDoesNotFitIntoMemoryGoesThroughTheDiskAndArrivesInOrder() async throws {
        let coordinator = try await FakeCoordinator()
        let process = try Process(self)
        for number in 0..<100 { #expect(process.uplink.enqueue(.metrics, codec: 1, payload: payload(number))) }
        #expect(process.uplink.lane(.metrics).isSpooling)
        #expect(process.uplink.spool.bytesOnDisk(.metrics) > 4 << 20)
        #expect(process.uplink.counters.dropped.isEmpty)
        try await connected(process.uplink, coordinator) {
            try await eventually("all arrive", within: .seconds(30)) { coordinator.sequences(.metrics).count == 100 }
            try await eventually("the spool is empty") { process.uplink.spool.bytesOnDisk(.metrics) == 0 }
        }
        let frames = coordinator.received.filter { $0.frame.class == .metrics }.map(\.frame)
        #expect(frames.map(\.sequence) == frames.map(\.sequence).sorted())
        #expect(frames.map { Array($0.payload.prefix(2)) } == (0..<100).map { Array(payload($0).prefix(2)) })
        #expect(coordinator.duplicates == 0)
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func whatWasSpilledIsSentByTheNextProcessUnderItsOwnNames() async throws {
        let coordinator = try await FakeCoordinator()
        let boot: BootID
        do {
            let process = try Process(self)
            boot = process.uplink.bootID
            for number in 0..<10 { process.uplink.enqueue(.metrics, codec: 1, payload: payload(number)) }
            process.uplink.enqueue(.health, codec: 0, payload: payload(1_000))
            process.uplink.spillAll()
        }
        let process = try Process(self)
        #expect(process.uplink.bootID == boot)
        process.uplink.enqueue(.metrics, codec: 1, payload: payload(10))
        try await connected(process.uplink, coordinator) {
            try await eventually("all arrive") { coordinator.received.count == 12 }
        }
        let sequences = coordinator.sequences(.metrics, boot: boot)
        #expect(sequences.dropLast() == Array(1...10))
        // Counting goes on above what may have been handed out.
        #expect(try #require(sequences.last) > SequenceReservation.batch)
        #expect(coordinator.sequences(.health) == [1])
        await coordinator.close()
    }

    /// The spool of an older boot must not swallow what a new one makes.
    @Test(.timeLimit(.minutes(2)))
    func aNewBootSendsWhatTheOldOneLeftAndItsOwnBehindIt() async throws {
        let coordinator = try await FakeCoordinator()
        do {
            let process = try Process(self)
            for number in 0..<10 { process.uplink.enqueue(.metrics, codec: 1, payload: payload(number)) }
            process.uplink.spillAll()
        }
        let boot = BootID(high: 9, low: 9)
        let process = try Process(self, boot: boot)
        for number in 10..<13 { #expect(process.uplink.enqueue(.metrics, codec: 1, payload: payload(number))) }
        #expect(process.uplink.counters.dropped.isEmpty)
        try await connected(process.uplink, coordinator) {
            try await eventually("all arrive") { coordinator.sequences(.metrics, boot: boot).count == 13 }
        }
        let sequences = coordinator.sequences(.metrics, boot: boot)
        #expect(sequences == sequences.sorted() && Set(sequences).count == 13)
        #expect(process.uplink.counters.dropped.isEmpty)
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func whatIsNotAcknowledgedComesAgainUnderTheSameNameAfterABreak() async throws {
        let coordinator = try await FakeCoordinator()
        let process = try Process(self)
        coordinator.fallsSilent()
        try await connected(process.uplink, coordinator) {
            try await eventually("it is welcomed") { process.uplink.isUp }
            for number in 0..<5 { process.uplink.enqueue(.health, codec: 0, payload: payload(number, bytes: 100)) }
            try await eventually("all arrive") { coordinator.sequences(.health).count == 5 }
            #expect(process.uplink.lane(.health).acknowledged == 0)
            coordinator.cutAll()
            try await eventually("it comes back", within: .seconds(20)) { coordinator.hellos.count == 2 }
            try await eventually("all come again") { coordinator.duplicates == 5 }
        }
        #expect(coordinator.sequences(.health) == [1, 2, 3, 4, 5])
        #expect(coordinator.hellos.map { $0.nextSequences?[.health] } == [1, 6])
        await coordinator.close()
    }

    /// Blocks in flight when the link broke are no sign of an old copy.
    @Test(.timeLimit(.minutes(2)))
    func theFirstUnusedNumberOfLogsIsAboveEverythingThatWasCut() async throws {
        let coordinator = try await FakeCoordinator()
        let process = try Process(self, logNumbersUsed: 40)
        // An earlier process sent all of these, and heard of no acknowledgement.
        coordinator.knows(process.uplink.bootID, PerClass(control: 0, health: 0, metrics: 0, logs: 40))
        coordinator.fallsSilent()
        try await connected(process.uplink, coordinator) {
            try await eventually("it is welcomed") { process.uplink.isUp }
            for sequence in UInt64(41)...43 {
                process.uplink.enqueue(DataFrame(class: .logs, sequence: sequence, codec: 1, payload: [1]))
            }
            try await eventually("all arrive") { coordinator.sequences(.logs).count == 3 }
            coordinator.cutAll()
            try await eventually("it comes back", within: .seconds(20)) { coordinator.duplicates == 3 }
        }
        #expect(coordinator.hellos.map { $0.nextSequences?[.logs] } == [41, 44])
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func aCoordinatorThatKnowsMoreThanWasMadeEndsTheLineage() async throws {
        let coordinator = try await FakeCoordinator()
        let process = try Process(self)
        coordinator.knows(process.uplink.bootID, PerClass(control: 0, health: 0, metrics: 70_000, logs: 0))
        let key = try KeyPair.generate()
        let certificate = try coordinator.authority.issue(
            to: key.publicKey, identity: PeerIdentity(agent: host), now: MachineClock.wall)
        let context = try TLSContext.client(
            TLSCredentials(chain: [certificate], key: key), trust: .certificates([coordinator.authority.certificate]),
            expecting: .coordinator)
        let reason = await process.uplink.run(addresses: [coordinator.address]) {
            LinkDialer(context, group: MultiThreadedEventLoopGroup.singleton)
        }
        #expect(reason.contains("70000") && reason.contains("begin a new boot"))
        await coordinator.close()
    }

    @Test
    func callersAtTheSameTimeLoseNothing() async throws {
        let process = try Process(self)
        await withDiscardingTaskGroup { group in
            for number in 0..<8 {
                group.addTask {
                    for _ in 0..<50 { process.uplink.enqueue(.control, codec: 0, payload: [UInt8(number)]) }
                }
            }
        }
        #expect(process.uplink.counters.dropped.isEmpty)
        #expect(process.uplink.lane(.control).memoryFrames == 400)
    }

    @Test
    func whatCanBeMadeAgainIsRefusedWhenMemoryIsFullAndCounted() throws {
        let process = try Process(self)
        var taken = 0
        while process.uplink.enqueue(.control, codec: 0, payload: payload(taken)) { taken += 1 }
        #expect((8...16).contains(taken))
        #expect(process.uplink.counters.dropped == [Uplink.DropKey(name: .control, reason: .memoryFull): 1])
        #expect(process.uplink.spool.bytesOnDisk(.control) == 0)
        #expect(!process.uplink.hasRoom(.control, payloadBytes: 64 << 10))
    }
}
