// AcceptanceTests: the two programs as a user runs them, and nothing in between.
//
// Real binaries over real TLS with a real dockerd, on the loopback address: a coordinator and up to three agents, each
// with its own identity and state, and each seeing only the containers labelled for it. What a test asserts is what a
// person or a program outside can see: the commands' output and exit codes, the API's answers, the logs, the containers.
//
// `Fleet` starts and ends the programs, `Fleet+Asking` asks them. The suites run one after the other: they measure
// times, and a machine has only so many cores.

import Foundation
import MusterTestKit
import Testing

@Suite(.serialized) enum Acceptance {}

/// The programs under test.
enum Binaries {
    /// `MUSTER_BIN`, or the debug build of this package.
    static let folder: String = {
        if let given = ProcessInfo.processInfo.environment["MUSTER_BIN"], !given.isEmpty {
            return URL(fileURLWithPath: given).standardizedFileURL.path
        }
        return packageRoot + "/.build/debug"
    }()

    static let packageRoot = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    static var muster: String { "\(folder)/muster" }
    static var agent: String { "\(folder)/muster-agent" }

    /// Why nothing here can run; nil when the programs are there.
    static let obstacle = Peers.obstacle(programs: [(muster, "muster"), (agent, "muster-agent")])
}

extension Trait where Self == ConditionTrait {
    /// Skipped with a reason where the programs were not built.
    static var needsPrograms: Self {
        .enabled(if: Binaries.obstacle == nil, "skipped: \(Binaries.obstacle ?? ""); build them or set MUSTER_BIN")
    }

    /// Skipped with a reason where there can be no dockerd.
    static var needsDocker: Self {
        .enabled(if: DockerDaemon.obstacle == nil, "skipped: \(DockerDaemon.obstacle ?? "")")
    }
}
