import Foundation
import MusterTestKit
import Testing

extension Acceptance {
    /// The two set-up commands as a new user gives them, in a fresh copy of the sources.
    @Suite(.needsPrograms) struct MakeUp {
        static let obstacle = Peers.obstacle(
            programs: [(Peers.path(of: "make"), "make"), (Peers.path(of: "tar"), "tar"), ("/bin/bash", "bash")])

        @Test(.timeLimit(.minutes(3)), .enabled(if: MakeUp.obstacle == nil, "skipped: \(MakeUp.obstacle ?? "")"))
        func upAndDownLeaveAFleetAndThenNothing() async throws {
            let scratch = try Scratch("make-up")
            let clone = try scratch.folder("clone")
            let tar = scratch("sources.tar")
            let skipped = [".build", ".git"].map { "--exclude=./\($0)" }
            try await Finished.run(
                .init(Peers.path(of: "tar"), skipped + ["-C", Binaries.packageRoot, "-cf", tar, "."])
            ).succeeded()
            try await Finished.run(.init(Peers.path(of: "tar"), ["-C", clone, "-xf", tar])).succeeded()
            let user = User(
                clone: clone, home: try scratch.folder("home"), link: try Ports.free(), api: try Ports.free())
            do {
                let up = try await user.make("up").succeeded()
                let commands = up.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                    .filter { $0.hasPrefix(Binaries.muster + " ") }
                #expect(commands.count == 5, "\(up)")
                #expect(up.output.contains("1 alive"), "\(up)")
                try await answersAreTrue(user, commands)
                let again = try await user.make("up").succeeded()
                #expect(again.output.contains("muster is already running"), "\(again)")
                #expect(again.output.contains("muster-agent is already running"), "\(again)")
                let pids = user.pids
                #expect(pids.count == 2)
                let down = try await user.make("down").succeeded()
                #expect(
                    down.output.contains("Stopped muster-agent.") && down.output.contains("Stopped muster."), "\(down)")
                for pid in pids { #expect(kill(pid, 0) == -1 && errno == ESRCH, "process \(pid) is left") }
                let nothing = try await user.make("down").succeeded()
                #expect(nothing.output.contains("muster is not running."), "\(nothing)")
                // The data is kept: the same fleet comes back.
                let back = try await user.make("up").succeeded()
                #expect(back.output.contains("1 alive"), "\(back)")
                try await user.make("down").succeeded()
            } catch {
                for name in ["muster", "muster-agent"] {
                    print("--- the end of \(name).log\n\(textOfFile(user.data + "/\(name).log").suffix(3_000))")
                }
                _ = try? await user.make("down")
                throw error
            }
        }

        /// On a machine on which nothing is installed; the tools of the system are stood in for, so nothing is changed.
        @Test(.timeLimit(.minutes(1)), .enabled(if: MakeUp.obstacle == nil, "skipped: \(MakeUp.obstacle ?? "")"))
        func missingPackagesAreNamedAndInstalledAsRoot() async throws {
            let scratch = try Scratch("packages")
            let tools = try scratch.folder("tools")
            let calls = scratch("calls")
            for (name, body) in [
                ("dpkg-query", "exit 1"), ("id", "echo 1000"), ("sudo", "echo \"sudo $*\" >>'\(calls)'"),
            ] {
                let path = try scratch.write("#!/bin/bash\n\(body)\n", to: "tools/\(name)")
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            }
            var environment = ProcessInfo.processInfo.environment
            environment["PATH"] = tools + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
            let script = Binaries.packageRoot + "/deploy-units/local/packages.sh"
            let done = try await Finished.run(.init("/bin/bash", [script, "build"], environment: environment))
                .succeeded()
            #expect(done.output.hasPrefix("Installing Debian packages: libssl-dev zlib1g-dev "), "\(done)")
            let asked = textOfFile(calls).split(separator: "\n")
            #expect(asked.first == "sudo apt-get update -qq")
            #expect(asked.last?.contains("apt-get install -y") == true && asked.last?.contains("libre2-dev") == true)
        }

        /// Runs what `make up` suggests, word for word.
        private func answersAreTrue(_ user: User, _ commands: [String]) async throws {
            let host = ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? ""
            // A machine may have no log of its own, and only root can give it one.
            let log = "/var/log/muster-make-up-\(getpid()).log"
            let hasLog = FileManager.default.createFile(atPath: log, contents: Data("a line of a test\n".utf8))
            defer { try? FileManager.default.removeItem(atPath: log) }
            for command in commands {
                let verb = command.split(separator: " ")[1]
                let done = try await awaited(
                    "\(command) has an answer", within: .seconds(30), every: .milliseconds(500)
                ) {
                    let done = try await user.shell(command).succeeded()
                    let isEarly = verb == "logs" && hasLog && done.trimmed.isEmpty
                    return isEarly || done.output.contains("No series matches") ? nil : done
                }
                switch verb {
                case "hosts": #expect(done.output.contains(host) && done.output.contains("alive"), "\(done)")
                case "query": #expect(done.output.contains("node_load1"), "\(done)")
                case "alerts": #expect(done.output.contains("No alerts."), "\(done)")
                case "containers":
                    #expect(done.output.hasPrefix("HOST ") || done.trimmed == "No containers.", "\(done)")
                case "logs": #expect(!done.trimmed.isEmpty || !hasLog, "\(done)")
                default: Issue.record("make up suggests \(command), which this test does not know")
                }
                #expect(done.errors.isEmpty, "\(done)")
            }
        }

        /// A new user with a home of their own.
        private struct User {
            let clone: String
            let home: String
            let link: Int
            let api: Int

            var data: String { "\(home)/.local/share/muster" }

            private var environment: [String: String] {
                var environment = ProcessInfo.processInfo.environment
                for name in [
                    "MUSTER_CONTEXT", "MUSTER_DATA", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "MAKEFLAGS", "MAKELEVEL",
                ] {
                    environment[name] = nil
                }
                environment["HOME"] = home
                environment["MUSTER_BIN"] = Binaries.folder
                environment["MUSTER_LINK"] = "127.0.0.1:\(link)"
                environment["MUSTER_API"] = "127.0.0.1:\(api)"
                return environment
            }

            var pids: [pid_t] {
                ["muster", "muster-agent"].compactMap { name in
                    pid_t(textOfFile("\(data)/\(name).pid").trimmingCharacters(in: .whitespacesAndNewlines))
                }
            }

            func make(_ target: String) async throws -> Finished {
                try await Finished.run(
                    .init(Peers.path(of: "make"), [target], environment: environment, directory: clone),
                    within: .seconds(90))
            }

            func shell(_ command: String) async throws -> Finished {
                try await Finished.run(.init("/bin/bash", ["-c", command], environment: environment, directory: clone))
            }
        }
    }
}
