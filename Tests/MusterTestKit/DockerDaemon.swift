import Foundation
import Glibc
import Synchronization

/// A dockerd of the tests' own, in a folder of its own and with a bridge of its own, so that it disturbs no other one on
/// the machine. One for the whole test process; it is stopped by its process id when the process ends.
///
/// Its images are made of busybox: `web:1` and `web:2` answer on :8080 at `/` and `/health`; `web:sick` answers 404 at
/// `/health`; `busybox:1` runs what it is told.
package final class DockerDaemon: Sendable {
    /// Why the tests that need it are skipped; nil when they run. A required peer is never skipped.
    package static let obstacle = Peers.obstacle(
        programs: [
            (dockerdPath, "docker.io"), (clientPath, "docker.io"), (busyboxPath, "busybox-static"),
            (ipPath, "iproute2"),
        ], needsRoot: true)

    private static let dockerdPath = Peers.path(of: "dockerd")
    private static let clientPath = Peers.path(of: "docker", in: ["/usr/bin", "/usr/local/bin"])
    private static let busyboxPath = Peers.path(of: "busybox", in: ["/usr/bin", "/bin"])
    private static let ipPath = Peers.path(of: "ip")

    private static let started = Task { try await DockerDaemon.start() }

    /// The running daemon, started by whoever asks first.
    package static func shared() async throws -> DockerDaemon { try await started.value }

    private let folder: String
    private let process: ChildProcess
    package let socket: String

    private init(folder: String, process: ChildProcess) {
        self.folder = folder
        self.process = process
        socket = "\(folder)/docker.sock"
    }

    private static func start() async throws -> DockerDaemon {
        let folder = "/tmp/muster-dockerd-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let bridge = "mstr\(getpid() % 100_000)"
        let subnet = "10.\(200 + getpid() % 50).\(getpid() / 50 % 250)"
        try await ip("link", "add", "name", bridge, "type", "bridge")
        toStop.withLock { $0 = Remains(folder: folder, bridge: bridge, process: nil) }
        atexit { DockerDaemon.stop() }
        try await ip("addr", "add", "\(subnet).1/24", "dev", bridge)
        try await ip("link", "set", bridge, "up")
        let process = try ChildProcess(
            "dockerd",
            .init(
                dockerdPath,
                [
                    "--data-root", "\(folder)/data", "--exec-root", "\(folder)/exec", "--pidfile", "\(folder)/pid",
                    "-H", "unix://\(folder)/docker.sock", "--bridge", bridge, "--iptables=false", "--ip6tables=false",
                    "--ip-forward=false", "--ip-masq=false",
                ]), log: "\(folder)/log")
        toStop.withLock { $0?.process = process }
        let daemon = DockerDaemon(folder: folder, process: process)
        do {
            try await eventually("dockerd answers", within: .seconds(60), every: .milliseconds(100)) {
                if let code = process.exitCode { throw NeverHappened("dockerd ended with \(code)") }
                return try await daemon.client(["version"]).exitCode == 0
            }
        } catch {
            throw NeverHappened("\(error)\n\(process.log.suffix(3_000))")
        }
        for image in images { try await daemon.load(image) }
        return daemon
    }

    private static func ip(_ arguments: String...) async throws {
        let done = try await Finished.run(.init(ipPath, arguments))
        guard done.exitCode == 0 else { throw NeverHappened("\(done)") }
    }

    private struct Remains: Sendable {
        var folder: String
        var bridge: String
        var process: ChildProcess?
    }

    private static let toStop = Mutex<Remains?>(nil)

    /// Runs when the process ends: nothing asynchronous is left then.
    private static func stop() {
        guard let remains = toStop.withLock({ $0 }) else { return }
        if let process = remains.process {
            process.signal(SIGTERM)
            for _ in 0..<150 where process.exitCode == nil { usleep(100_000) }
            process.end()
        }
        if let remover = try? ChildProcess(
            "ip", .init(ipPath, ["link", "delete", remains.bridge]), log: "\(remains.folder)/ip")
        {
            for _ in 0..<50 where remover.exitCode == nil { usleep(20_000) }
        }
        try? FileManager.default.removeItem(atPath: remains.folder)
    }

    // MARK: Images

    private struct Image {
        var name: String
        var changes: [String]
        var files: [String: String]
    }

    private static let images = [
        web("1", ["index.html": "one", "health": "ok"]), web("2", ["index.html": "two", "health": "ok"]),
        web("sick", ["index.html": "sick"]),
        Image(name: "busybox:1", changes: [#"ENTRYPOINT ["/busybox"]"#, #"CMD ["sleep","100000"]"#], files: [:]),
    ]

    private static func web(_ tag: String, _ files: [String: String]) -> Image {
        Image(
            name: "web:\(tag)",
            changes: [#"ENTRYPOINT ["/busybox","httpd","-f","-p","8080","-h","/www"]"#, "EXPOSE 8080"], files: files)
    }

    private func load(_ image: Image) async throws {
        let scratch = try Scratch("image")
        let root = try scratch.folder("root")
        _ = try scratch.folder("root/www")
        _ = try scratch.folder("root/tmp")
        try FileManager.default.copyItem(atPath: Self.busyboxPath, toPath: "\(root)/busybox")
        for (name, text) in image.files { try scratch.write(text, to: "root/www/\(name)") }
        let packed = try await Finished.run(
            .init(Peers.path(of: "tar"), ["-cf", scratch("image.tar"), "-C", root, "."]))
        guard packed.exitCode == 0 else { throw NeverHappened("\(packed)") }
        try await docker(["import"] + image.changes.flatMap { ["-c", $0] } + [scratch("image.tar"), image.name])
    }

    // MARK: Use

    private func client(_ arguments: [String]) async throws -> Finished {
        var environment = ProcessInfo.processInfo.environment
        environment["HOME"] = folder
        return try await Finished.run(
            .init(Self.clientPath, ["-H", "unix://\(socket)"] + arguments, environment: environment))
    }

    /// Runs a command of Docker's own client; throws what it said when it failed.
    @discardableResult
    package func docker(_ arguments: [String]) async throws -> String {
        let done = try await client(arguments)
        guard done.exitCode == 0 else { throw NeverHappened("\(done)") }
        return done.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Starts a container in the background; returns its id.
    @discardableResult
    package func run(
        _ name: String, _ image: String, labels: [String: String] = [:], options: [String] = [], command: [String] = []
    ) async throws -> String {
        let marks = labels.sorted { $0.key < $1.key }.flatMap { ["--label", "\($0.key)=\($0.value)"] }
        return try await docker(["run", "--detach", "--name", name] + marks + options + [image] + command)
    }

    /// Names of all containers that carry a label, running or not, in order.
    package func names(label: String) async throws -> [String] {
        try await docker(["ps", "--all", "--filter", "label=\(label)", "--format", "{{.Names}}"])
            .split(separator: "\n").map(String.init).sorted()
    }

    /// Removes every container.
    package func clear() async throws {
        let ids = try await docker(["ps", "--all", "--quiet"]).split(separator: "\n").map(String.init)
        if !ids.isEmpty { try await docker(["rm", "--force", "--volumes"] + ids) }
    }
}
