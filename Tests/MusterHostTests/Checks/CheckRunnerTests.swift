import Glibc
import MusterHost
import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite struct CheckRunnerTests {
    /// Answers what it is told, and counts.
    final class ScriptedProbe: CheckProbe {
        private let state = Mutex((result: CheckResult.passed("fine"), running: 0, most: 0, runs: 0))
        let takes: Duration

        init(takes: Duration = .zero) { self.takes = takes }

        var runs: Int { state.withLock { $0.runs } }
        var mostAtOnce: Int { state.withLock { $0.most } }
        func answer(_ result: CheckResult) { state.withLock { $0.result = result } }

        func result(of kind: CheckKind, address: String, port: Int, timeout: Duration) async -> CheckResult {
            state.withLock { state in
                state.runs += 1
                state.running += 1
                state.most = max(state.most, state.running)
            }
            if takes > .zero { try? await Task.sleep(for: takes) }
            return state.withLock { state in
                state.running -= 1
                return state.result
            }
        }
    }

    private func running(
        _ probe: any CheckProbe, onChange: @escaping @Sendable () -> Void = {},
        _ body: (CheckRunner) async throws -> Void
    ) async throws {
        let runner = CheckRunner(probe: probe, now: testClock, onChange: onChange)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await runner.run() }
            defer { group.cancelAll() }
            try await body(runner)
        }
    }

    @Test func changesAreSeenAsTheyHappen() async throws {
        let probe = ScriptedProbe()
        let changes = Box<Int>()
        try await running(probe, onChange: { changes.add(1) }) { runner in
            runner.watch([CheckTableTests.target(interval: .milliseconds(100))])
            try await eventually("it passes") { runner.instances.first?.health == .passing }
            probe.answer(.failed("check tcp :80 failed: connection refused"))
            try await eventually("it is critical", within: .seconds(2)) { runner.instances.first?.health == .critical }
            #expect(runner.instances.first?.reason == "check tcp :80 failed: connection refused")
            #expect(changes.all.count == 3)
            runner.watch([])
            #expect(runner.instances.isEmpty)
            #expect(changes.all.count == 4)
        }
    }

    @Test func targetsNamedBeforeTheRunAreChecked() async throws {
        let probe = ScriptedProbe()
        let runner = CheckRunner(probe: probe, now: testClock, onChange: {})
        runner.watch([CheckTableTests.target()])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await runner.run() }
            defer { group.cancelAll() }
            try await eventually("it passes") { runner.instances.first?.health == .passing }
        }
    }

    @Test func hundredsOfChecksKeepTheirPaceAndTheLimit() async throws {
        let probe = ScriptedProbe(takes: .milliseconds(20))
        try await running(probe) { runner in
            runner.watch((0..<400).map { CheckTableTests.target("i\($0)", port: 1 + $0, interval: .milliseconds(500)) })
            try await eventually("all pass") { runner.instances.allSatisfy { $0.health == .passing } }
            try await eventually("all ran again") { probe.runs >= 800 }
            #expect(probe.mostAtOnce <= CheckTable.concurrencyLimit)
            #expect(probe.mostAtOnce > 1)
        }
    }

    @Test func aRunThatIsCancelledLeavesTheStateAsItWas() async throws {
        let probe = ScriptedProbe(takes: .seconds(30))
        let runner = CheckRunner(probe: probe, now: testClock, onChange: {})
        runner.watch([CheckTableTests.target()])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await runner.run() }
            try? await eventually("it runs") { probe.runs == 1 }
            group.cancelAll()
        }
        #expect(runner.instances.first?.health == .starting)
    }
}

@Suite struct NetworkProbeTests {
    private let probe = NetworkProbe(
        client: NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton),
        group: MultiThreadedEventLoopGroup.singleton)

    /// A loopback port that answers every connection with a text and closes, or keeps silent.
    private func serving(_ answer: String?, _ body: (Int) async throws -> Void) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let answer { try channel.pipeline.syncOperations.addHandler(Answering(answer)) }
                }
            }.bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(server.localAddress?.port ?? 0)
        } catch {
            try await server.close()
            throw error
        }
        try await server.close()
    }

    final class Answering: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let answer: String

        init(_ answer: String) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
            context.close(promise: nil)
        }
    }

    private func http(_ port: Int) async -> CheckResult {
        await probe.result(of: .http(path: "/health"), address: "127.0.0.1", port: port, timeout: .milliseconds(300))
    }

    @Test(arguments: [
        (200, "passed"), (204, "passed"), (302, "passed"), (399, "passed"), (429, "warned"), (404, "failed"),
        (503, "failed"),
    ])
    func statusesDecide(_ status: Int, _ verdict: String) async throws {
        try await serving("HTTP/1.1 \(status) X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") { port in
            let result = await http(port)
            switch (result, verdict) {
            case (.passed, "passed"), (.warned, "warned"): break
            case (.failed(let reason), "failed"):
                #expect(reason == "check http :\(port)/health failed: status \(status)")
            default: Issue.record("\(result)")
            }
        }
    }

    @Test func whatIsNoAnswerFailsWithItsReason() async throws {
        try await serving(nil) { port in
            #expect(await http(port) == .failed("check http :\(port)/health failed: no answer within 300ms"))
        }
        try await serving("hello\r\n\r\n") { port in
            guard case .failed = await http(port) else {
                Issue.record("nonsense passed")
                return
            }
        }
    }

    @Test func portsAreOpenOrRefused() async throws {
        var closed = 0
        try await serving(nil) { port in
            closed = port
            let result = await probe.result(of: .tcp, address: "127.0.0.1", port: port, timeout: .seconds(1))
            #expect(result == .passed("check tcp :\(port) connected"))
        }
        let result = await probe.result(of: .tcp, address: "127.0.0.1", port: closed, timeout: .seconds(1))
        #expect(result == .failed("check tcp :\(closed) failed: connection refused"))
        #expect(await http(closed) == .failed("check http :\(closed)/health failed: connection refused"))
    }
}
