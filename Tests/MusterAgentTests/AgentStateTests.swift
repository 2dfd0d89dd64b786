import Foundation
import MusterAgent
import MusterConfig
import MusterModel
import MusterStore
import MusterTestKit
import MusterTransport
import MusterWire
import Testing

/// Boot id and ceilings on the disk.
struct AgentStateTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch("agent-state") }

    @Test
    func aBootIsReadAsItWasWritten() throws {
        var generator = SeededRandom(seed: 1)
        for _ in 0..<100 {
            var boot = AgentState.Boot(id: BootID(using: &generator))
            boot.ceilings = PerClass { _ in generator.next() }
            #expect(boot.bytes.count == 48)
            #expect(AgentState.Boot(boot.bytes) == boot)
        }
    }

    @Test(arguments: [0, 1, 47, 49, 96])
    func bytesOfAnotherLengthAreNoBoot(_ count: Int) {
        #expect(AgentState.Boot([UInt8](repeating: 1, count: count)) == nil)
    }

    @Test
    func aBootIsKeptAcrossRestarts() throws {
        var generator = SeededRandom(seed: 2)
        var boot: AgentState.Boot
        do {
            let state = try AgentState(directory: scratch("state"))
            boot = try state.boot(using: &generator)
            boot.ceilings[.metrics] = 4_096
            try state.persist(boot)
        }
        let state = try AgentState(directory: scratch("state"))
        #expect(try state.boot(using: &generator) == boot)
    }

    @Test
    func aBootThatCannotBeReadBeginsANewOne() throws {
        var generator = SeededRandom(seed: 3)
        let first = try { try AgentState(directory: scratch("state")).boot(using: &generator) }()
        for name in try FileManager.default.contentsOfDirectory(atPath: scratch("state"))
        where name.hasPrefix("boot") {
            let path = scratch("state/\(name)")
            let size = FileManager.default.contents(atPath: path)?.count ?? 0
            try Data(repeating: 0xA5, count: size).write(to: URL(fileURLWithPath: path))
        }
        let second = try AgentState(directory: scratch("state")).boot(using: &generator)
        #expect(second.id != first.id && second.ceilings[.metrics] == 0)
    }

    @Test
    func onlyOneProcessOwnsTheDirectory() throws {
        let state = try AgentState(directory: scratch("state"))
        let error = try #require(throws: StoreError.self) { try AgentState(directory: scratch("state")) }
        #expect(error.cause == .locked && "\(error)".contains(scratch("state")))
        withExtendedLifetime(state) {}
    }
}

/// `muster-agent check` and what a start says of the configuration.
struct AgentConfigurationTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch("agent-config") }

    private static let wrong: [(text: String, line: Int, key: String)] = [
        ("coordinator: [a:1]\nlogs:\n  fils: []\n", 3, "fils"), ("stateDirectory: /x\n", 1, "coordinator"),
        ("coordinator: []\n", 1, "coordinator"), ("coordinator: [a:99999]\n", 1, "coordinator"),
        ("coordinator: [a:1]\nstateDirectory: relative\n", 2, "stateDirectory"),
        ("coordinator: [a:1]\nmetrics:\n  interval: 1\n", 3, "interval"),
        ("coordinator: [a:1]\nspool: {maxBytes: 1}\n", 2, "maxBytes"),
        ("coordinator: [a:1]\ndocker:\n  enabled: perhaps\n", 3, "enabled"),
        ("coordinator: [a:1]\nservices:\n  - name: db\n", 3, "port"),
        ("coordinator: [a:1]\ncoordinator: [b:1]\n", 2, "coordinator"),
    ]

    @Test
    func whatIsWrongIsNamedWithFileLineAndKey() throws {
        for (text, line, key) in Self.wrong {
            let path = try scratch.write(text, to: "agent.yaml")
            let error = try #require(throws: ConfigError.self, "\(text)") { try Agent.checkConfiguration(path) }
            #expect("\(error)".contains("\(path):\(line)"), "\(text): \(error)")
            #expect("\(error)".contains(key), "\(text): \(error)")
        }
    }

    @Test
    func aFileThatIsAbsentIsNamed() throws {
        let error = try #require(throws: AgentError.self) { try Agent.checkConfiguration(scratch("none.yaml")) }
        #expect(error.message.contains(scratch("none.yaml")))
    }

    @Test
    func aFileThatIsTooLargeIsRefusedAndNotCut() throws {
        let text = "coordinator: [a:1]\n" + String(repeating: "# x\n", count: Limits.documentBytes / 4)
        let path = try scratch.write(text, to: "agent.yaml")
        #expect(throws: (any Error).self) { try Agent.checkConfiguration(path) }
    }

    @Test
    func whatIsRightIsAccepted() throws {
        try Agent.checkConfiguration(try scratch.write("coordinator: [muster.example.com]\n", to: "agent.yaml"))
    }

    @Test
    func anAgentWithoutAnIdentitySaysHowToGetOne() async throws {
        let path = try scratch.write(
            "coordinator: [127.0.0.1:1]\nstateDirectory: \(scratch("state"))\n", to: "agent.yaml")
        let error = try await #require(throws: AgentError.self) {
            try await Agent.run(AgentOptions(configPath: path), logger: LogRecord().logger())
        }
        #expect(error.message.contains("no identity") && error.hint.contains("muster-agent enroll"))
    }
}

/// `muster-agent enroll` before there is a coordinator that answers; the rest is tested with a real one.
struct EnrolmentTests {
    private let scratch: Scratch
    private let token: JoinToken

    init() throws {
        scratch = try Scratch("enrolment")
        token = JoinToken(pin: try CertificateAuthority.create(now: MachineClock.wall).pin)
    }

    private func error(_ coordinator: String, _ token: String) async throws -> AgentError {
        try await #require(throws: AgentError.self) {
            _ = try await Enrolment.enroll(
                Enrolment.Request(
                    coordinator: coordinator, token: token, stateDirectory: scratch("state"), hostName: "a"))
        }
    }

    @Test(arguments: ["", "hunter2", "muster1.x", "muster1.AAAA.BBBB"])
    func whatIsNoTokenIsSaidBeforeAnybodyIsAsked(_ text: String) async throws {
        let error = try await error("127.0.0.1:1", text)
        #expect(error.message.hasPrefix("the token cannot be read"))
        #expect(error.hint.contains("muster token create"))
        #expect(!FileManager.default.fileExists(atPath: scratch("state/identity")))
    }

    @Test
    func whatIsNoAddressIsSaid() async throws {
        #expect(try await error("a:b:c", token.text).message.contains("\"a:b:c\" is not host:port"))
    }

    @Test
    func aCoordinatorThatDoesNotAnswerIsNamed() async throws {
        let port = try Ports.free()
        let error = try await error("127.0.0.1:\(port)", token.text)
        #expect(error.message.contains("127.0.0.1:\(port) cannot be asked: cannot connect"))
        #expect(error.hint.contains("7444"))
    }

    /// Nothing secret goes to whoever cannot show the authority that the token pins.
    @Test
    func aStrangerWithAnotherAuthorityGetsNothing() async throws {
        let stranger = try await FakeCoordinator()
        let error = try await error("127.0.0.1:\(stranger.port)", token.text)
        #expect(error.message.contains("cannot be asked: the TLS peer is not trusted"))
        #expect(!FileManager.default.fileExists(atPath: scratch("state/identity/host.pem")))
        await stranger.close()
    }
}
