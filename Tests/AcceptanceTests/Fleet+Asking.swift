import Foundation
import MusterModel
import MusterTestKit
import MusterTransport
import Testing

/// The shapes of the API, as programs outside read them.
enum Shape {
    struct Host: Decodable, Equatable {
        var id: String
        var name: String
        var state: String
        var reason: String
        var bootId: String
    }

    struct Container: Decodable, Equatable {
        var id: String
        var name: String
        var host: String
        var image: String
        var state: String
    }

    struct Route: Decodable, Equatable {
        struct Instance: Decodable, Equatable {
            var id: String
            var address: String
            var port: Int
            var weight: Int
            var reason: String
        }
        struct Excluded: Decodable, Equatable {
            var id: String
            var reason: String
        }
        var service: String
        var version: UInt64
        var instances: [Instance]
        var excluded: [Excluded]

        var ids: [String] { instances.map(\.id).sorted() }
    }

    struct Alert: Decodable, Equatable {
        struct Escalation: Decodable, Equatable {
            var level: Int
            var acknowledgedBy: String?
        }
        var fingerprint: String
        var labels: [String: String]
        var state: String
        var escalation: Escalation
    }

    struct Rollout: Decodable, Equatable {
        struct Host: Decodable, Equatable {
            var host: String
            var state: String
            var reason: String
        }
        var id: String
        var state: String
        var reason: String
        var hosts: [Host]
    }

    struct Started: Decodable {
        var id: String
    }

    struct LogLine: Decodable, Equatable {
        var ts: String
        var host: String
        var source: String
        var labels: [String: String]
        var line: String
    }

    struct Series: Decodable {
        struct Point: Decodable, Hashable {
            var seconds: Double
            var value: String

            init(from decoder: any Decoder) throws {
                var pair = try decoder.unkeyedContainer()
                seconds = try pair.decode(Double.self)
                value = try pair.decode(String.self)
            }
        }
        var metric: [String: String]
        var value: Point?
        var values: [Point]?
    }

    struct Envelope: Decodable {
        var status: String
        var data: Query
    }

    struct Query: Decodable {
        var resultType: String
        var result: [Series]
    }
}

extension Fleet {
    // MARK: The commands

    func environment(_ more: [String: String] = [:]) -> [String: String] {
        ProcessInfo.processInfo.environment.merging(["MUSTER_CONTEXT": contextPath]) { $1 }.merging(more) { $1 }
    }

    /// What a call of `muster` did.
    func cli(_ arguments: String..., within bound: Duration = .seconds(60)) async throws -> Finished {
        try await Finished.run(.init(Binaries.muster, arguments, environment: environment()), within: bound)
    }

    /// The JSON that a call of `muster ... --json` printed.
    func json<Answer: Decodable>(_ type: Answer.Type = Answer.self, _ arguments: String...) async throws -> Answer {
        let done = try await Finished.run(.init(Binaries.muster, arguments + ["--json"], environment: environment()))
        return try JSONDecoder().decode(Answer.self, from: Data(try done.succeeded().output.utf8))
    }

    // MARK: The API

    /// An answer of the API; throws what it said when it refused.
    func ask(_ path: String, timeout: Duration = .seconds(30)) async throws -> Data {
        let response = try await answer(path, timeout: timeout)
        guard response.isSuccess else {
            throw NeverHappened(
                "\(path) was answered with \(response.status) \(String(decoding: response.body, as: UTF8.self))")
        }
        return Data(response.body)
    }

    /// As whoever has `token`, an admin when none is given.
    func answer(
        _ path: String, timeout: Duration = .seconds(30), token: String? = nil
    ) async throws -> HTTPResponse {
        try await client.send(
            HTTPRequest("GET", path, headers: [HTTPHeader("authorization", "Bearer \(token ?? self.token)")]),
            to: .tcp(host: "127.0.0.1", port: api), timeout: timeout, maxBytes: 64 << 20)
    }

    func ask<Answer: Decodable>(_ type: Answer.Type, _ path: String, timeout: Duration = .seconds(30)) async throws
        -> Answer
    {
        try JSONDecoder().decode(type, from: try await ask(path, timeout: timeout))
    }

    /// The `data` of an answer in Prometheus's envelope.
    func query(_ path: String) async throws -> Shape.Query { try await ask(Shape.Envelope.self, path).data }

    func hosts() async throws -> [Shape.Host] { try await ask([Shape.Host].self, "/v1/hosts") }
    func containers() async throws -> [Shape.Container] { try await ask([Shape.Container].self, "/v1/containers") }
    func alerts() async throws -> [Shape.Alert] { try await ask([Shape.Alert].self, "/v1/alerts") }

    /// Nil while nobody offers the service.
    func route(_ service: String) async throws -> Shape.Route? {
        let response = try await answer("/v1/route/\(service)")
        guard response.isSuccess else { return nil }
        return try JSONDecoder().decode(Shape.Route.self, from: Data(response.body))
    }

    // MARK: Levels

    func coordinatorAnswers(within bound: Duration = .seconds(20)) async throws {
        let process = try process("coordinator")
        try await eventually("the coordinator answers", within: bound) {
            if let code = process.exitCode { throw NeverHappened("the coordinator ended with \(code)") }
            return (try? await answer("/healthz", timeout: .seconds(5)))?.isSuccess ?? false
        }
    }

    func state(of host: String) async throws -> String? { try await hosts().first { $0.id == host }?.state }

    func everyoneIsAlive(within bound: Duration = .seconds(20)) async throws {
        try await eventually("all of \(setup.agents) are alive", within: bound) {
            let alive = try await hosts().filter { $0.state == "alive" }.map(\.id)
            return Set(alive).isSuperset(of: setup.agents)
        }
    }

    /// Waits until a log has a line with all these texts; returns the first such line.
    @discardableResult
    func logged(_ name: String, _ texts: String..., within bound: Duration = .seconds(10)) async throws -> String {
        try await awaited("the log of \(name) has a line with \(texts)", within: bound, every: .milliseconds(100)) {
            log(name).split(separator: "\n").first { line in texts.allSatisfy { line.contains($0) } }.map(String.init)
        }
    }

    /// How many lines of a log have all these texts.
    func count(_ name: String, _ texts: String...) -> Int {
        log(name).split(separator: "\n").count { line in texts.allSatisfy { line.contains($0) } }
    }
}

extension Finished {
    /// Itself; throws what it printed when it failed.
    @discardableResult
    func succeeded() throws -> Finished {
        guard exitCode == 0 else { throw NeverHappened("\(self)") }
        return self
    }

    var trimmed: String { output.trimmingCharacters(in: .whitespacesAndNewlines) }
}
