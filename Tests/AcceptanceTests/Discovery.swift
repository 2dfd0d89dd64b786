import Foundation
import MusterTestKit
import Testing

extension Acceptance {
    /// Containers become instances, instances get traffic while they and their hosts are well.
    @Suite(.needsPrograms, .needsDocker) struct Discovery {
        @Test(.timeLimit(.minutes(3)))
        func containersAreRoutedWhileTheyAndTheirHostsAreWell() async throws {
            let docker = try await DockerDaemon.shared()
            try await Fleet.run("discovery", .init(docker: docker)) { fleet in
                try await appear(fleet, docker)
                try await areKilled(fleet, docker)
                try await areAwayWithTheirAgent(fleet, docker)
                try await theCommandShowsTheRoute(fleet)
                try await areReadUnderTheirNames(fleet)
                try await wakeNobodyElse(fleet, docker)
                try await failTheirCheck(fleet, docker)
            }
        }

        /// The server itself prints nothing, so its shell does before it becomes the server.
        private func web(_ docker: DockerDaemon, _ agent: String, service: String = "web") async throws {
            try await docker.run(
                "\(service)-\(agent)", "web:1",
                labels: [
                    "fleet-agent": agent, "SERVICE_NAME": service, "SERVICE_CHECK_HTTP": "/",
                    "SERVICE_CHECK_INTERVAL": "500ms", "SERVICE_TAGS": "blue,http",
                ], options: ["--entrypoint", "/busybox"],
                command: ["sh", "-c", "echo \(service) begins; exec /busybox httpd -f -p 8080 -h /www"])
        }

        private func appear(_ fleet: Fleet, _ docker: DockerDaemon) async throws {
            for agent in ["a", "b", "c"] { try await web(docker, agent) }
            let took = try await timed {
                try await eventually("three instances of web are routed", within: .seconds(3)) {
                    try await fleet.route("web")?.instances.count == 3
                }
            }
            print("discovery: routed \(took) after the last start")
            let route = try #require(try await fleet.route("web"))
            #expect(route.ids == ["a:web-a:8080", "b:web-b:8080", "c:web-c:8080"])
            #expect(route.instances.allSatisfy { $0.port == 8_080 && $0.weight > 0 && !$0.reason.isEmpty })
            #expect(Set(route.instances.map(\.address)).count == 3)
            #expect(route.excluded.isEmpty)
        }

        private func areKilled(_ fleet: Fleet, _ docker: DockerDaemon) async throws {
            try await docker.docker(["kill", "web-a"])
            let took = try await timed {
                try await eventually("web-a is out of the route", within: .milliseconds(1_500)) {
                    try await fleet.route("web")?.ids == ["b:web-b:8080", "c:web-c:8080"]
                }
            }
            print("discovery: out of the route \(took) after it was killed")
            // The check's interval is 500 ms: it fails at most that long after the kill, and has a second from then.
            let excluded = try #require(try await fleet.route("web")?.excluded.first)
            #expect(excluded.id == "a:web-a:8080")
            #expect(!excluded.reason.isEmpty)
            try await docker.docker(["start", "web-a"])
            try await eventually("web-a is back", within: .seconds(3)) {
                try await fleet.route("web")?.instances.count == 3
            }
        }

        private func areAwayWithTheirAgent(_ fleet: Fleet, _ docker: DockerDaemon) async throws {
            let stopped = try fleet.process("b")
            stopped.signal(SIGSTOP)
            let took = try await timed {
                try await eventually("the instance of b is out of the route", within: .seconds(4)) {
                    try await fleet.route("web")?.ids == ["a:web-a:8080", "c:web-c:8080"]
                }
            }
            print("discovery: out of the route \(took) after its agent stopped")
            let excluded = try #require(try await fleet.route("web")?.excluded.first)
            #expect(excluded.id == "b:web-b:8080")
            #expect(excluded.reason.contains("unreachable"))
            #expect(try await fleet.state(of: "b") == "unreachable")
            stopped.signal(SIGCONT)
            try await eventually("the instance of b is back", within: .seconds(40)) {
                try await fleet.route("web")?.instances.count == 3
            }
            let route = try #require(try await fleet.route("web"))
            #expect(route.ids == ["a:web-a:8080", "b:web-b:8080", "c:web-c:8080"])
            #expect(route.excluded.isEmpty)
            struct Service: Decodable {
                struct Instance: Decodable {
                    var id: String
                    var host: String
                    var state: String
                    var tags: [String]
                }
                var name: String
                var instances: [Instance]
            }
            let services = try await fleet.json([Service].self, "services")
            let instances = try #require(services.first { $0.name == "web" }).instances
            #expect(instances.map(\.id).sorted() == route.ids)
            #expect(instances.allSatisfy { $0.state == "passing" && $0.tags == ["blue", "http"] })
        }

        private func theCommandShowsTheRoute(_ fleet: Fleet) async throws {
            let route = try await fleet.json(Shape.Route.self, "route", "web")
            #expect(route.ids.count == 3)
            let table = try await fleet.cli("route", "web").succeeded().output
            for id in route.ids { #expect(table.contains(id)) }
            let unknown = try await fleet.cli("route", "nobody")
            #expect(unknown.exitCode == 1)
            #expect(unknown.errors.contains("nobody") && unknown.errors.contains("Try:"))
            // Above 1 the exit codes say how a rollout stands; a mistake on the command line is none of that.
            let mistake = try await fleet.cli("logs", "{}", "--since", "soon")
            #expect(mistake.exitCode == 1 && mistake.errors.contains("soon"), "\(mistake)")
            let nothing = try await fleet.cli("route")
            #expect(nothing.exitCode == 1 && !nothing.errors.isEmpty, "\(nothing)")
        }

        /// The lines of a container carry the labels by which people ask for them.
        private func areReadUnderTheirNames(_ fleet: Fleet) async throws {
            let lines = try await awaited("a line of every container is found", within: .seconds(15)) {
                let found = try await fleet.cli("logs", "{service=\"web\"}", "--json").succeeded()
                let lines = try found.output.split(separator: "\n").map {
                    try JSONDecoder().decode(Shape.LogLine.self, from: Data($0.utf8))
                }
                return Set(lines.map(\.host)) == ["a", "b", "c"] ? lines : nil
            }
            for line in lines {
                #expect(line.labels["host"] == line.host, "\(line)")
                #expect(line.labels["container"] == "web-\(line.host)", "\(line)")
                #expect(line.labels["service"] == "web" && line.line == "web begins", "\(line)")
            }
        }

        /// Another service comes, so its watch ends; the one on web goes on to its full time.
        private func wakeNobodyElse(_ fleet: Fleet, _ docker: DockerDaemon) async throws {
            let version = try #require(try await fleet.route("web")).version
            async let watched = timedRoute(fleet, version, wait: "4s")
            try await web(docker, "a", service: "other")
            try await eventually("other is routed", within: .seconds(3)) {
                try await fleet.route("other")?.instances.count == 1
            }
            let (route, took) = try await watched
            #expect(route.version == version)
            #expect(took >= .milliseconds(3_900), "the watch on web was woken after \(took)")
            async let woken = timedRoute(fleet, version, wait: "30s")
            try await docker.docker(["kill", "web-c"])
            let (changed, after) = try await woken
            #expect(changed.version > version)
            #expect(changed.ids == ["a:web-a:8080", "b:web-b:8080"])
            #expect(after < .seconds(5))
        }

        /// A container that goes on running is out of the route as well when its check says so.
        private func failTheirCheck(_ fleet: Fleet, _ docker: DockerDaemon) async throws {
            try await docker.docker(["start", "web-c"])
            try await eventually("web-c is back", within: .seconds(3)) {
                try await fleet.route("web")?.instances.count == 3
            }
            try await docker.docker(["exec", "web-b", "/busybox", "rm", "/www/index.html"])
            // One failed check is enough, the next comes within its interval of 500 ms, and then there is a second.
            let took = try await timed {
                try await eventually("web-b is out of the route", within: .milliseconds(1_500)) {
                    try await fleet.route("web")?.ids == ["a:web-a:8080", "c:web-c:8080"]
                }
            }
            print("discovery: out of the route \(took) after its page was removed")
            let excluded = try #require(try await fleet.route("web")?.excluded.first)
            #expect(excluded.id == "b:web-b:8080")
            #expect(excluded.reason.contains("status 404"), "\(excluded)")
            let container = try #require(try await fleet.containers().first { $0.name == "web-b" })
            #expect(container.state == "running")
            try await docker.docker(["exec", "web-b", "/busybox", "sh", "-c", "echo one > /www/index.html"])
            try await eventually("web-b is back", within: .seconds(3)) {
                try await fleet.route("web")?.instances.count == 3
            }
        }

        private func timedRoute(
            _ fleet: Fleet, _ version: UInt64, wait: String
        ) async throws -> (Shape.Route, Duration) {
            let began = ContinuousClock.now
            let route = try await fleet.ask(
                Shape.Route.self, "/v1/route/web?version=\(version)&wait=\(wait)", timeout: .seconds(40))
            return (route, ContinuousClock.now - began)
        }
    }
}
