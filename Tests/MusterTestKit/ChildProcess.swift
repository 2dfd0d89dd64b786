import Foundation
package import Glibc
import Synchronization

/// A program that a test started. What it says goes to files; it is ended by its process id, at the latest when the test
/// process ends.
package final class ChildProcess: Sendable {
    package let name: String
    package let pid: pid_t
    /// Where its standard error goes; standard output too unless it was given a file of its own.
    package let logPath: String
    private let status = Mutex<Int32?>(nil)

    /// What to start, and with what.
    package struct Command: Sendable {
        package var executable: String
        package var arguments: [String]
        /// The whole environment of the process.
        package var environment: [String: String]
        package var directory: String?

        package init(
            _ executable: String, _ arguments: [String],
            environment: [String: String] = ProcessInfo.processInfo.environment, directory: String? = nil
        ) {
            self.executable = executable
            self.arguments = arguments
            self.environment = environment
            self.directory = directory
        }
    }

    /// Starts it. The files are appended to.
    package init(_ name: String, _ command: Command, log: String, output: String? = nil) throws {
        self.name = name
        logPath = log
        pid = try Self.spawn(command, log: log, output: output ?? log)
        Self.live.withLock { live in
            if live.isEmpty, !Self.isRegistered.exchange(true, ordering: .relaxed) { atexit { ChildProcess.endAll() } }
            live[pid] = self
        }
    }

    private static let live = Mutex<[pid_t: ChildProcess]>([:])
    private static let isRegistered = Atomic(false)

    private static func endAll() {
        for child in live.withLock({ Array($0.values) }) { child.end() }
    }

    private static func spawn(_ command: Command, log: String, output: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, flags, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // `env` changes the folder and then becomes the program: the process id stays.
        let mover = command.directory.map { ["/usr/bin/env", "-C", $0] } ?? []
        let line = mover + [command.executable] + command.arguments
        let words = line.map { strdup($0) } + [nil]
        let variables = command.environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, line[0], &actions, &attributes, words, variables)
        guard code == 0 else {
            throw NeverHappened("\(command.executable) cannot be started: \(String(cString: strerror(code)))")
        }
        return pid
    }

    /// Everything it said to its log so far.
    package var log: String { textOfFile(logPath) }

    /// The exit code, 128 plus the number for a signal; nil while it runs.
    package var exitCode: Int32? { status.withLock { reap(&$0, WNOHANG) } }

    /// Sends a signal unless the process has ended.
    package func signal(_ number: Int32) {
        status.withLock { status in
            if reap(&status, WNOHANG) == nil { kill(pid, number) }
        }
    }

    /// Ends it with SIGKILL and returns when it is gone.
    package func end() {
        status.withLock { status in
            guard reap(&status, WNOHANG) == nil else { return }
            kill(pid, SIGKILL)
            _ = reap(&status, 0)
        }
    }

    /// Asks it to stop with SIGTERM and returns its exit code; ends it when it does not stop within the bound.
    @discardableResult
    package func stop(within bound: Duration = .seconds(15)) async throws -> Int32 {
        signal(SIGTERM)
        do {
            return try await finished(within: bound)
        } catch {
            end()
            throw error
        }
    }

    /// Waits for its end and returns the exit code.
    package func finished(within bound: Duration) async throws -> Int32 {
        try await awaited("\(name) has ended", within: bound, every: .milliseconds(5)) { exitCode }
    }

    /// The lock keeps the id from being given to another process between looking and signalling.
    private func reap(_ status: inout Int32?, _ options: Int32) -> Int32? {
        if let status { return status }
        var raw: Int32 = 0
        guard waitpid(pid, &raw, options) == pid else { return nil }
        status = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F)
        Self.live.withLock { $0[pid] = nil }
        return status
    }
}

/// A program that ran to its end.
package struct Finished: Sendable, CustomStringConvertible {
    package let command: String
    package let exitCode: Int32
    package let output: String
    package let errors: String

    package var description: String {
        "\(command)\nexit \(exitCode)\n--- output\n\(output.suffix(4_000))\n--- errors\n\(errors.suffix(4_000))"
    }

    /// Runs a program and waits for its end; ends it when it takes longer than the bound.
    package static func run(_ command: ChildProcess.Command, within bound: Duration = .seconds(60)) async throws
        -> Finished
    {
        let scratch = try Scratch("run")
        let name = command.executable.split(separator: "/").last.map(String.init) ?? command.executable
        let child = try ChildProcess(name, command, log: scratch("errors"), output: scratch("output"))
        defer { child.end() }
        let code: Int32
        do {
            code = try await child.finished(within: bound)
        } catch {
            throw NeverHappened(
                "\(error)\n\(name) \(command.arguments): \(textOfFile(scratch("errors")).suffix(2_000))")
        }
        return Finished(
            command: ([name] + command.arguments).joined(separator: " "), exitCode: code,
            output: textOfFile(scratch("output")), errors: textOfFile(scratch("errors")))
    }
}
