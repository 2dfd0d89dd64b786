import MusterHost
import MusterModel
import MusterTestKit
import Synchronization
import Testing

/// The watch against a scripted daemon: gaps, absence, storms.
@Suite struct ContainerWatchTests {
    /// Containers by id; the events stream stays open until `cut`.
    final class Script: Sendable {
        private let state = Mutex((ids: ["a"], status: "running", isCut: false, streams: 0, inspections: 0))
        private let say = Mutex<(@Sendable (String) -> Void)?>(nil)

        var ids: [String] { state.withLock { $0.ids } }
        var streams: Int { state.withLock { $0.streams } }
        var inspections: Int { state.withLock { $0.inspections } }
        func set(ids: [String], status: String = "running") {
            state.withLock {
                $0.ids = ids; $0.status = status
            }
        }
        func cut() { state.withLock { $0.isCut = true } }

        func answer(_ request: HTTPRequest) -> Result<HTTPResponse, HTTPFailure> {
            if request.target.contains("/containers/json") {
                return FakeDocker.json("[" + ids.map { #"{"Id":"\#($0)"}"# }.joined(separator: ",") + "]")
            }
            let id = request.target.split(separator: "/").dropLast().last.map(String.init) ?? ""
            let status = state.withLock { state -> String? in
                state.inspections += 1
                return state.ids.contains(id) ? state.status : nil
            }
            guard let status else { return FakeDocker.json(#"{"message":"no"}"#, status: 404) }
            return FakeDocker.json(#"{"Id":"\#(id)","Name":"/\#(id)","State":{"Status":"\#(status)"}}"#)
        }

        func stream(_ head: (HTTPResponse) -> Void, _ chunk: ([UInt8]) -> Bool, _ script: [String]) async
            -> HTTPFailure?
        {
            state.withLock {
                $0.streams += 1; $0.isCut = false
            }
            head(HTTPResponse(status: 200))
            for line in script where !chunk(Array((line + "\n").utf8)) { return nil }
            do {
                try await eventually("the stream is cut", within: .seconds(60), every: .milliseconds(2)) {
                    state.withLock { $0.isCut }
                }
                return .closed("cut")
            } catch {
                return .closed("cancelled")
            }
        }
    }

    static func event(_ id: String, _ action: String) -> String {
        #"{"Type":"container","Action":"\#(action)","Actor":{"ID":"\#(id)","Attributes":{}}}"#
    }

    private func watching(
        _ client: any HTTPClient, debounce: Duration = .milliseconds(10),
        _ body: (ContainerWatchDaemonTests.Published) async throws -> Void
    ) async throws {
        var settings = ContainerWatch.Settings()
        settings.debounce = debounce
        settings.retryFloor = .milliseconds(20)
        settings.retryCeiling = .milliseconds(160)
        let watch = ContainerWatch(api: DockerAPI(client: client), settings: settings)
        let published = ContainerWatchDaemonTests.Published()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await watch.run { published.add($0) } }
            defer { group.cancelAll() }
            try await body(published)
        }
    }

    @Test func afterAGapEverythingIsAskedAnew() async throws {
        let script = Script()
        let docker = FakeDocker(stream: { await script.stream($1, $2, []) }) { script.answer($0) }
        try await watching(docker) { published in
            try await eventually("a is seen") { published.last?.containers.map(\.container.id) == ["a"] }
            script.set(ids: ["b"], status: "exited")
            script.cut()
            try await eventually("b is seen") { published.last?.containers.map(\.container.id) == ["b"] }
            #expect(published.last?.isCurrent == true)
            #expect(script.streams == 2)
            let gap = published.first {
                !$0.isCurrent && $0.containers.count == 1 && $0.problem?.contains("cut") == true
            }
            #expect(gap != nil)
        }
    }

    @Test func aStormOfEventsIsAnsweredByFewInspections() async throws {
        let script = Script()
        let storm =
            (0..<500).map { _ in Self.event("a", "start") } + [Self.event("a", "destroy"), Self.event("z", "start")]
        let docker = FakeDocker(stream: { await script.stream($1, $2, storm) }) { script.answer($0) }
        script.set(ids: ["a", "z"])
        try await watching(docker) { published in
            try await eventually("z is seen alone") { published.last?.containers.map(\.container.id) == ["z"] }
            #expect(script.inspections <= 10)
        }
    }

    @Test func moreEventsThanMayWaitAreAGap() async throws {
        let script = Script()
        // The watch rests after the first event for longer than the others take to come.
        let flood = [String](repeating: Self.event("a", "die"), count: 10 * ContainerWatch.waitingEvents)
        let isFirst = Mutex(true)
        let docker = FakeDocker(stream: { _, head, chunk in
            let lines = isFirst.withLock { first in
                defer { first = false }
                return first ? flood : []
            }
            return await script.stream(head, chunk, lines)
        }) { script.answer($0) }
        try await watching(docker, debounce: .seconds(2)) { published in
            try await eventually("it was asked again") { script.streams == 2 && published.last?.isCurrent == true }
        }
    }

    @Test func anAbsentDaemonIsAskedEverMoreSeldom() async throws {
        let docker = CountingAbsentDocker()
        try await watching(docker) { published in
            try await eventually("it was asked 5 times") { docker.times.count >= 5 }
            let times = docker.times
            let pauses = zip(times.dropFirst(), times).map { $0 - $1 }
            #expect(pauses[0] >= .milliseconds(20))
            #expect(pauses[1] >= .milliseconds(40))
            #expect(pauses[2] >= .milliseconds(80))
            #expect(pauses[3] >= .milliseconds(160))
            // One publication says what is wrong; the same again is no news.
            #expect(published.count == 1)
            #expect(published.last?.problem?.contains("no such file") == true)
            #expect(published.last?.isCurrent == false)
        }
    }

    final class CountingAbsentDocker: HTTPClient {
        private let asked = Mutex<[ContinuousClock.Instant]>([])
        var times: [ContinuousClock.Instant] { asked.withLock { $0 } }

        func send(
            _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
        ) async throws(HTTPFailure) -> HTTPResponse {
            asked.withLock { $0.append(.now) }
            throw .unreachable("no such file")
        }

        func stream(
            _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
            head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
        ) async throws(HTTPFailure) { throw .unreachable("no such file") }
    }
}
