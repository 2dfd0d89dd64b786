import MusterHost
import MusterModel
import Testing

@Suite struct DockerAPITests {
    private func api(_ client: some HTTPClient) -> DockerAPI { DockerAPI(client: client) }

    @Test func theNewestVersionBothSidesKnowIsSpokenAndAskedForOnce() async throws {
        for (offered, spoken) in [
            ("1.41", "1.41"), ("1.45", "1.45"), ("1.99", "\(DockerAPI.newestVersion)"), ("2.0", "1.47"),
        ] {
            let docker = VersionedDocker(offered)
            let api = api(docker)
            _ = try await api.containerIDs()
            _ = try await api.containerIDs()
            #expect(docker.fake.targets.first == "GET /_ping")
            #expect(docker.fake.targets.dropFirst().allSatisfy { $0 == "GET /v\(spoken)/containers/json?all=1" })
            api.forgetVersion()
            _ = try await api.version()
            #expect(docker.fake.targets.count == 4)
        }
    }

    @Test func anOldDaemonIsToldHowOld() async throws {
        let api = api(VersionedDocker("1.40"))
        await #expect(throws: DockerError.tooOld(offered: "1.40")) { try await api.version() }
        #expect(DockerError.tooOld(offered: "1.40").description.contains("upgrade the daemon"))
        await #expect(throws: DockerError.self) { try await self.api(VersionedDocker("new")).version() }
    }

    @Test func labelsAreFilteredByTheDaemon() async throws {
        let docker = FakeDocker { _ in FakeDocker.json(#"[{"Id":"a"},{"Id":"b"},{}]"#) }
        #expect(try await api(docker).containerIDs(labels: [LabelSelector("app", "we b")]) == ["a", "b"])
        #expect(
            docker.targets.last
                == "GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22app%3Dwe%20b%22%5D%7D")
    }

    @Test func theDaemonsOwnWordsAreKept() async throws {
        let docker = FakeDocker { request in
            if request.target.contains("gone") {
                return FakeDocker.json(#"{"message":"No such container: gone"}"#, status: 404)
            }
            if request.target.contains("start") { return FakeDocker.json("", status: 304) }
            if request.target.contains("garbled") { return FakeDocker.json("<html>") }
            return FakeDocker.json(#"{"message":"port is already allocated"}"#, status: 500)
        }
        let api = api(docker)
        #expect(try await api.inspect(container: "gone") == nil)
        #expect(try await api.inspect(image: "gone") == nil)
        try await api.start(container: "x")
        try await api.remove(container: "gone", withAnonymousVolumes: false)
        await #expect(
            throws: DockerError.refused(
                asked: "POST /containers/x/rename?name=y", status: 500, message: "port is already allocated")
        ) {
            try await api.rename(container: "x", to: "y")
        }
        do {
            _ = try await api.inspect(container: "garbled")
            Issue.record("garbled was read")
        } catch {
            #expect(error.description.contains("cannot be read"))
            #expect(!error.isPassing)
        }
    }

    @Test func aSocketThatIsNotThereIsAPassingError() async throws {
        let api = api(AbsentDocker())
        do {
            _ = try await api.version()
            Issue.record("an absent daemon answered")
        } catch {
            #expect(error.isPassing)
            #expect(error.description == "Docker did not answer GET /_ping: cannot connect: no such file")
        }
    }

    @Test func aPullThatFailsInItsProgressIsAFailure() async throws {
        let docker = FakeDocker(stream: { _, head, chunk in
            head(HTTPResponse(status: 200))
            _ = chunk(Array(#"{"status":"Pulling from x"}"#.utf8))
            _ = chunk(Array("\r\n{\"errorDetail\":{},\"error\":\"manifest unknown\"}\r\n".utf8))
            return nil
        }) { _ in FakeDocker.json(#"{"message":"no such image"}"#, status: 404) }
        await #expect(throws: DockerError.pullFailed(image: "reg:5000/x", message: "manifest unknown")) {
            try await api(docker).imagePulledIfMissing("reg:5000/x", timeout: .seconds(1))
        }
        // Without a tag every tag there is would be pulled.
        #expect(docker.targets.contains("POST /v1.41/images/create?fromImage=reg%3A5000%2Fx%3Alatest"))
    }

    @Test func eventsAreReadAcrossChunksAndThoseOfNetworksNameTheirContainer() async throws {
        let lines = #"""
            {"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"app":"web"}}}
            {"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"c2"}}}
            not json
            {"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{}}}

            """#
        let docker = FakeDocker(stream: { _, head, chunk in
            head(HTTPResponse(status: 200))
            for byte in lines.utf8 { _ = chunk([byte]) }
            return nil
        }) { _ in FakeDocker.json("{}") }
        let seen = Box<DockerEvent>()
        try await api(docker).events(opened: {}) { event in
            seen.add(event)
            return true
        }
        #expect(
            seen.all == [
                DockerEvent(containerID: "c1", action: "die", attributes: ["app": "web"]),
                DockerEvent(containerID: "c2", action: "connect"),
            ])
    }

    @Test func anEventTooLongToReadEndsTheStream() async throws {
        let docker = FakeDocker(stream: { _, head, chunk in
            head(HTTPResponse(status: 200))
            for _ in 0..<40 where !chunk([UInt8](repeating: 0x61, count: 64 << 10)) { return nil }
            return chunk([0x0A]) ? .closed("it went on") : nil
        }) { _ in FakeDocker.json("{}") }
        try await api(docker).events(opened: {}) { _ in true }
    }

    @Test func linesAreCutAtAnyBoundaryAndLongOnesCounted() {
        var lines = DockerOutputLines(lineBytes: 4)
        #expect(lines.append(Array("ab".utf8)) == [])
        #expect(lines.append(Array("c\r\n\nde\nf".utf8)) == [Array("abc".utf8), Array("de".utf8)])
        #expect(lines.append(Array("ghij".utf8)) == [])
        #expect(lines.append(Array("k\nlm\n".utf8)) == [Array("lm".utf8)])
        #expect(lines.droppedLines == 1)
    }
}

/// Offers one version and empty answers.
struct VersionedDocker: HTTPClient {
    let fake = FakeDocker { _ in FakeDocker.json("[]") }
    let version: String

    init(_ version: String) { self.version = version }

    func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse {
        let answer = try await fake.send(request, to: endpoint, timeout: timeout, maxBytes: maxBytes)
        return request.target == "/_ping" ? FakeDocker.ping(version) : answer
    }

    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) {}
}

struct AbsentDocker: HTTPClient {
    func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse { throw .unreachable("no such file") }

    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) { throw .unreachable("no such file") }
}
