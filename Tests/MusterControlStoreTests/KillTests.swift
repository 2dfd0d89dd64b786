import Foundation
import MusterControlStore
import MusterModel
import MusterTestKit
import Testing

/// Kills a writing process with SIGKILL again and again: what it was told is stored must be there. The writer is this
/// test program, started a second time with a path in its environment.
struct KillTests {
    static let variable = "MUSTER_CONTROL_STORE_WRITER"
    static let writerPath = ProcessInfo.processInfo.environment[variable]
    /// Words of this process's command line, to be started again.
    static let commandLine: [String] = {
        let data = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/cmdline"))) ?? Data()
        return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }()

    /// Does nothing unless it runs in the child: then it writes until it is killed and notes each acknowledged number.
    @Test(.enabled(if: writerPath != nil, "runs only as the child of acknowledgedTransactionsSurviveSIGKILL"))
    func writerUntilKilled() async throws {
        let path = try #require(Self.writerPath)
        let store = try await SQLiteControlStore(path: path)
        let notes = try FileHandle(forWritingTo: URL(fileURLWithPath: path + ".notes"))
        try notes.seekToEnd()
        var number = try await Self.count(store)
        while true {
            number += 1
            let entry = try await store.get("count")
            let unchanged = entry.map { ControlPrecondition.unchanged("count", modRevision: $0.modRevision) }
            _ = try await store.transaction(
                [unchanged ?? .absent("count")],
                [.put("count", Array("\(number)".utf8)), .put("item/\(number)", Array("\(number)".utf8))])
            try notes.write(contentsOf: Data("\(number)\n".utf8))
        }
    }

    @Test(.enabled(if: writerPath == nil, "this process is the child"))
    func acknowledgedTransactionsSurviveSIGKILL() async throws {
        let directory = try ScratchDirectory()
        let path = directory.path + "/control.db"
        try Data().write(to: URL(fileURLWithPath: path + ".notes"))
        var generator = SystemRandomNumberGenerator()
        for round in 1...6 {
            let before = try Self.lastNote(path)
            let child = try Self.startWriter(path)
            let wanted = before + Int.random(in: 3...60, using: &generator)
            try await eventually("the writer is far enough", within: .seconds(60), every: .milliseconds(2)) {
                try Self.lastNote(path) >= wanted || !child.isRunning
            }
            kill(child.processIdentifier, SIGKILL)
            child.waitUntilExit()
            let noted = try Self.lastNote(path)
            try #require(noted >= wanted, "round \(round): the writer did not get far enough")
            let store = try await SQLiteControlStore(path: path)
            let count = try await Self.count(store)
            // One more may have been committed than could be noted.
            #expect(count == noted || count == noted + 1)
            let items = try await store.list(prefix: "item/").entries
            #expect(items.count == count)
            #expect(try await store.revision() == UInt64(count))
            try store.close()
            if count > noted { try Data("\(count)\n".utf8).write(to: URL(fileURLWithPath: path + ".notes")) }
        }
    }

    private static func count(_ store: SQLiteControlStore) async throws -> Int {
        try await store.get("count").flatMap { Int(String(decoding: $0.value, as: UTF8.self)) } ?? 0
    }

    private static func lastNote(_ path: String) throws -> Int {
        let text = try String(contentsOfFile: path + ".notes", encoding: .utf8)
        // Only whole lines count.
        let whole = text[..<(text.lastIndex(of: "\n") ?? text.startIndex)]
        return whole.split(separator: "\n").last.flatMap { Int($0) } ?? 0
    }

    private static func startWriter(_ path: String) throws -> Process {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        var arguments = Array(commandLine.dropFirst())
        while let filter = arguments.firstIndex(of: "--filter") {
            arguments.removeSubrange(filter...min(filter + 1, arguments.count - 1))
        }
        child.arguments = arguments + ["--filter", "writerUntilKilled"]
        child.environment = ProcessInfo.processInfo.environment.merging([variable: path]) { $1 }
        child.standardOutput = FileHandle.nullDevice
        child.standardError = FileHandle.nullDevice
        try child.run()
        return child
    }
}
