import ArgumentParser
import Foundation
import MusterCLI
import MusterModel
import Synchronization
import Testing

@Suite struct TopQuestions {
    @Test func `all figures of hosts are one question about the last window`() {
        let question = TopQuestion.hosts(window: .seconds(30))
        for part in [
            #"100 * (1 - avg by (host) (rate(node_cpu_seconds_total{mode="idle"}[30s])))"#,
            "max by (host) (last_over_time(node_load1[30s]))",
            "max by (host) (last_over_time(node_memory_MemAvailable_bytes[30s]))",
            "max by (host) (last_over_time(node_memory_MemTotal_bytes[30s]))",
            "topk by (host) (1, 100 * (1 - last_over_time(node_filesystem_avail_bytes{fstype!~",
            "node_network_receive_bytes_total{device!~", "node_network_transmit_bytes_total{device!~",
        ] { #expect(question.contains(part), "\(part)") }
        #expect(question.components(separatedBy: " or label_replace(").count == 6)
        for figure in TopQuestion.HostFigure.allCases {
            #expect(question.contains(#""figure", "\#(figure.rawValue)", "host", ".*")"#))
        }
    }

    @Test func `all figures of containers are one question`() {
        let question = TopQuestion.containers(window: .minutes(3))
        for part in [
            "100 * sum by (host, name) (rate(container_cpu_usage_seconds_total[3m]))",
            "max by (host, name) (last_over_time(container_memory_working_set_bytes[3m]))",
            "sum by (host, name) (rate(container_network_receive_bytes_total[3m]))",
            "sum by (host, name) (rate(container_network_transmit_bytes_total[3m]))",
        ] { #expect(question.contains(part), "\(part)") }
        #expect(question.components(separatedBy: " or label_replace(").count == 4)
    }

    @Test func `a host narrows every series of both`() {
        for question in [
            TopQuestion.hosts(window: .seconds(30), host: "a\"b"),
            TopQuestion.containers(window: .seconds(30), host: "a\"b"),
        ] {
            let series = question.components(separatedBy: "[30s]").count - 1
            #expect(series >= 4)
            #expect(question.components(separatedBy: #"{host="a\"b""#).count - 1 == series)
        }
    }

    @Test func `brackets are closed`() {
        for question in [TopQuestion.hosts(window: .seconds(30)), TopQuestion.containers(window: .seconds(30))] {
            for (open, closed) in [("(", ")"), ("{", "}"), ("[", "]")] as [(Character, Character)] {
                #expect(question.filter { $0 == open }.count == question.filter { $0 == closed }.count)
            }
            #expect(question.filter { $0 == "\"" }.count.isMultiple(of: 2))
        }
    }
}

/// A coordinator with two hosts and three containers.
private enum Fleet {
    static let hosts = """
        [{"id":"h1","name":"web-1","state":"alive","reason":"","bootId":"b","agentVersion":"1","labels":{},\
        "lastSeen":"2026-03-01T11:59:59.500Z"},\
        {"id":"h2","name":"web-2","state":"unreachable","reason":"no heartbeat for 45 s","bootId":"b",\
        "agentVersion":"1","labels":{},"lastSeen":"2026-03-01T11:59:15.000Z"}]
        """
    static let containers = """
        [{"id":"c1","name":"app","host":"h1","image":"i","state":"running","health":"healthy","labels":{}},\
        {"id":"c2","name":"job","host":"h1","image":"i","state":"exited","health":"none","labels":{}},\
        {"id":"c3","name":"app","host":"h2","image":"i","state":"running","health":"none","labels":{}}]
        """
    static let hostFigures = """
        {"status":"success","data":{"resultType":"vector","result":[\
        {"metric":{"host":"h1","figure":"cpu"},"value":[1,"12.5"]},\
        {"metric":{"host":"h1","figure":"load1"},"value":[1,"0.75"]},\
        {"metric":{"host":"h1","figure":"memory"},"value":[1,"90"]},\
        {"metric":{"host":"h1","figure":"disk","mountpoint":"/var","device":"sda1"},"value":[1,"97"]},\
        {"metric":{"host":"h1","figure":"receive"},"value":[1,"2048"]},\
        {"metric":{"host":"h1","figure":"transmit"},"value":[1,"NaN"]},\
        {"metric":{"host":"unknown","figure":"cpu"},"value":[1,"1"]},\
        {"metric":{"figure":"cpu"},"value":[1,"1"]}]},"warnings":["a block cannot be read"]}
        """
    static let containerFigures = """
        {"status":"success","data":{"resultType":"vector","result":[\
        {"metric":{"host":"h1","name":"app","figure":"cpu"},"value":[1,"150"]},\
        {"metric":{"host":"h1","name":"app","figure":"memory"},"value":[1,"1073741824"]}]}}
        """
    static let cardinality = """
        {"status":"success","data":{"headStats":{"numSeries":1,"numLabelPairs":1,"chunkCount":1,"minTime":0,\
        "maxTime":0},"seriesCountByMetricName":[],"labelValueCountByLabelName":[],"memoryInBytesByLabelName":[],\
        "seriesCountByLabelValuePair":[],"seriesByOwner":[{"name":"h1","value":1234,"budget":50000,"refused":0}],\
        "refusedByMetricName":[]}}
        """

    static func answer(_ target: String) -> Result<HTTPResponse, HTTPFailure> {
        switch target {
        case "/v1/hosts": .answer(hosts)
        case let target where target.hasPrefix("/v1/containers"): .answer(containers)
        case let target where target.contains("container_"): .answer(containerFigures)
        case let target where target.hasPrefix("/api/v1/query?"): .answer(hostFigures)
        case let target where target.hasPrefix("/api/v1/status/tsdb"): .answer(cardinality)
        default: .answer("", status: 404)
        }
    }

    /// The same as `answer`, with one path that is refused.
    static func http(without path: String? = nil, refusal: String = "", status: Int = 0) -> AnsweringHTTP {
        AnsweringHTTP { request in
            if let path, request.target.hasPrefix(path) { return .answer(refusal, status: status) }
            return answer(request.target)
        }
    }
}

@Suite struct TopSurveys {
    private func survey(_ http: AnsweringHTTP, host: String? = nil) throws -> TopSurvey {
        TopSurvey(
            try APIClient(http: http, address: "muster:7444", token: "t"), window: .seconds(30), host: host)
    }

    private func picture(_ http: AnsweringHTTP, host: String? = nil) async throws -> TopPicture {
        var survey = try survey(http, host: host)
        return try await survey.picture(now: noon)
    }

    @Test func `series are counted again only after a while, everything else each time`() async throws {
        let http = Fleet.http()
        var survey = try survey(http)
        func counts() -> Int { http.targets.filter { $0.hasPrefix("/api/v1/status/tsdb") }.count }
        for (after, expected) in [(Duration.zero, 1), (.seconds(2), 1), (.seconds(29), 1), (.seconds(30), 2)] {
            let picture = try await survey.picture(now: noon + after)
            #expect(counts() == expected && picture.hosts[0].series == 1_234)
        }
        #expect(http.targets.filter { $0.hasPrefix("/api/v1/query?") }.count == 8)
    }

    @Test func `a picture joins what is known with what was measured`() async throws {
        let http = Fleet.http()
        let picture = try await picture(http)
        #expect(http.targets.count == 5)
        #expect(http.targets.contains("/v1/containers"))
        #expect(http.targets.contains("/api/v1/status/tsdb?limit=102"))
        #expect(http.targets.filter { $0.hasSuffix("&time=1772366400.000") }.count == 2)
        #expect(picture.time == "2026-03-01T12:00:00.000Z" && picture.warnings == ["a block cannot be read"])
        let (first, second) = (picture.hosts[0], picture.hosts[1])
        #expect(first.cpuPercent == 12.5 && first.load1 == 0.75 && first.memoryPercent == 90)
        #expect(first.diskPercent == 97 && first.fullestMount == "/var" && first.receiveBytesPerSecond == 2_048)
        #expect(first.transmitBytesPerSecond == nil)
        #expect(first.containers == 2 && first.runningContainers == 1 && first.series == 1_234)
        #expect(second.cpuPercent == nil && second.fullestMount == nil && second.series == nil)
        #expect(second.state == "unreachable" && second.containers == 1)
        #expect(picture.hosts.count == 2 && picture.containers.map(\.id) == ["c1", "c2", "c3"])
        #expect(picture.containers[0].cpuPercent == 150 && picture.containers[0].memoryBytes == 1_073_741_824)
        #expect(picture.containers[2].cpuPercent == nil)
    }

    @Test(arguments: ["h1", "web-1"])
    func `one host is found by its id or its name and asked for by its id`(_ host: String) async throws {
        let http = Fleet.http()
        let picture = try await picture(http, host: host)
        #expect(picture.hosts.map(\.id) == ["h1"])
        #expect(http.targets.contains("/v1/containers?host=h1"))
        #expect(http.targets.filter { $0.contains("host%3D%22h1%22") }.count == 2)
    }

    @Test func `a host that is not there is said`() async throws {
        let http = Fleet.http()
        let error = try await #require(throws: CLIError.self) { _ = try await picture(http, host: "nobody") }
        #expect(error.message.contains("\"nobody\"") && error.hint.contains("muster hosts"))
        #expect(http.targets == ["/v1/hosts"])
    }

    @Test(
        arguments: [
            ("/v1/hosts", #"{"error":{"code":"forbidden","message":"no"}}"#, 403, "no"),
            ("/v1/containers", #"{"error":{"code":"overloaded","message":"later"}}"#, 503, "later"),
            ("/api/v1/query", #"{"status":"error","errorType":"timeout","error":"too long"}"#, 503, "too long"),
            ("/api/v1/status", #"{"status":"error","errorType":"internal","error":"broken"}"#, 500, "broken"),
        ])
    func `half a picture is none`(_ path: String, _ refusal: String, _ status: Int, _ message: String) async throws {
        let http = Fleet.http(without: path, refusal: refusal, status: status)
        let error = try await #require(throws: CLIError.self) { _ = try await picture(http) }
        #expect(error.message == message)
    }

    // MARK: The verb, once

    @Test func `printed once it is tables without escape codes`() async throws {
        let paper = Paper()
        try await typed(TopVerb.self, "--once").printOnce(try paper.session(Fleet.http()), now: noon)
        #expect(
            paper.lines == [
                "12:00:00Z 2 hosts (1 alive, 1 unreachable), 3 containers (2 running), by cpu",
                "Not alive: web-2 unreachable (no heartbeat for 45 s)",
                "Warning: a block cannot be read",
                "",
                "HOST   STATE          CPU  MEMORY   DISK  LOAD1  NET IN/S  NET OUT/S  CONTAINERS  SERIES  SEEN  "
                    + "FULLEST",
                "web-1  alive        12.5%   90.0%  97.0%   0.75      2KiB          -         1/2   1,234    0s  /var",
                "web-2  unreachable      -       -      -      -         -          -           1       -   45s  -",
                "",
                "CONTAINER  STATE     CPU  MEMORY  HOST   NET IN/S  NET OUT/S",
                "app        running  150%    1GiB  web-1         -          -",
                "app        running     -       -  web-2         -          -",
                "job        exited      -       -  web-1         -          -",
            ])
    }

    @Test func `JSON has every field, absent ones as null`() async throws {
        let paper = Paper()
        let verb = try typed(TopVerb.self, "-n", "1", "--json")
        try await verb.printOnce(try paper.session(Fleet.http(), isJSON: true), now: noon)
        #expect(
            paper.lines == [
                #"{"containers":[{"cpuPercent":150,"host":"h1","id":"c1","memoryBytes":1073741824,"name":"app","#
                    + #""receiveBytesPerSecond":null,"state":"running","transmitBytesPerSecond":null}],"#
                    + #""hosts":[{"containers":2,"cpuPercent":12.5,"diskPercent":97,"fullestMount":"/var","id":"h1","#
                    + #""lastSeen":"2026-03-01T11:59:59.500Z","load1":0.75,"memoryPercent":90,"name":"web-1","#
                    + #""reason":"","receiveBytesPerSecond":2048,"runningContainers":1,"series":1234,"#
                    + #""state":"alive","transmitBytesPerSecond":null}],"time":"2026-03-01T12:00:00.000Z","#
                    + #""warnings":["a block cannot be read"]}"#
            ])
    }

    @Test(
        arguments: [
            (["--sort", "colour"], "cpu, memory or name"), (["--interval", "100ms"], "500ms"), (["-n", "0"], "20"),
            (["--window", "0s"], "1h30m"), (["web"], "web"),
        ])
    func `what makes no sense is refused with the way out`(_ arguments: [String], _ words: String) throws {
        let error = try #require(throws: (any Error).self) { try TopVerb.parseAsRoot(arguments) }
        #expect(TopVerb.fullMessage(for: error).contains(words))
    }

    @Test func `what is typed rightly is understood`() throws {
        _ = try typed(TopVerb.self)
        _ = try typed(
            TopVerb.self, "--sort", "memory", "--host", "web-1", "-n", "5", "--interval", "500ms", "--window", "3m",
            "--once", "--json")
    }
}
