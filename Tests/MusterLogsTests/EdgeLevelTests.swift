import MusterLogs
import MusterModel
import Testing

@Suite struct LevelDetection {
    static let json: [(String, LogLevel)] = [
        (#"{"level":"warn","msg":"x"}"#, .warn), (#"{"time":"2026-03-01T09:30:00Z","level":"INFO","msg":"x"}"#, .info),
        (#"{"severity":"ERROR","message":"x"}"#, .error), (#"{"severity":"NOTICE"}"#, .info),
        (#"{"lvl":"dbug","t":"2026"}"#, .debug), (#"{"level":30,"time":1531171074631,"msg":"hello","v":1}"#, .info),
        (#"{"name":"app","hostname":"h","pid":1,"level":50,"msg":"x"}"#, .error), (#"{"level":60}"#, .fatal),
        (#"{"level":10}"#, .trace), (#"{"level":20}"#, .debug), (#"{"level":40}"#, .warn), (#"{"level":35}"#, .info),
        (#"{"version":"1.1","host":"a","short_message":"x","level":3}"#, .error), (#"{"PRIORITY":"6"}"#, .info),
        (#"{"@timestamp":"2026","log.level":"error"}"#, .error), (#"{"log":{"level":"debug","logger":"a"}}"#, .debug),
        (#"{"@l":"Warning","@mt":"x"}"#, .warn), (#"{"@level":"trace","@message":"x"}"#, .trace),
        (#"{"LogLevel":"Information","Message":"x"}"#, .info), (#"{"levelname":"CRITICAL","message":"x"}"#, .fatal),
        (#"{"severity_text":"FATAL"}"#, .fatal), (#"{"severityText":"Warn"}"#, .warn),
        (#"{ "level" : "error" }"#, .unknown),
        (#"{ "level": "error" }"#, .error), (#"{"msg":"level","level":"debug"}"#, .debug),
        (#"{"msg":"{\"level\":\"error\"}","level":"info"}"#, .info), (#"{"msg":"ERROR: no"}"#, .unknown),
        (#"{"ctx":{"level":"error"},"level":"info"}"#, .info), (#"{"ctx":{"level":"error"}}"#, .unknown),
        (#"{"user":{"log":{"level":"error"}}}"#, .unknown), (#"{"level":"gold"}"#, .unknown),
        (#"{"level":null}"#, .unknown),
        (#"{"level":"information"}"#, .info), (#"{"level":"infomercial"}"#, .unknown), (#"{"level":3.5}"#, .unknown),
        (#"{"errors":0,"message":"no error"}"#, .unknown), (#"{"level":"err"#, .error), (#"{"level":"#, .unknown),
        (#"{"a":["level",{"level":"error"}],"level":"warn"}"#, .warn), ("{}", .unknown), (#"{"level"#, .unknown),
    ]

    static let plain: [(String, LogLevel)] = [
        ("ts=2026-03-01T09:30:00Z level=warn msg=\"slow\"", .warn), ("lvl=eror msg=x", .error),
        ("level=\"error\" a=b", .error),
        ("t=2026 lvl=info msg=\"[ERROR] quoted\"", .info), ("msg=\"ERROR in quotes\" level=debug", .debug),
        ("time=x level=DEBUG-4 msg=y", .debug), ("severity=CRITICAL", .fatal), ("level=30 msg=x", .info),
        ("log_level=debug started", .debug), ("my_log_level=debug", .unknown), ("mylevel=error", .unknown),
        ("level=high", .unknown),
        ("[ERROR] connection refused", .error), ("[error] 12#12: *3 open() failed", .error),
        ("2026/03/01 09:30:00 [warn] 7#7: a client request body is buffered", .warn),
        ("[Sun Mar 01 09:30:00 2026] [core:error] [pid 7] AH00126", .error),
        ("[Sun Mar 01 09:30:00 2026] [mpm_prefork:notice] [pid 1] AH00163", .info),
        ("2026-03-01T09:30:00Z 0 [Warning] [MY-010068] [Server] CA certificate is self signed.", .warn),
        ("2026-03-01T09:30:00Z 0 [Note] Event Scheduler", .info), ("[I 2026-03-01 09:30:00 app] x", .unknown),
        ("[E] failed", .error), ("[W] careful", .warn), ("[2026-03-01T09:30:00,123][INFO ][o.e.n.Node] started", .info),
        ("ERROR: relation does not exist", .error), ("ERROR:root:something", .error),
        ("WARNING:urllib3:Retrying", .warn),
        ("Error: connect ECONNREFUSED 127.0.0.1:5432", .error), ("error: could not compile", .error),
        ("fatal: not a git repository", .fatal), ("warning: unused variable", .warn),
        ("info: Microsoft.Hosting[14]", .info),
        ("fail: Microsoft.AspNetCore[13]", .error), ("dbug: Program[0]", .debug), ("crit: Program[0]", .fatal),
        ("foo.c:12:3: error: expected ';'", .error), ("app[123]: warning: disk is filling", .warn),
        ("2026-03-01 09:30:00 error: timeout", .error), ("2026-03-01T09:30:00Z error: timeout", .error),
        ("E0102 15:04:05.678901   1 reflector.go:147] failed", .error), ("W0102 15:04:05.6 1 x.go:1] w", .warn),
        ("I0102 15:04:05.6 1 x.go:1] i", .info), ("F0102 15:04:05.6 1 x.go:1] f", .fatal),
        ("E0102 is a part number", .unknown),
        ("D0102 15:04:05.6 1 x.go:1] d", .debug), ("I0102 9:04:05 odd", .unknown), ("<3>kernel: broken", .error),
        ("<34>1 2026-03-01T09:30:00Z h su - - x", .fatal),
        ("<14>app: x", .info), ("<15>app: x", .debug), ("<b>text", .unknown), ("<999>x", .unknown),
        ("Mar  1 09:30:00 r daemon.err uhttpd[1]: x", .error), ("daemon.notice netifd: up", .info),
        ("kern.warn kernel: x", .warn),
        ("2026-03-01 09:30:00.000  INFO 1 --- [main] c.e.App : Started", .info),
        ("2026-03-01 09:30:00,123 - app - ERROR - boom", .error), ("09:30:00.000 [main] DEBUG c.e.App - x", .debug),
        ("2026-03-01T09:30:00.1Z  WARN my_crate::module: slow", .warn),
        ("[2026-03-01 09:30:00,000: INFO/MainProcess] x", .info),
        ("[09:30:00 INF] Started", .info), ("12:00AM ERR failed", .error), ("\u{1b}[31mERROR\u{1b}[0m failed", .error),
        ("\u{1b}[90m12:00AM\u{1b}[0m \u{1b}[32mINF\u{1b}[0m up", .info),
        ("2026-03-01T09:30:00Z\tinfo\tserver.go:1\tup", .info),
        ("npm ERR! code ELIFECYCLE", .error), ("npm WARN deprecated", .warn),
        ("SEVERE: Servlet.service() threw", .error),
        ("FINE: details", .debug), ("2026-03-01 09:30:00 UTC [7] LOG:  checkpoint starting", .info),
        ("2026-03-01 09:30:00 UTC [7] FATAL:  role does not exist", .fatal), ("PANIC: could not locate", .fatal),
        ("panic: runtime error: index out of range", .fatal),
        ("fatal error: all goroutines are asleep - deadlock!", .fatal),
        ("Traceback (most recent call last):", .error), ("CRITICAL something", .fatal), ("a | error | b", .unknown),
        ("2026|ERROR|app|x", .error), ("2026|error|app|x", .error),
        ("web_1 | {\"level\":\"error\",\"msg\":\"x\"}", .error),
        ("TRACE enter", .trace), ("job failed\nTraceback (most recent call last):", .error),
        // Nothing of this is a level.
        ("", .unknown), ("   ", .unknown), ("errors=0 warnings=0", .unknown), ("no error", .unknown),
        ("finished with no error", .unknown),
        ("no ERROR found", .unknown), ("0 ERROR", .unknown), ("without ERROR", .unknown),
        ("for your information", .unknown),
        ("INFORMATION follows", .unknown), ("ErrorHandler installed", .unknown), ("the error was fixed", .unknown),
        ("last error: none", .unknown), ("mode=DEBUG", .unknown), ("ERROR_CODE 5", .unknown), ("DEBUG=1", .unknown),
        ("/var/ERROR/x", .unknown),
        ("GET /error HTTP/1.1", .unknown), ("\"GET /x?level=error HTTP/1.1\" 200", .unknown), ("fine day", .unknown),
        ("THE END IS FINE", .unknown), ("an information: x", .unknown), ("panicking: no", .unknown),
        ("http://error:8080/", .unknown),
        ("infos", .unknown), ("Traceback later", .unknown), ("warned: twice", .unknown), ("daemon.errors x", .unknown),
        ("10.0.0.1 - - [01/Mar/2026:09:30:00 +0000] \"GET /ERROR HTTP/1.1\" 200 5", .unknown), ("übERROR x", .unknown),
        ("[errors]", .unknown), ("say \"unclosed ERROR", .unknown), ("level", .unknown), ("level=", .unknown),
        ("ERROR.", .unknown),
    ]

    @Test(arguments: json + plain) func `a line's level`(line: String, expected: LogLevel) {
        let bytes = Array(line.utf8)
        #expect(LevelDetector().level(of: bytes.span) == expected)
    }

    @Test func `the table is long enough to mean something`() { #expect(Self.json.count + Self.plain.count >= 120) }

    @Test func `plain text is read up to its limit`() {
        func level(_ blanks: Int) -> LogLevel {
            let bytes = Array((String(repeating: ".", count: blanks) + " ERROR x").utf8)
            return LevelDetector().level(of: bytes.span)
        }
        #expect(level(LevelDetector.plainBytes - 6) == .error)
        #expect(level(LevelDetector.plainBytes - 5) == .unknown)
        #expect(level(LevelDetector.plainBytes) == .unknown)
    }

    @Test func `JSON is read up to its limit`() {
        func level(_ filler: Int) -> LogLevel {
            let bytes = Array(#"{"a":"\#(String(repeating: "x", count: filler))","level":"warn"}"#.utf8)
            return LevelDetector().level(of: bytes.span)
        }
        #expect(level(LevelDetector.jsonBytes - 20) == .warn)
        #expect(level(LevelDetector.jsonBytes) == .unknown)
    }

    @Test func `every cut and every mutation of a line is safe`() {
        var generator = SeededGenerator(seed: 5)
        let detector = LevelDetector()
        for (line, _) in Self.json + Self.plain {
            let bytes = Array(line.utf8)
            for end in 0...bytes.count { _ = detector.level(of: bytes.span.extracting(0..<end)) }
            for _ in 0..<20 where !bytes.isEmpty {
                var changed = bytes
                changed[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
                _ = detector.level(of: changed.span)
            }
        }
        let cut = Array(#"{"level":"error"}"#.utf8)
        #expect(detector.level(of: cut.span.extracting(0..<9)) == .unknown)
    }

    @Test func `sets and counts of levels`() {
        let set = LevelSet([.debug, .fatal])
        #expect(LogLevel.allCases.filter { set.contains($0) } == [.debug, .fatal])
        #expect(LogLevel.allCases.allSatisfy { LevelSet.all.contains($0) })
        var counts = LevelCounts()
        counts.add(.warn)
        counts.add(.warn)
        counts.add(.unknown)
        #expect(counts[.warn] == 2 && counts[.unknown] == 1 && counts[.error] == 0 && counts.total == 3)
        #expect(counts != LevelCounts())
    }
}
