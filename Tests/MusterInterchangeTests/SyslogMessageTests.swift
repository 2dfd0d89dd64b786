import MusterInterchange
import MusterModel
import Testing

/// 2026-03-05T12:00:00Z.
private let now = Instant(seconds: 1_772_712_000)

private func read(_ text: String, now: Instant = now, offsetSeconds: Int64 = 0) -> SyslogMessage {
    SyslogMessage(Array(text.utf8)[...], now: now, offsetSeconds: offsetSeconds)
}

/// What a message says, on one line: `FORMAT facility.severity TIME host=H app=A pid=P id=I seq=N [data] | text`.
private func spelled(_ message: SyslogMessage) -> String {
    var parts = [message.format.rawValue]
    if let facility = message.facilityName, let severity = message.severityName {
        parts.append("\(facility).\(severity)")
    }
    if let time = message.timestamp { parts.append("\(time)") }
    if let host = message.host { parts.append("host=\(host)") }
    if let app = message.appName { parts.append("app=\(app)") }
    if let process = message.processID { parts.append("pid=\(process)") }
    if let id = message.messageID { parts.append("id=\(id)") }
    if let sequence = message.sequence { parts.append("seq=\(sequence)") }
    for element in message.structuredData {
        parts.append("[\(element.id)" + element.parameters.map { " \($0.name)=<\($0.value)>" }.joined() + "]")
    }
    if message.isDamaged { parts.append("damaged") }
    return parts.joined(separator: " ") + " | " + String(decoding: message.message, as: UTF8.self)
}

@Suite struct SyslogMessages {
    /// Of RFC 5424: its own examples, then what programs send.
    static let structured: [(String, String)] = [
        (
            "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed on /dev/pts/8",
            "rfc5424 auth.crit 2003-10-11T22:14:15.003Z host=mymachine.example.com app=su id=ID47"
                + " | 'su root' failed on /dev/pts/8"
        ),
        (
            "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
            "rfc5424 local4.notice 2003-08-24T12:14:15.000Z host=192.0.2.1 app=myproc pid=8710"
                + " | %% It's time to make the do-nuts."
        ),
        (
            "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
                + "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] An application event",
            "rfc5424 local4.notice 2003-10-11T22:14:15.003Z host=mymachine.example.com app=evntslog id=ID47 "
                + "[exampleSDID@32473 iut=<3> eventSource=<Application> eventID=<1011>] | An application event"
        ),
        (
            "<165>1 2003-10-11T22:14:15.003Z m evntslog - ID47 [a@1 iut=\"3\"][examplePriority@32473 class=\"high\"]",
            "rfc5424 local4.notice 2003-10-11T22:14:15.003Z host=m app=evntslog id=ID47 [a@1 iut=<3>]"
                + " [examplePriority@32473 class=<high>] | "
        ),
        ("<0>1 - - - - - -", "rfc5424 kern.emerg | "), ("<191>1 - - - - - - x", "rfc5424 local7.debug | x"),
        (
            "<13>1 2026-03-05T12:59:59.123456+01:00 web-1 app 42 - [timeQuality tzKnown=\"1\" isSynced=\"1\"] hi\n",
            "rfc5424 user.notice 2026-03-05T11:59:59.123Z host=web-1 app=app pid=42 "
                + "[timeQuality tzKnown=<1> isSynced=<1>] | hi"
        ),
        (
            "<14>1 2026-03-05T12:00:00Z h a p m [x@1 a=\"q\\\"b\\\\c\\]d\" b=\"\\n\" c=\"\" d=\"]\"] text",
            "rfc5424 user.info 2026-03-05T12:00:00.000Z host=h app=a pid=p id=m [x@1 a=<q\"b\\c]d> b=<\\n> c=<> d=<]>]"
                + " | text"
        ),
        (
            "<14>1 2026-03-05T12:00:00Z h a p m [x@1] text",
            "rfc5424 user.info 2026-03-05T12:00:00.000Z host=h app=a pid=p id=m [x@1] | text"
        ),
        ("<14>1 - h a p m [x@1 a=\"1\" ] text", "rfc5424 user.info host=h app=a pid=p id=m [x@1 a=<1>] | text"),
        ("<14>1 - h a p m -  two spaces", "rfc5424 user.info host=h app=a pid=p id=m |  two spaces"),
        // A time without an offset is the sender's, here the receiver's.
        ("<14>1 2026-03-05T12:00:00 h a - - - x", "rfc5424 user.info 2026-03-05T12:00:00.000Z host=h app=a | x"),
        // Structured data that is none, or that is not there.
        ("<14>1 - h a p m text at once", "rfc5424 user.info host=h app=a pid=p id=m damaged | text at once"),
        ("<14>1 - h a p m [x@1 a=\"1] text", "rfc5424 user.info host=h app=a pid=p id=m damaged | [x@1 a=\"1] text"),
        ("<14>1 - h a p m [] text", "rfc5424 user.info host=h app=a pid=p id=m damaged | [] text"),
        ("<14>1 - h a p m [x a=1] text", "rfc5424 user.info host=h app=a pid=p id=m damaged | [x a=1] text"),
        ("<14>1 - h a p m [x]text", "rfc5424 user.info host=h app=a pid=p id=m damaged | [x]text"),
        ("<14>1 - h a p m -text", "rfc5424 user.info host=h app=a pid=p id=m damaged | -text"),
        ("<14>1 - h a p m", "rfc5424 user.info host=h app=a pid=p id=m damaged | "),
        // What only looks like version 1.
        (
            "<134>1 1563249630.774247467 remote_DC1 security_event ids_alerted signature=1",
            "unparsed local0.info | <134>1 1563249630.774247467 remote_DC1 security_event ids_alerted signature=1"
        ),
        ("<14>1 2026-13-05T12:00:00Z h a p m - x", "unparsed user.info | <14>1 2026-13-05T12:00:00Z h a p m - x"),
        ("<14>1 2026-03-05T12:00:00Z h a", "unparsed user.info | <14>1 2026-03-05T12:00:00Z h a"),
        ("<14>1 ", "unparsed user.info | <14>1 "),
    ]

    /// Of RFC 3164 and its relatives.
    static let plain: [(String, String)] = [
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
            "rfc3164 auth.crit 2025-10-11T22:14:15.000Z host=mymachine app=su"
                + " | 'su root' failed for lonvick on /dev/pts/8"
        ),
        (
            "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
            "rfc3164 user.notice 2026-02-05T17:32:18.000Z host=10.0.0.99 | Use the BFG!"
        ),
        (
            "<0>1990 Oct 22 10:52:01 scapegoat.dmz.example.org sched[0]: That's All Folks!",
            "rfc3164 kern.emerg 1990-10-22T10:52:01.000Z host=scapegoat.dmz.example.org app=sched pid=0"
                + " | That's All Folks!"
        ),
        (
            "<38>Mar  5 11:59:58 web-1 sshd[4721]: Accepted publickey for deploy from 10.1.2.3 port 50122 ssh2",
            "rfc3164 auth.info 2026-03-05T11:59:58.000Z host=web-1 app=sshd pid=4721"
                + " | Accepted publickey for deploy from 10.1.2.3 port 50122 ssh2"
        ),
        (
            "<78>Mar 05 11:59:01 web-1 CRON[99]: (root) CMD (run-parts)",
            "rfc3164 cron.info 2026-03-05T11:59:01.000Z host=web-1 app=CRON pid=99 | (root) CMD (run-parts)"
        ),
        (
            "<22>Mar 5 11:59:01 mx postfix/smtpd[12]: connect from unknown[10.0.0.1]",
            "rfc3164 mail.info 2026-03-05T11:59:01.000Z host=mx app=postfix/smtpd pid=12"
                + " | connect from unknown[10.0.0.1]"
        ),
        (
            "<6>Mar  5 11:59:01 web-1 kernel: [12.5] eth0: up",
            "rfc3164 kern.info 2026-03-05T11:59:01.000Z host=web-1 app=kernel | [12.5] eth0: up"
        ),
        (
            "<6>Mar  5 11:59:01 web-1 kernel:[12.5] eth0: up",
            "rfc3164 kern.info 2026-03-05T11:59:01.000Z host=web-1 app=kernel | [12.5] eth0: up"
        ),
        (
            "<30>Mar  5 11:59:01 fe80::1 systemd[1]: Started x.",
            "rfc3164 daemon.info 2026-03-05T11:59:01.000Z host=fe80::1 app=systemd pid=1 | Started x."
        ),
        (
            "<30>Mar  5 11:59:01 h last message repeated 3 times",
            "rfc3164 daemon.info 2026-03-05T11:59:01.000Z host=h | last message repeated 3 times"
        ),
        (
            "<30>Mar  5 11:59:01 h prog[a-1] no colon",
            "rfc3164 daemon.info 2026-03-05T11:59:01.000Z host=h app=prog pid=a-1 | no colon"
        ),
        (
            "<46>Mar  5 11:59:01 - rsyslogd: [origin x] start",
            "rfc3164 syslog.info 2026-03-05T11:59:01.000Z app=rsyslogd | [origin x] start"
        ),
        // Without a host, as programs write to the local socket.
        ("<13>Mar  5 11:59:01 deploy: hello", "rfc3164 user.notice 2026-03-05T11:59:01.000Z app=deploy | hello"),
        (
            "<86>Mar  5 11:59:01 sudo[12]: pam_unix: opened",
            "rfc3164 authpriv.info 2026-03-05T11:59:01.000Z app=sudo pid=12 | pam_unix: opened"
        ),
        ("<13>Mar  5 11:59:01 {\"a\": 1}", "rfc3164 user.notice 2026-03-05T11:59:01.000Z | {\"a\": 1}"),
        ("<13>Mar  5 11:59:01 alone", "rfc3164 user.notice 2026-03-05T11:59:01.000Z | alone"),
        (
            "<13>Mar  5 11:59:01 h  tag: two spaces",
            "rfc3164 user.notice 2026-03-05T11:59:01.000Z host=h app=tag | two spaces"
        ),
        // Times of ISO 8601.
        (
            "<34>2026-03-05T13:00:00.5+01:00 web-1 su: x",
            "rfc3164 auth.crit 2026-03-05T12:00:00.500Z host=web-1 app=su | x"
        ),
        (
            "<34>2026-03-05T12:00:00Z web-1 su[1]: x",
            "rfc3164 auth.crit 2026-03-05T12:00:00.000Z host=web-1 app=su pid=1 | x"
        ),
        (
            "<34>2026-03-05 12:00:00,250 web-1 app: x",
            "rfc3164 auth.crit 2026-03-05T12:00:00.250Z host=web-1 app=app | x"
        ),
        (
            "<34>2026-03-05T12:00:00+0100 web-1 app: x",
            "rfc3164 auth.crit 2026-03-05T11:00:00.000Z host=web-1 app=app | x"
        ),
        ("<34>2026-02-30T12:00:00Z app: x", "rfc3164 auth.crit | 2026-02-30T12:00:00Z app: x"),
        // Without a time.
        ("<13>hello", "rfc3164 user.notice | hello"), ("<13>", "rfc3164 user.notice | "),
        ("<13> spaced out", "rfc3164 user.notice | spaced out"),
        ("<14>app[7]: text", "rfc3164 user.info app=app pid=7 | text"),
        ("<14>app: text", "rfc3164 user.info app=app | text"),
        ("<14>http://a.example/ is down", "rfc3164 user.info | http://a.example/ is down"),
        (
            "<189>date=2026-03-05 time=11:59:01 devname=\"FG\" logid=\"0000000013\" type=\"traffic\"",
            "rfc3164 local7.notice | date=2026-03-05 time=11:59:01 devname=\"FG\" logid=\"0000000013\" type=\"traffic\""
        ),
        ("<14>tag : no tag", "rfc3164 user.info | tag : no tag"), ("<14>12: text", "rfc3164 user.info app=12 | text"),
        (
            "<14>CEF:0|Vendor|Product|1.0|100|x|5|src=10.0.0.1",
            "rfc3164 user.info | CEF:0|Vendor|Product|1.0|100|x|5|src=10.0.0.1"
        ),
        // Without a priority.
        ("Mar  5 11:59:01 web-1 sshd[1]: x", "rfc3164 2026-03-05T11:59:01.000Z host=web-1 app=sshd pid=1 | x"),
        ("Mar  5 11:59:01 sshd[1]: x", "rfc3164 2026-03-05T11:59:01.000Z app=sshd pid=1 | x"),
        ("2026-03-05T12:00:00Z starting the server", "rfc3164 2026-03-05T12:00:00.000Z | starting the server"),
        // Cisco and its like.
        (
            "<189>123: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console by vty0",
            "rfc3164 local7.notice 2026-03-01T18:46:11.123Z app=%SYS-5-CONFIG_I seq=123"
                + " | Configured from console by vty0"
        ),
        (
            "<189>45: rtr-1: .Mar  1 18:46:11.123 CET: %LINK-3-UPDOWN: Interface down",
            "rfc3164 local7.notice 2026-03-01T17:46:11.123Z host=rtr-1 app=%LINK-3-UPDOWN seq=45 | Interface down"
        ),
        (
            "<189>: 2026 Mar  1 18:46:11 UTC: %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up",
            "rfc3164 local7.notice 2026-03-01T18:46:11.000Z app=%ETHPORT-5-IF_UP | Interface Ethernet1/1 is up"
        ),
        (
            "<166>Mar 01 2026 18:46:11: %ASA-6-302013: Built outbound TCP connection",
            "rfc3164 local4.info 2026-03-01T18:46:11.000Z app=%ASA-6-302013 | Built outbound TCP connection"
        ),
        (
            "<166>Mar 01 2026 18:46:11 fw01 : %ASA-6-302013: Built",
            "rfc3164 local4.info 2026-03-01T18:46:11.000Z host=fw01 app=%ASA-6-302013 | Built"
        ),
        (
            "<189>Mar  1 18:46:11 EST: %SYS-5-RESTART: System restarted",
            "rfc3164 local7.notice 2026-03-01T23:46:11.000Z app=%SYS-5-RESTART | System restarted"
        ),
        ("<189>7: no time here", "rfc3164 local7.notice app=7 | no time here"),
        // Not syslog.
        ("just a line", "unparsed | just a line"), ("", "unparsed | "), ("<", "unparsed | <"),
        ("<>x", "unparsed | <>x"),
        ("<192>x", "unparsed | <192>x"), ("<1000>x", "unparsed | <1000>x"), ("<-1>x", "unparsed | <-1>x"),
        ("<13 x", "unparsed | <13 x"), ("{\"level\":\"info\"}", "unparsed | {\"level\":\"info\"}"),
        ("<html>", "unparsed | <html>"), ("Mar 32 11:59:01 h a: x", "unparsed | Mar 32 11:59:01 h a: x"),
        ("Mar  5 24:59:01 h a: x", "unparsed | Mar  5 24:59:01 h a: x"), ("Mar  5 11:59", "unparsed | Mar  5 11:59"),
    ]

    @Test(arguments: structured + plain)
    func `a message is taken apart`(text: String, expected: String) {
        #expect(spelled(read(text)) == expected)
    }

    @Test func `the table is long enough to mean something`() {
        #expect(Self.structured.count + Self.plain.count >= 50)
    }

    @Test(
        arguments: [
            // The turn of the year, both ways, and clocks that are a little off.
            ("2026-01-01T00:00:05Z", "Dec 31 23:59:59", "2025-12-31T23:59:59.000Z"),
            ("2025-12-31T23:59:55Z", "Jan  1 00:00:02", "2026-01-01T00:00:02.000Z"),
            ("2026-01-01T00:00:05Z", "Jan  1 00:00:02", "2026-01-01T00:00:02.000Z"),
            ("2026-07-01T00:00:00Z", "Jan  2 00:00:00", "2026-01-02T00:00:00.000Z"),
            ("2026-07-01T00:00:00Z", "Dec 30 00:00:00", "2026-12-30T00:00:00.000Z"),
            // Leap days: the nearest there is, or none.
            ("2024-03-01T00:00:00Z", "Feb 29 23:00:00", "2024-02-29T23:00:00.000Z"),
            ("2025-01-15T00:00:00Z", "Feb 29 23:00:00", "2024-02-29T23:00:00.000Z"),
            ("2026-03-01T00:00:00Z", "Feb 29 23:00:00", nil), ("2026-03-01T00:00:00Z", "Feb 30 23:00:00", nil),
            ("2026-03-01T00:00:00Z", "Apr 31 23:00:00", nil),
            ("1969-12-31T23:59:00Z", "Jan  1 00:00:00", "1970-01-01T00:00:00.000Z"),
            // A second that is inserted is the first of the next minute.
            ("2026-07-01T00:00:00Z", "Jun 30 23:59:60", "2026-07-01T00:00:00.000Z"),
        ] as [(String, String, String?)])
    func `a time without a year is the nearest one`(now: String, time: String, expected: String?) throws {
        let clock = try #require(read("<1>1 \(now) - - - - -").timestamp)
        let message = read("<13>\(time) h a: x", now: clock)
        #expect(message.timestamp?.description == expected)
        #expect(message.host == "h" && message.appName == "a" && message.format == .rfc3164)
    }

    @Test func `a time without an offset is taken with the sender's`() {
        let zone: Int64 = 7_200
        #expect(read("<13>Mar  5 14:00:00 h a: x", offsetSeconds: zone).timestamp == now)
        #expect(read("<13>2026-03-05T14:00:00 h a: x", offsetSeconds: zone).timestamp == now)
        #expect(read("<13>2026-03-05T12:00:00Z h a: x", offsetSeconds: zone).timestamp == now)
        #expect(read("<13>1: Mar  5 12:00:00 UTC: x", offsetSeconds: zone).timestamp == now)
        // The turn of the year where the sender is.
        let turn = Instant(seconds: 1_767_218_400 + 10)
        #expect(read("<13>Jan  1 00:00:00 h a: x", now: turn, offsetSeconds: zone).timestamp == turn - .seconds(10))
        #expect(read("<13>Mar  5 14:00:00 h a: x", offsetSeconds: .max).timestamp != nil)
        for extreme in [Instant.distantPast, .distantFuture] {
            #expect(read("<13>Mar  5 14:00:00 h a: x", now: extreme, offsetSeconds: .min).host == "h")
        }
    }

    @Test func `decimals are kept to the nanosecond and may be any number`() {
        #expect(read("<1>1 1970-01-01T00:00:01.123456789Z - - - - -").timestamp?.nanoseconds == 1_123_456_789)
        #expect(
            read("<1>1 1970-01-01T00:00:01.1234567899999999999999Z - - - - -").timestamp?.nanoseconds == 1_123_456_789)
        #expect(read("<1>1 1970-01-01T00:00:01.5+00:00 - - - - -").timestamp?.nanoseconds == 1_500_000_000)
        #expect(read("<1>1 1969-12-31T23:59:59Z - - - - -").timestamp == Instant(seconds: -1))
        #expect(read("<1>1 1678-01-01T00:00:00+23:59 - - - - -").timestamp?.description == "1677-12-31T00:01:00.000Z")
        #expect(read("<1>1 2261-12-31T23:59:60.9-23:59 - - - - -").timestamp?.description == "2262-01-01T23:59:00.900Z")
        for outside in ["1677-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "0000-01-01T00:00:00Z"] {
            #expect(read("<1>1 \(outside) - - - - -").format == .unparsed)
        }
    }

    @Test func `names are those of syslog`() {
        #expect(SyslogMessage.facilityNames.count == 24 && SyslogMessage.severityNames.count == 8)
        #expect(read("<165>x").facility == 20 && read("<165>x").severity == 5)
        #expect(read("x").facility == nil && read("x").severityName == nil)
        var odd = read("<165>x")
        (odd.facility, odd.severity) = (24, 8)
        #expect(odd.facilityName == nil && odd.severityName == nil)
    }

    @Test(arguments: [
        ("x\n", "x"), ("x\r\n", "x"), ("x\0", "x"), ("x\n\0", "x"), ("x\n\n", "x\n"), ("x\r", "x\r"), ("\n", ""),
    ])
    func `one end of line is no part of the message`(text: String, expected: String) {
        #expect(read("<13>" + text).message == Array(expected.utf8))
        #expect(read(text).message == Array(expected.utf8))
    }

    @Test func `the bytes of a message are kept as they are`() {
        let bytes: [UInt8] = Array("<13>Mar  5 11:59:01 h a: ".utf8) + [0xff, 0x00, 0xfe, 0x41]
        #expect(SyslogMessage(bytes[...], now: now).message == [0xff, 0x00, 0xfe, 0x41])
        // A slice that does not begin at 0.
        #expect(SyslogMessage(([1, 2] + bytes)[2...], now: now).appName == "a")
        let marked = Array("<13>1 - - - - - - ".utf8) + [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, 0x41]
        #expect(SyslogMessage(marked[...], now: now).message == [0xef, 0xbb, 0xbf, 0x41])
    }

    @Test func `fields, tags and structured data have limits`() {
        let longest = String(repeating: "a", count: SyslogLimits.fieldBytes)
        #expect(read("<13>1 - \(longest) - - - -").host == longest)
        #expect(read("<13>1 - \(longest)a - - - -").format == .unparsed)
        let tag = String(repeating: "t", count: SyslogLimits.tagBytes)
        #expect(read("<13>\(tag): x").appName == tag && read("<13>\(tag)t: x").appName == nil)
        #expect(read("<13>Mar  5 11:59:01 \(longest)a tag: x").host == nil)
        #expect(read("<13>1 - - - - - [\(longest)a] x").isDamaged && !read("<13>1 - - - - - [\(longest)] x").isDamaged)

        let parameters = (0...SyslogLimits.parameters).map { " p\($0)=\"v\"" }.joined()
        let many = read("<13>1 - - - - - [id\(parameters)] x")
        #expect(many.structuredData.first?.parameters.count == SyslogLimits.parameters && many.leftOutData == 1)
        #expect(many.message == Array("x".utf8) && !many.isDamaged)
        let elements = read(
            "<13>1 - - - - - " + String(repeating: "[e a=\"b\"]", count: SyslogLimits.elements + 2) + " x")
        #expect(elements.structuredData.count == SyslogLimits.elements && elements.leftOutData == 4)
        #expect(elements.structuredData.last == SyslogMessage.Element("e", [SyslogMessage.Parameter("a", "b")]))
    }
}

@Suite struct SyslogMutationTests {
    @Test func `no bytes make it trap, and none are lost when nothing is understood`() {
        var generator = SplitMix(seed: 5_424)
        let texts = (SyslogMessages.structured + SyslogMessages.plain).map { Array($0.0.utf8) }
        var formats: [SyslogMessage.Format: Int] = [:]
        for round in 0..<60_000 {
            let bytes = mutated(texts[round % texts.count], &generator)
            let message = SyslogMessage(bytes[...], now: now, offsetSeconds: Int64(round % 50_000) - 25_000)
            formats[message.format, default: 0] += 1
            #expect(message.message.count <= bytes.count)
            if message.format == .unparsed, let last = bytes.last, last != 0x0a, last != 0 {
                #expect(message.message == bytes)
            }
            // The message is what the text ends with, whatever was read in front of it.
            if let last = bytes.last, last != 0x0a, last != 0 {
                #expect(bytes.suffix(message.message.count) == message.message[...])
            }
            #expect((message.severity ?? 0) < 8 && (message.facility ?? 0) < 24)
            #expect((message.severity == nil) == (message.facility == nil))
        }
        #expect(SyslogMessage.Format.allCases.allSatisfy { formats[$0, default: 0] > 3_000 })
    }

    @Test func `random bytes are messages too`() {
        var generator = SplitMix(seed: 3_164)
        for _ in 0..<20_000 {
            let head =
                ["", "<13>", "<13>1 ", "<13>Mar  5 11:59:01 ", "<13>1 - - - - - ["].randomElement(using: &generator)
                ?? ""
            let noise = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator) & (head.isEmpty ? 0xff : 0x7f)
            }
            let message = SyslogMessage((Array(head.utf8) + noise)[...], now: now)
            #expect(message.message.count <= head.utf8.count + noise.count)
        }
    }
}
