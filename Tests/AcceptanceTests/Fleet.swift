import Foundation
import MusterTestKit
import MusterTransport
import NIOPosix
import Synchronization
import Testing

/// A coordinator and its agents, each a process of its own.
final class Fleet: Sendable {
    /// What a fleet is started with.
    struct Setup: Sendable {
        var agents = ["a", "b", "c"]
        var docker: DockerDaemon?
        /// The text of a rule file.
        var rules: String?
        /// Added to the coordinator's configuration.
        var coordinator = ""
        /// Added to an agent's configuration, by its name.
        var agentExtra: @Sendable (_ agent: String, _ folder: String) -> String = { _, _ in "" }
    }

    let scratch: Scratch
    let setup: Setup
    let link: Int
    let api: Int
    let client: NIOHTTPClient
    let token: String
    let authority: [Certificate]
    private let processes = Mutex<[String: ChildProcess]>([:])

    var coordinatorData: String { scratch("coordinator") }
    var coordinatorConfig: String { scratch("coordinator/muster.yaml") }
    var contextPath: String { scratch("coordinator/context.json") }
    func state(_ agent: String) -> String { scratch("agent-\(agent)") }
    func agentConfig(_ agent: String) -> String { scratch("agent-\(agent).yaml") }
    func logPath(_ name: String) -> String { scratch("\(name).log") }

    /// Starts a fleet, runs the test with it, and ends every process. When the test throws, the ends of all logs are
    /// printed.
    static func run(_ name: String, _ setup: Setup = Setup(), _ test: (Fleet) async throws -> Void) async throws {
        try await setup.docker?.clear()
        let fleet = try await Fleet(name, setup)
        do {
            try await fleet.start()
            try await test(fleet)
        } catch {
            fleet.printLogs()
            fleet.endAll()
            try? await setup.docker?.clear()
            throw error
        }
        fleet.endAll()
        try await setup.docker?.clear()
    }

    /// Makes the authority and the configuration; starts nothing.
    private init(_ name: String, _ setup: Setup) async throws {
        self.setup = setup
        scratch = try Scratch(name)
        (link, api) = (try Ports.free(), try Ports.free())
        let data = scratch("coordinator")
        let made = try await Finished.run(
            .init(
                Binaries.muster,
                ["pki", "init", "--data", data, "--link", "127.0.0.1:\(link)", "--api", "127.0.0.1:\(api)"]))
        guard made.exitCode == 0 else { throw NeverHappened("\(made)") }
        struct Context: Decodable {
            var authority: String
            var token: String
        }
        let bytes = try Data(contentsOf: URL(fileURLWithPath: data + "/context.json"))
        let context = try JSONDecoder().decode(Context.self, from: bytes)
        token = context.token
        authority = try Certificate.chain(pem: context.authority)
        client = NIOHTTPClient(
            group: MultiThreadedEventLoopGroup.singleton,
            context: try TLSContext.client(
                nil, trust: .certificates(authority), expecting: .coordinator, protocols: ["http/1.1"]))
        if let rules = setup.rules {
            _ = try scratch.folder("coordinator/rules")
            try scratch.write(rules, to: "coordinator/rules/test.yaml")
        }
        let config = textOfFile(data + "/muster.yaml")
        try scratch.write(config + setup.coordinator, to: "coordinator/muster.yaml")
    }

    private func start() async throws {
        try startCoordinator()
        try await coordinatorAnswers()
        for agent in setup.agents {
            try await enrolled(agent)
            try writeConfig(agent)
            try startAgent(agent)
        }
        try await everyoneIsAlive()
    }

    // MARK: Processes

    func startCoordinator() throws {
        try start("coordinator", .init(Binaries.muster, ["serve", "--config", coordinatorConfig]))
    }

    func startAgent(_ name: String) throws {
        try start(name, .init(Binaries.agent, ["run", "--config", agentConfig(name)]))
    }

    private func start(_ name: String, _ command: ChildProcess.Command) throws {
        let process = try ChildProcess(name, command, log: logPath(name))
        processes.withLock { $0[name] = process }
    }

    /// The running process of `coordinator` or of an agent.
    func process(_ name: String) throws -> ChildProcess {
        try #require(processes.withLock { $0[name] }, "\(name) was not started")
    }

    func kill(_ name: String) throws { try process(name).end() }

    /// SIGKILL and a new process at once.
    func crash(_ name: String) throws {
        try kill(name)
        try name == "coordinator" ? startCoordinator() : startAgent(name)
    }

    private func endAll() {
        for process in processes.withLock({ Array($0.values) }) { process.end() }
    }

    /// Everything a process, and those before it under this name, wrote to its log.
    func log(_ name: String) -> String { textOfFile(logPath(name)) }

    private func printLogs() {
        for name in ["coordinator"] + processes.withLock({ $0.keys.sorted() }).filter({ $0 != "coordinator" }) {
            let lines = log(name).split(separator: "\n").suffix(25).joined(separator: "\n")
            print("--- the end of the log of \(name)\n\(lines)")
        }
    }

    // MARK: Agents

    /// Makes a token and enrols; tries again as long as the coordinator says that it is too soon.
    func enrolled(_ agent: String) async throws {
        let token = try await cli("token", "create", "--host", agent).succeeded().trimmed
        let done = try await enroll(agent, token: token)
        guard done.exitCode == 0 else { throw NeverHappened("\(done)") }
    }

    /// What `muster-agent enroll` did.
    func enroll(
        _ agent: String, token: String, hostName: String? = nil, state: String? = nil
    ) async throws -> Finished {
        try await awaited("the coordinator takes an attempt to join", within: .seconds(20), every: .milliseconds(300)) {
            let done = try await Finished.run(
                .init(
                    Binaries.agent,
                    [
                        "enroll", "--coordinator", "127.0.0.1:\(api)", "--token", token, "--state",
                        state ?? self.state(agent), "--host-name", hostName ?? agent,
                    ]))
            return done.errors.contains("one attempt a second") ? nil : done
        }
    }

    func writeConfig(_ agent: String) throws {
        let docker =
            setup.docker.map { "{socket: \"\($0.socket)\", select: {fleet-agent: \(agent)}}" } ?? "{enabled: false}"
        try scratch.write(
            """
            coordinator: ["127.0.0.1:\(link)"]
            stateDirectory: "\(state(agent))"
            hostName: \(agent)
            labels: {agent: \(agent)}
            docker: \(docker)
            \(setup.agentExtra(agent, scratch.path))
            """, to: "agent-\(agent).yaml")
    }
}
