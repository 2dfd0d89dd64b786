import Foundation
import MusterModel
import MusterTestKit
import Synchronization
import Testing

extension Acceptance {
    /// Every line that was written is found once, whatever is killed meanwhile.
    @Suite(.needsPrograms, .needsDocker) struct Logs {
        private static let agents = ["a", "b", "c"]
        private static let linesOfAFile = 58_000
        private static let linesOfTheContainer = 26_000
        private static let linesOfAPage = 30_000
        private static let kills = 20
        /// At least so many hit the coordinator, and so many an agent.
        private static let killsOfEachSide = 3

        @Test(.timeLimit(.minutes(8)))
        func noLineIsLostOrDoubledThroughRotationAndTwentyKills() async throws {
            var random = SeededRandom.fromEnvironment()
            print("logs: MUSTER_SEED=\(random.seed)")
            let victims = Self.victims(&random)
            let docker = try await DockerDaemon.shared()
            let setup = Fleet.Setup(
                docker: docker,
                agentExtra: { agent, folder in
                    """
                    metrics: {interval: 5s}
                    logs:
                      files:
                        - path: "\(folder)/logs-\(agent)/app.log*"
                          service: app
                    """
                })
            try await Fleet.run("logs", setup) { fleet in
                let progress = Progress()
                let writers = try Self.agents.map { try Writer(fleet, $0, lines: Self.linesOfAFile) }
                try await chatter(docker)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for writer in writers { group.addTask { try await writer.write(progress) } }
                    for (number, victim) in victims.enumerated() {
                        let level = (number + 1) * Self.linesOfAFile * writers.count / (Self.kills + 1)
                        try await eventually("\(level) lines are written", within: .seconds(60)) {
                            progress.lines >= level
                        }
                        try fleet.crash(victim)
                        progress.killed(victim)
                    }
                    progress.rest()
                    try await group.waitForAll()
                }
                print("logs: killed \(progress.victims.joined(separator: " "))")
                try await everythingIsThere(fleet, docker)
            }
        }

        /// Whom to kill, in this order: any of them by chance, but no side so rarely that it is hardly tried.
        private static func victims(_ random: inout SeededRandom) -> [String] {
            let everyone = ["coordinator"] + agents
            var victims = [String](repeating: "coordinator", count: killsOfEachSide)
            while victims.count < kills {
                let choice = victims.count < 2 * killsOfEachSide ? agents : everyone
                victims.append(choice[Int.random(in: 0..<choice.count, using: &random)])
            }
            return victims.shuffled(using: &random)
        }

        /// A container whose log Docker rotates.
        private func chatter(_ docker: DockerDaemon) async throws {
            let script = """
                i=0; while [ $i -lt \(Self.linesOfTheContainer) ]; do i=$((i+1)); echo "container line $i of chatter"; \
                if [ $((i%500)) = 0 ]; then /busybox usleep 600000; fi; done; echo done; exec /busybox sleep 100000
                """
            try await docker.run(
                "chatter", "busybox:1", labels: ["fleet-agent": "b"],
                options: ["--log-driver", "json-file", "--log-opt", "max-size=400k", "--log-opt", "max-file=20"],
                command: ["sh", "-c", script])
        }

        private func everythingIsThere(_ fleet: Fleet, _ docker: DockerDaemon) async throws {
            try await fleet.coordinatorAnswers()
            try await fleet.everyoneIsAlive(within: .seconds(60))
            // The last line of every source says that all before it was read.
            for agent in Self.agents {
                let last = Writer.text(agent, Self.linesOfAFile)
                try await found(fleet, "{host=\"\(agent)\"}", last)
            }
            try await found(fleet, "{container=\"chatter\"}", "container line \(Self.linesOfTheContainer) ")
            for agent in Self.agents {
                let wanted = (1...Self.linesOfAFile).map { Writer.text(agent, $0) }
                for page in 0...(Self.linesOfAFile / Self.linesOfAPage) {
                    let mark = ", page \(page)."
                    try await compare(
                        fleet, "{host=\"\(agent)\",service=\"app\"}", mark, wanted.filter { $0.hasSuffix(mark) })
                }
            }
            let wanted = (1...Self.linesOfTheContainer).map { "container line \($0) of chatter" }
            try await compare(fleet, "{container=\"chatter\"}", "o", wanted + ["done"])
        }

        private func found(_ fleet: Fleet, _ selector: String, _ text: String) async throws {
            try await eventually("\(text) is found", within: .seconds(90), every: .milliseconds(500)) {
                try await fleet.cli("logs", selector, "--since", "1h", "--contains", text).succeeded().trimmed != ""
            }
        }

        /// What `muster logs` gives out of the lines with a text, against what was written: each line once.
        private func compare(_ fleet: Fleet, _ selector: String, _ text: String, _ wanted: [String]) async throws {
            let done = try await fleet.cli(
                "logs", selector, "--since", "1h", "--contains", text, "--limit", "50000", "--json",
                within: .seconds(120))
            let decoder = JSONDecoder()
            var counts: [String: Int] = [:]
            for line in try done.succeeded().output.split(separator: "\n") {
                counts[try decoder.decode(Shape.LogLine.self, from: Data(line.utf8)).line, default: 0] += 1
            }
            var lost: [String] = []
            for line in wanted where counts[line] == nil { lost.append(line) }
            let doubled = counts.filter { $0.value > 1 }.keys.sorted()
            let strange = Set(counts.keys).subtracting(wanted).sorted()
            try #require(lost.isEmpty, "\(selector): \(lost.count) lost, the first are \(lost.prefix(5))")
            try #require(doubled.isEmpty, "\(selector): \(doubled.count) doubled, the first are \(doubled.prefix(5))")
            try #require(strange.isEmpty, "\(selector): never written: \(strange.prefix(5))")
        }

        /// How far the writers are; they go slowly while programs are still to be killed.
        private final class Progress: Sendable {
            private let state = Mutex((lines: 0, isHasty: false, victims: [String]()))

            var lines: Int { state.withLock { $0.lines } }
            var isHasty: Bool { state.withLock { $0.isHasty } }
            var victims: [String] { state.withLock { $0.victims } }
            func wrote(_ count: Int) { state.withLock { $0.lines += count } }
            func killed(_ name: String) { state.withLock { $0.victims.append(name) } }
            func rest() { state.withLock { $0.isHasty = true } }
        }

        /// Writes numbered lines to a file and renames it now and then, as logrotate does.
        private struct Writer: Sendable {
            let agent: String
            let folder: String
            let lines: Int
            static let batch = 200
            static let linesOfOneFile = 4_000

            init(_ fleet: Fleet, _ agent: String, lines: Int) throws {
                self.agent = agent
                self.lines = lines
                folder = try fleet.scratch.folder("logs-\(agent)")
            }

            /// The page is for reading back: one answer holds at most 50,000 lines.
            static func text(_ agent: String, _ number: Int) -> String {
                "file line \(number) of agent \(agent), page \(number / Logs.linesOfAPage)."
            }

            func write(_ progress: Progress) async throws {
                let path = "\(folder)/app.log"
                var rotations = 0
                var next = 1
                var file = try open(path)
                while next <= lines {
                    let end = min(lines, next + Self.batch - 1)
                    let text = (next...end).map { Self.text(agent, $0) + "\n" }.joined()
                    try file.write(contentsOf: Data(text.utf8))
                    progress.wrote(end - next + 1)
                    next = end + 1
                    if (next - 1) % Self.linesOfOneFile == 0, next <= lines {
                        try file.close()
                        rotations += 1
                        try FileManager.default.moveItem(atPath: path, toPath: "\(path).\(rotations)")
                        file = try open(path)
                    }
                    if !progress.isHasty { try await Task.sleep(for: .milliseconds(150)) }
                }
                try file.close()
            }

            private func open(_ path: String) throws -> FileHandle {
                _ = FileManager.default.createFile(atPath: path, contents: nil)
                return try #require(FileHandle(forWritingAtPath: path))
            }
        }
    }
}
