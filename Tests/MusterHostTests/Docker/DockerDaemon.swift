import Foundation
import Glibc
import MusterHost
import MusterModel
import MusterTestKit
import MusterTransport
import NIOPosix
import Synchronization
import Testing

/// A real dockerd of the tests' own, in a temporary folder, with images made of busybox. One for the whole test
/// process; it is stopped by its process id when the process ends.
final class DockerDaemon: Sendable {
    /// Why the tests that need it are skipped; nil when they run. A required peer is never skipped.
    static let obstacle: String? = {
        if ProcessInfo.processInfo.environment["MUSTER_REQUIRE_PEERS"] == "1" { return nil }
        if geteuid() != 0 { return "dockerd needs root" }
        if !FileManager.default.isExecutableFile(atPath: dockerdPath) { return "docker.io is not installed" }
        if !FileManager.default.isExecutableFile(atPath: busyboxPath) { return "busybox-static is not installed" }
        return nil
    }()

    static let dockerdPath = "/usr/sbin/dockerd"
    static let busyboxPath = "/usr/bin/busybox"

    private static let started = Task { try await DockerDaemon.start() }

    /// The running daemon, started by whoever asks first.
    static func shared() async throws -> DockerDaemon { try await started.value }

    let folder: String
    let pid: pid_t
    let client: NIOHTTPClient
    let api: DockerAPI

    var endpoint: HTTPEndpoint { .unixSocket(path: folder + "/docker.sock") }

    private init(folder: String, pid: pid_t) {
        self.folder = folder
        self.pid = pid
        client = NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton)
        api = DockerAPI(client: client, endpoint: .unixSocket(path: folder + "/docker.sock"))
    }

    private static func start() async throws -> DockerDaemon {
        let folder = "/tmp/muster-docker-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: dockerdPath)
        process.arguments = [
            "--data-root", "\(folder)/data", "--exec-root", "\(folder)/exec", "--pidfile", "\(folder)/pid",
            "-H", "unix://\(folder)/docker.sock",
        ]
        _ = FileManager.default.createFile(atPath: "\(folder)/log", contents: nil)
        let log = try #require(FileHandle(forWritingAtPath: "\(folder)/log"))
        process.standardOutput = log
        process.standardError = log
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let daemon = DockerDaemon(folder: folder, pid: process.processIdentifier)
        toStop.withLock { $0 = (process.processIdentifier, folder) }
        atexit { DockerDaemon.stop() }
        try await eventually("dockerd answers", within: .seconds(60)) { (try? await daemon.api.version()) != nil }
        for image in images { try await daemon.load(image) }
        return daemon
    }

    private static let toStop = Mutex<(pid_t, String)?>(nil)

    private static func stop() {
        guard let (pid, folder) = toStop.withLock({ $0 }) else { return }
        kill(pid, SIGTERM)
        for _ in 0..<150 where kill(pid, 0) == 0 && waitpid(pid, nil, WNOHANG) != pid { usleep(100_000) }
        kill(pid, SIGKILL)
        try? FileManager.default.removeItem(atPath: folder)
    }

    struct Image {
        var name: String
        var changes: [String]
        var files: [String: String] = [:]
    }

    /// `web:1` and `web:2` answer on :8080/health; `web:sick` answers 404 there; `web:deaf` listens nowhere;
    /// `web:dead` exits at once.
    static let images = [
        image("web:1", "ENV VERSION=1", "LABEL built=one", files: ["www/health": "one"]),
        image("web:2", "ENV VERSION=2", "LABEL built=two", files: ["www/health": "two"]),
        image("web:sick", files: ["www/index.html": "sick"]),
        Image(name: "web:deaf", changes: [#"ENTRYPOINT ["/busybox"]"#, #"CMD ["sleep","1000"]"#, "EXPOSE 8080"]),
        Image(
            name: "web:dead",
            changes: [#"ENTRYPOINT ["/busybox","sh","-c","echo no database to be found; exit 3"]"#, "EXPOSE 8080"]),
    ]

    private static func image(_ name: String, _ changes: String..., files: [String: String]) -> Image {
        let serve = #"ENTRYPOINT ["/busybox","httpd","-f","-p","8080","-h","/www"]"#
        return Image(name: name, changes: [serve, "EXPOSE 8080", "ENV SHARED=image"] + changes, files: files)
    }

    private func load(_ image: Image) async throws {
        let root = "\(folder)/image"
        try? FileManager.default.removeItem(atPath: root)
        try FileManager.default.createDirectory(atPath: root + "/www", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: Self.busyboxPath, toPath: root + "/busybox")
        for (path, text) in image.files { try text.write(toFile: "\(root)/\(path)", atomically: true, encoding: .utf8) }
        let tar = Process()
        tar.executableURL = URL(fileURLWithPath: "/bin/tar")
        tar.arguments = ["-cf", "\(folder)/image.tar", "-C", root, "."]
        try tar.run()
        tar.waitUntilExit()
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/image.tar")))
        let parts = image.name.split(separator: ":")
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        let changes = image.changes.map {
            "&changes=" + ($0.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")
        }
        let request = HTTPRequest(
            "POST", "/v1.41/images/create?fromSrc=-&repo=\(parts[0])&tag=\(parts[1])" + changes.joined(), body: bytes)
        let response = try await client.send(request, to: endpoint, timeout: .seconds(60), maxBytes: 1 << 20)
        try #require(response.isSuccess, "\(String(decoding: response.body, as: UTF8.self))")
    }

    /// Creates and starts a container from a body of the API; returns its id.
    @discardableResult
    func run(_ name: String, _ image: String, labels: [String: String] = [:], _ more: [DockerJSON.Member] = [])
        async throws -> String
    {
        var body = DockerJSON.object([.init("Image", .string(image)), .init("Labels", .texts(labels))])
        for member in more { body[member.key] = member.value }
        let id = try await api.create(name: name, body: body)
        try await api.start(container: id)
        return id
    }

    /// Removes every container with a label.
    func clear(_ label: LabelSelector) async throws {
        for id in try await api.containerIDs(labels: [label]) {
            try await api.remove(container: id, withAnonymousVolumes: true)
        }
    }
}

let testClock: @Sendable () -> Instant = {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
}
