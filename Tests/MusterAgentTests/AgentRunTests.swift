import Foundation
import MusterAgent
import MusterCoordinator
import MusterModel
import MusterProtocol
import MusterTestKit
import MusterTransport
import MusterWire
import NIOPosix
import Synchronization
import Testing

/// A whole agent in this process.
@Suite(.serialized)
struct AgentRunTests {
    let scratch: Scratch
    let host: HostID
    let log = LogRecord()

    init() throws {
        scratch = try Scratch("agent-run")
        host = try #require(HostID("a"))
    }

    private var identityPath: String { scratch("state/identity/host.pem") }

    /// Gives the agent a certificate with this much life left. It is made five minutes old, so a short one is due for
    /// renewal at once.
    func giveIdentity(_ authority: CertificateAuthority, lifetime: Duration = .hours(24)) throws {
        let key = try KeyPair.generate()
        let certificate = try authority.issue(
            to: key.publicKey, identity: PeerIdentity(agent: host), now: MachineClock.wall, lifetime: lifetime)
        _ = try scratch.folder("state/identity")
        try scratch.write(key.privatePEM + (try certificate.pem), to: "state/identity/host.pem")
        try scratch.write(try authority.certificate.pem, to: "state/identity/ca.crt")
    }

    /// Runs the agent for the length of a test. `metrics`: further keys of `metrics` in its configuration.
    func running(_ link: Int, metrics: String = "", _ test: () async throws -> Void) async throws {
        let config = try scratch.write(
            """
            coordinator: ["127.0.0.1:\(link)"]
            stateDirectory: \(scratch("state"))
            docker: {enabled: false}
            metrics: {interval: 100ms\(metrics)}
            labels: {zone: a}
            services: [{name: web, port: 8080}]

            """, to: "agent.yaml")
        let ended = Mutex<String?>(nil)
        let agent = Task {
            do {
                try await Agent.run(AgentOptions(configPath: config), logger: log.logger())
                ended.withLock { $0 = "it ended by itself" }
            } catch {
                ended.withLock { $0 = "\(error)" }
            }
        }
        do {
            try await test()
            #expect(ended.withLock { $0 } == nil)
        } catch {
            print(log.text, ended.withLock { $0 } ?? "")
            agent.cancel()
            await agent.value
            throw error
        }
        agent.cancel()
        await agent.value
        #expect(ended.withLock { $0 } == "it ended by itself")
    }

    @Test(.timeLimit(.minutes(2)))
    func aCertificateIsRenewedWithoutAGapInTheStream() async throws {
        let coordinator = try await FakeCoordinator()
        let authority = coordinator.authority
        let host = host
        let asked = Mutex(0)
        coordinator.answers { message in
            guard case .certificateRequest(let request) = message else { return nil }
            asked.withLock { $0 += 1 }
            guard let key = try? SigningRequest.publicKey(pem: request),
                let certificate = try? authority.issue(
                    to: key, identity: PeerIdentity(agent: host), now: MachineClock.wall),
                let pem = try? certificate.pem
            else { return .certificateRefused(reason: "the test cannot issue") }
            return .certificate(chain: pem)
        }
        try giveIdentity(authority, lifetime: .seconds(60))
        let before = textOfFile(identityPath)
        try await running(coordinator.port) {
            try await eventually("it comes back with the new certificate", within: .seconds(20)) {
                coordinator.hellos.count == 2
            }
            let seen = coordinator.sequences(.metrics).count
            try await eventually("the stream goes on", within: .seconds(20)) {
                coordinator.sequences(.metrics).count >= seen + 10
            }
        }
        #expect(asked.withLock { $0 } == 1)
        let certificates = coordinator.certificates
        #expect(certificates.count == 2 && certificates[0].serial != certificates[1].serial)
        #expect(certificates[1].notAfter > certificates[0].notAfter + .hours(23))
        let numbers = coordinator.sequences(.metrics)
        #expect(numbers == Array(1...UInt64(numbers.count)))
        #expect(Set(coordinator.hellos.map(\.boot)).count == 1)
        let after = textOfFile(identityPath)
        #expect(after != before)
        #expect(try Certificate.chain(pem: after).first == certificates[1])
        let mode = try FileManager.default.attributesOfItem(atPath: identityPath)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        await coordinator.close()
    }

    /// An answer that comes so late that another question was asked meanwhile is for a key that is gone.
    @Test(.timeLimit(.minutes(2)))
    func aCertificateForAnotherKeyIsNotStored() async throws {
        let coordinator = try await FakeCoordinator()
        let authority = coordinator.authority
        let host = host
        coordinator.answers { message in
            guard case .certificateRequest = message, let other = try? KeyPair.generate(),
                let certificate = try? authority.issue(
                    to: other.publicKey, identity: PeerIdentity(agent: host), now: MachineClock.wall),
                let pem = try? certificate.pem
            else { return nil }
            return .certificate(chain: pem)
        }
        try giveIdentity(authority, lifetime: .seconds(60))
        let before = textOfFile(identityPath)
        try await running(coordinator.port) {
            try await eventually("the answer is refused", within: .seconds(20)) {
                log.text.contains("the renewed certificate cannot be used")
            }
            let seen = coordinator.sequences(.metrics).count
            try await eventually("the stream goes on", within: .seconds(20)) {
                coordinator.sequences(.metrics).count >= seen + 5
            }
        }
        #expect(textOfFile(identityPath) == before)
        #expect(coordinator.hellos.count == 1)
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func aStateDirectoryFromAnOlderCopyBeginsANewBoot() async throws {
        let coordinator = try await FakeCoordinator()
        try giveIdentity(coordinator.authority)
        let old = try {
            var generator = SecureRandom()
            return try AgentState(directory: scratch("state")).boot(using: &generator)
        }()
        coordinator.knows(old.id, PerClass(control: 0, health: 0, metrics: 70_000, logs: 0))
        try await running(coordinator.port) {
            try await eventually("it says hello under a new boot", within: .seconds(40)) {
                Set(coordinator.hellos.map(\.boot)).count == 2
            }
            let new = try #require(coordinator.hellos.last?.boot)
            try await eventually("the stream goes on", within: .seconds(20)) {
                coordinator.sequences(.metrics, boot: new).count >= 10
            }
            let numbers = coordinator.sequences(.metrics, boot: new)
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
            #expect(coordinator.sequences(.metrics, boot: old.id).isEmpty)
            #expect(log.text.contains("beginning a new boot"))
        }
        let new = try #require(coordinator.hellos.last?.boot)
        var generator = SecureRandom()
        #expect(try AgentState(directory: scratch("state")).boot(using: &generator).id == new)
        await coordinator.close()
    }

    /// The certificate of the start may be over when a long-running agent begins a new boot.
    @Test(.timeLimit(.minutes(2)))
    func aNewBootShowsTheCertificateThatIsOnTheDiskByThen() async throws {
        let coordinator = try await FakeCoordinator()
        try giveIdentity(coordinator.authority)
        try await running(coordinator.port) {
            try await eventually("it says hello") { coordinator.hellos.count == 1 }
            let old = try #require(coordinator.hellos.first?.boot)
            try giveIdentity(coordinator.authority)
            coordinator.knows(old, PerClass(control: 0, health: 0, metrics: 70_000, logs: 0))
            coordinator.cutAll()
            try await eventually("it says hello under a new boot", within: .seconds(40)) {
                Set(coordinator.hellos.map(\.boot)).count == 2
            }
        }
        let wanted = try Certificate.chain(pem: textOfFile(identityPath)).first
        #expect(coordinator.certificates.last == wanted)
        #expect(coordinator.certificates.first != wanted)
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func aStepJournalThatCannotBeReadIsNamedWithWhatFollows() async throws {
        let coordinator = try await FakeCoordinator()
        try giveIdentity(coordinator.authority)
        let path = try scratch.write(String(repeating: "x", count: 300), to: "state/steps.journal")
        try await running(coordinator.port) {
            try await eventually("it says hello", within: .seconds(20)) { !coordinator.hellos.isEmpty }
        }
        #expect(log.text.contains("error a journal cannot be read and was set aside kept=\(path).damaged-"))
        #expect(log.text.contains("rollout steps this host has executed may not be known any more path=\(path)"))
        #expect(log.text.contains("warning rollout steps are refused for a while expiringUntil="))
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func aRestartGoesOnWithTheSameBootAndHigherNumbers() async throws {
        let coordinator = try await FakeCoordinator()
        try giveIdentity(coordinator.authority)
        for _ in 0..<2 {
            let seen = coordinator.sequences(.metrics).count
            try await running(coordinator.port) {
                try await eventually("metrics arrive", within: .seconds(20)) {
                    coordinator.sequences(.metrics).count >= seen + 5
                }
            }
        }
        let numbers = coordinator.sequences(.metrics)
        #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
        #expect(Set(coordinator.hellos.map(\.boot)).count == 1)
        #expect(coordinator.hellos.count == 2)
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func theFirstSnapshotSaysWhoThisHostIs() async throws {
        let coordinator = try await FakeCoordinator()
        try giveIdentity(coordinator.authority)
        try await running(coordinator.port) {
            try await eventually("a snapshot comes") { !coordinator.sequences(.health).isEmpty }
            let frame = try #require(coordinator.received.first { $0.frame.class == .health }).frame
            guard case .snapshot(let snapshot) = try AgentMessage.decode(frame.payload) else {
                Issue.record("the first message of the host is no snapshot")
                return
            }
            #expect(snapshot.host == host && snapshot.labels["zone"] == "a")
            #expect(snapshot.boot == coordinator.hellos.first?.boot)
            // Nobody configured an address: it is where the link comes from.
            try await eventually("its service is reached where the link comes from") {
                let frames = coordinator.received.filter { $0.frame.class == .health }.map(\.frame)
                guard let last = frames.last, case .snapshot(let snapshot) = try AgentMessage.decode(last.payload)
                else { return false }
                return snapshot.instances.map(\.address) == ["127.0.0.1"]
            }
            let before = coordinator.sequences(.health).count
            try await coordinator.say(.snapshotRequest)
            try await eventually("it is sent again") { coordinator.sequences(.health).count > before }
        }
        await coordinator.close()
    }

    // MARK: Joining a real coordinator

    @Test(.timeLimit(.minutes(2)))
    func aHostJoinsOnceAndIsToldWhyItMayNotOtherwise() async throws {
        let made = try await PKI.initialize(
            PKI.Request(dataDirectory: scratch("data"), link: "127.0.0.1:0", api: "127.0.0.1:0"))
        let ports = Mutex<(link: Int, api: Int)?>(nil)
        let options = CoordinatorOptions(configPath: made.configPath) { link, api in
            ports.withLock { $0 = (link, api) }
        }
        let serving = Task { try await Coordinator.run(options, logger: log.logger()) }
        defer { serving.cancel() }
        let (link, api) = try await awaited("the coordinator listens", within: .seconds(20)) { ports.withLock { $0 } }
        let token = try await joinToken(api, made.contextPath)
        let wrong = try await #require(throws: AgentError.self) { try await enroll(api, token, as: "b") }
        #expect(wrong.message.contains("the token is for host \"a\" and this is \"b\""))
        #expect(!FileManager.default.fileExists(atPath: identityPath))
        // One attempt a second is let through.
        let hurried = try await #require(throws: AgentError.self) { try await enroll(api, token, as: "a") }
        #expect(hurried.message.contains("only one attempt a second"))
        let joined = try await awaited("it is let in") { try? await enroll(api, token, as: "a") }
        #expect(joined == host)
        for name in ["host.pem", "ca.crt"] {
            let path = scratch("state/identity/\(name)")
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(name)")
        }
        let again = try await awaited("it is refused for what it is") {
            let error = try await #require(throws: AgentError.self) { try await enroll(api, token, as: "a") }
            return error.message.contains("only one attempt") ? nil : error
        }
        #expect(again.message.contains("used already"))
        try await running(link) {
            try await eventually("the coordinator knows it") { log.text.contains("agent connected boot=") }
        }
        serving.cancel()
        try await serving.value
    }

    private func enroll(_ api: Int, _ token: String, as name: String) async throws -> HostID {
        try await Enrolment.enroll(
            Enrolment.Request(
                coordinator: "127.0.0.1:\(api)", token: token, stateDirectory: scratch("state"), hostName: name))
    }

    private func joinToken(_ api: Int, _ contextPath: String) async throws -> String {
        struct Context: Decodable {
            var authority: String
            var token: String
        }
        struct Made: Decodable {
            var token: String
        }
        let context = try JSONDecoder().decode(Context.self, from: Data(textOfFile(contextPath).utf8))
        let client = NIOHTTPClient(
            group: MultiThreadedEventLoopGroup.singleton,
            context: try TLSContext.client(
                nil, trust: .certificates(try Certificate.chain(pem: context.authority)), expecting: .coordinator))
        let request = HTTPRequest(
            "POST", "/v1/tokens", headers: [HTTPHeader("authorization", "Bearer \(context.token)")],
            body: Array(#"{"kind":"join","host":"a"}"#.utf8))
        let response = try await client.send(
            request, to: .tcp(host: "127.0.0.1", port: api), timeout: .seconds(10), maxBytes: 1 << 20)
        return try JSONDecoder().decode(Made.self, from: Data(response.body)).token
    }
}
