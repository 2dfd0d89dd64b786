import Foundation
import MusterHost
import MusterModel
import MusterTestKit
import Synchronization
import Testing

/// The watch against a real daemon.
@Suite(.serialized, .enabled(if: DockerDaemon.obstacle == nil, "needs dockerd, busybox-static and root"))
struct ContainerWatchDaemonTests {
    /// What was published, with the time.
    final class Published: Sendable {
        private let all = Mutex<[(at: ContinuousClock.Instant, what: ContainerObservation)]>([])

        func add(_ observation: ContainerObservation) { all.withLock { $0.append((.now, observation)) } }
        var last: ContainerObservation? { all.withLock { $0.last?.what } }
        var count: Int { all.withLock { $0.count } }
        func first(_ condition: (ContainerObservation) -> Bool) -> ContinuousClock.Instant? {
            all.withLock { $0.first { condition($0.what) }?.at }
        }
        func container(_ name: String) -> ObservedContainer? { last?.containers.first { $0.container.name == name } }
    }

    private func watching(
        _ mark: String, _ body: (DockerDaemon, Published) async throws -> Void
    ) async throws {
        let daemon = try await DockerDaemon.shared()
        let published = Published()
        let watch = ContainerWatch(
            api: DockerAPI(client: daemon.client, endpoint: daemon.endpoint),
            settings: ContainerWatch.Settings(selector: LabelSelector("test", mark)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await watch.run { published.add($0) } }
            try await eventually("the watch is current") { published.last?.isCurrent == true }
            do {
                try await body(daemon, published)
            } catch {
                group.cancelAll()
                try await daemon.clear(LabelSelector("test", mark))
                throw error
            }
            group.cancelAll()
            try await daemon.clear(LabelSelector("test", mark))
        }
    }

    @Test func aContainersLifeIsSeenAsItHappens() async throws {
        let mark = "w\(UInt32.random(in: 0 ..< .max))"
        try await watching(mark) { daemon, published in
            let host = DockerJSON.object([
                .init("PortBindings", .object([.init("8080/tcp", .array([.object([.init("HostPort", .string(""))])]))]))
            ])
            let id = try await daemon.run("a-\(mark)", "web:1", labels: ["test": mark], [.init("HostConfig", host)])
            try await daemon.run("b-\(mark)", "web:1", labels: ["test": "other-" + mark])
            try await eventually("it runs") { published.container("a-\(mark)")?.container.state == .running }
            let seen = try #require(published.container("a-\(mark)"))
            #expect(seen.container.id == id)
            #expect(seen.container.image == "web:1")
            #expect(seen.container.imageDigest.hasPrefix("sha256:"))
            #expect(seen.logDriver == "json-file")
            #expect(seen.logPath?.hasSuffix("-json.log") == true)
            #expect(FileManager.default.fileExists(atPath: "/proc/\(seen.pid ?? 0)/cgroup"))
            #expect(seen.container.networks.first?.address.isEmpty == false)
            #expect(seen.container.ports.contains { $0.containerPort == 8080 && $0.hostPort != nil })
            let started = try #require(seen.container.startedAt)
            #expect(abs((testClock() - started).nanoseconds) < 30_000_000_000)

            try await daemon.api.rename(container: id, to: "c-\(mark)")
            try await eventually("it is renamed") { published.container("c-\(mark)") != nil }
            try await daemon.api.stop(container: id, grace: .zero)
            try await eventually("it exited") { published.container("c-\(mark)")?.container.state == .exited }
            #expect(published.container("c-\(mark)")?.container.exitCode == 137)
            #expect(published.container("c-\(mark)")?.pid == nil)
            try await daemon.api.remove(container: id, withAnonymousVolumes: true)
            try await eventually("it is gone") { published.last?.containers.isEmpty == true }
            try await daemon.clear(LabelSelector("test", "other-" + mark))
        }
    }

    @Test func aDeathIsPublishedWithin100Milliseconds() async throws {
        let mark = "w\(UInt32.random(in: 0 ..< .max))"
        try await watching(mark) { daemon, published in
            var delays: [Duration] = []
            for _ in 0..<5 {
                let id = try await daemon.run("k-\(mark)", "web:1", labels: ["test": mark])
                try await eventually("it runs") { published.container("k-\(mark)")?.pid != nil }
                try await daemon.api.stop(container: id, grace: .zero)
                let answered = ContinuousClock.now
                try await eventually("it exited") { published.container("k-\(mark)")?.container.state == .exited }
                delays.append(ContinuousClock.now - answered)
                try await daemon.api.remove(container: id, withAnonymousVolumes: true)
                try await eventually("it is gone") { published.last?.containers.isEmpty == true }
            }
            // The middle one: this machine may be busy with anything else.
            #expect(delays.sorted()[2] < .milliseconds(100), "\(delays)")
        }
    }
}
