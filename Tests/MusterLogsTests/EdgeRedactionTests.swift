import MusterLogs
import MusterModel
import Testing

// Secrets are put together from parts, so that no scanner of repositories takes them for real ones.
private let upper = "ABCDEFGH23456789"
private let forty = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"
private let aws = "AK" + "IA" + upper
private let jwt = "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxIn0.abc-DEF_123"
private let unsigned = "ey" + "JhbGciOiJub25lIn0.ey" + "JzdWIiOiIxIn0."
private let begin = "-----BEGIN RSA PRIVATE" + " KEY-----"
private let end = "-----END RSA PRIVATE" + " KEY-----"

private func redacted(_ rule: String) -> String { "[redacted:\(rule)]" }

@Suite struct SecretsByShape {
    static let tokens: [(String, String)] = [
        ("aws-key-id", aws), ("aws-key-id", "AS" + "IA" + upper), ("aws-key-id", "AB" + "IA" + upper),
        ("aws-key-id", "AC" + "CA" + upper), ("github-token", "gh" + "p_" + forty),
        ("github-token", "gh" + "o_" + forty),
        ("github-token", "gh" + "u_" + forty), ("github-token", "gh" + "s_" + forty),
        ("github-token", "gh" + "r_" + forty),
        ("github-token", "gh" + "s_123_" + jwt), ("github-token", "github" + "_pat_" + forty + "_" + forty),
        ("gitlab-token", "glp" + "at-" + "abcdefghij0123456789"),
        ("gitlab-token", "glp" + "at-" + "abcdefghij0123456789.01.a2"),
        ("slack-token", "xo" + "xb-123456789012-abcdefABCDEF"), ("slack-token", "xo" + "xa-2-123456789012"),
        ("slack-token", "xo" + "xp-123456789012-x"), ("slack-token", "xo" + "xr-123456789012"),
        ("stripe-key", "sk" + "_live_" + "abcdefghijklmnopqrstuvwx"),
        ("stripe-key", "rk" + "_live_" + "abcdefghijklmnopqrstuvwx"),
        ("google-key", "AI" + "za" + forty.prefix(35)), ("jwt", jwt), ("jwt", unsigned),
        ("jwt", jwt + ".part4.part5"),
    ]

    @Test(arguments: tokens) func `a token goes wherever it stands`(rule: String, token: String) {
        var redactor = Redactor()
        let places: [(String, String)] = [
            ("", ""), ("a line with ", " in it"), ("{\"k\":\"", "\",\"n\":1}"), ("x=", ""), ("(", ")"), ("\\n", "\\n"),
            ("é", "é"), ("%3D", "%20"),
            ("see ", ", please"), ("0123456", " "), ("\0", "\0"),
        ]
        for (before, after) in places {
            // Where letters may go on with the token, what follows is not asked to stay.
            #expect(redactor.text(before + token + after) == before + redacted(rule) + after)
        }
        #expect(redactor.count(rule) == UInt64(places.count))
        #expect(redactor.counts.reduce(0, +) == UInt64(places.count))
        #expect(redactor.text("\(token) \(token)") == "\(redacted(rule)) \(redacted(rule))")
    }

    @Test func `a token is found at every offset and before every byte`() {
        var redactor = Redactor(secrets: LogProcessing.Secret.allCases.filter { $0 != .card })
        for (rule, token) in Self.tokens {
            for offset in 0..<20 {
                let before = String(repeating: "-/", count: offset / 2) + String(repeating: "p", count: offset % 2)
                #expect(redactor.text("\(before) \(token) x") == "\(before) \(redacted(rule)) x", "at \(offset)")
            }
            for byte in UInt8.min...UInt8.max {
                let result = redactor.bytes([byte] + Array(token.utf8))
                #expect(!String(decoding: result, as: UTF8.self).contains(token), "behind \(byte)")
            }
        }
    }

    @Test func `a clean line costs what it costs: the counts stay, and so does the output`() {
        var redactor = Redactor()
        #expect(redactor.text("pwd=x") == "pwd=[redacted:secret]")
        let before = (redactor.counts, redactor.output)
        #expect(redactor.text("nothing here") == "nothing here")
        #expect(redactor.counts == before.0 && redactor.output == before.1)
    }

    /// `~` stands where a scanner of repositories would be misled.
    static let lookalikes: [String] = [
        "AK~IAABCDEFGH2345678", "ak~ia\(upper.lowercased())", "xk~ia", "gh~p_short", "gh~x_\(forty)", "Gh~p_\(forty)",
        "github~_pat_x",
        "glp~at-short", "xo~xz-123456789012-abc", "xo~xb-123", "sk~_live_x", "sk~_test_\(forty)",
        "AI~za\(forty.prefix(34))", "ey~Jhbg.abc",
        "ey~JhbGciOiJIUzI1NiJ9.abc", "ey~Jhbg.a.b", "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "--b",
        "hp_ hs_ ub_ lpa xox k_l aiz eyj hor :// swo swd ssp pwd ecr tok pi_ pi- pik",
    ]

    @Test(arguments: lookalikes) func `what only resembles a token stays`(text: String) {
        let text = text.replacing("~", with: "")
        var redactor = Redactor()
        #expect(redactor.text(text) == text)
        #expect(redactor.counts.allSatisfy { $0 == 0 })
    }

    @Test func `only the rules asked for work`() {
        let lines: [(LogProcessing.Secret, String)] = [
            (.awsKeyID, aws), (.githubToken, "gh" + "p_" + forty), (.gitlabToken, "glp" + "at-" + forty), (.jwt, jwt),
            (.slackToken, "xo" + "xb-123456789012"), (.stripeKey, "sk" + "_live_" + forty),
            (.googleKey, "AI" + "za" + forty),
            (.privateKey, begin + "abc" + end), (.authorization, "Authorization: Basic abcd"),
            (.urlPassword, "http://u:p@h"),
            (.keyedValue, "password=x"), (.awsSecretKey, "aws_secret_access_key=x"), (.card, "4111 1111 1111 1111"),
        ]
        #expect(Set(lines.map(\.0)) == Set(LogProcessing.Secret.allCases))
        for (secret, line) in lines {
            for other in LogProcessing.Secret.allCases where other != secret {
                var redactor = Redactor(secrets: [other])
                guard !(secret == .awsSecretKey && other == .keyedValue) else { continue }
                #expect(redactor.text(line) == line, "\(other)")
            }
            var redactor = Redactor(secrets: [secret])
            #expect(redactor.text(line).contains(redacted(secret.rawValue)))
            var none = Redactor(secrets: [])
            #expect(none.text(line) == line)
        }
    }
}

@Suite struct SecretsByContext {
    @Test(arguments: [
        ("password=hunter2 user=a", "password=# user=a"), ("DB_PASSWORD=hunter2", "DB_PASSWORD=#"),
        ("passwd: x", "passwd: #"),
        ("pwd = x y", "pwd = # y"), ("secret='a b' c", "secret='#' c"), ("token=\"a \\\" b\" c", "token=\"#\" c"),
        ("api_key=x", "api_key=#"),
        ("X-Api-Key: x", "X-Api-Key: #"), ("apikey:x", "apikey:#"), ("passphrase=\"\"", "passphrase=\"\""),
        ("passphrase=x", "passphrase=#"), ("accessToken=x", "accessToken=#"),
        (#"{"password":"a\"b","n":1}"#, ##"{"password":"#","n":1}"##),
        (#"{"token": 12345, "n":1}"#, ##"{"token": "#", "n":1}"##),
        (#"{"token":null,"secret":true,"pwd":false}"#, #"{"token":null,"secret":true,"pwd":false}"#),
        (#"{"secret":{"a":"}","b":[1]},"n":1}"#, ##"{"secret":"#","n":1}"##),
        (#"{"secret":["a","b]"],"n":1}"#, ##"{"secret":"#","n":1}"##),
        (#"{"msg":"{\"password\":\"a\\\"b\",\"n\":1}"}"#, ##"{"msg":"{\"password\":\"#\",\"n\":1}"}"##),
        (#"{"msg":"{\"token\":5}"}"#, ##"{"msg":"{\"token\":\"#\"}"}"##),
        (#"{"msg":"password=a\\b","n":1}"#, ##"{"msg":"password=#","n":1}"##),
        (#"{"msg":"say \"password=abc\" now"}"#, ##"{"msg":"say \"password=#\" now"}"##),
        ("GET /x?token=abc&y=1#z", "GET /x?token=#&y=1#z"), ("/x?a=1&api_key=abc#frag", "/x?a=1&api_key=##frag"),
        ("?user[password]=a&b=1", "?user[password]=#&b=1"),
        ("?user%5Bpassword%5D=a&b=1", "?user%5Bpassword%5D=#&b=1"), ("password%3Dabc", "password%3D#"),
        (#""password" => "x""#, ##""password" => "#""##),
        ("{'password': 'x', 'n': 1}", "{'password': '#', 'n': 1}"), ("password=a&b=c d", "password=# d"),
        ("token: Bearer abc def", "token: # def"),
        ("client_secret=x", "client_secret=#"), ("SECRET_KEY=x", "SECRET_KEY=#"), ("password=\"open", "password=\"#"),
        ("pass\u{e9} password=\u{e9}\u{e9} x", "pass\u{e9} password=# x"),
        ("password=[redacted:secret] a", "password=[redacted:secret] a"), ("password=[redacted:x", "password=#"),
    ]) func `values of keys`(line: String, expected: String) {
        var redactor = Redactor()
        let result = redactor.text(line)
        let parts = expected.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        #expect(result == parts.joined(separator: redacted("secret")))
        #expect(redactor.text(result) == result, "a second time")
    }

    @Test(arguments: [
        "tokens=5", "token_count=5", "password reset", "passwords: 3", "password", "password=", "token: ",
        "secret_name=x", "api_keys=2", "a password was wrong",
        "secretary: Ann", "pwd", "{\"password\":\"\"}", "{\"token\":", "tokenizer=fast",
    ]) func `keys that only resemble`(line: String) {
        var redactor = Redactor()
        #expect(redactor.text(line) == line)
    }

    @Test(arguments: [
        ("aws_secret_access_key=abc/def+x", "aws_secret_access_key=[redacted:aws-secret-key]"),
        ("AWS_SECRET_ACCESS_KEY: abc", "AWS_SECRET_ACCESS_KEY: [redacted:aws-secret-key]"),
        (#"{"SecretAccessKey":"abc"}"#, #"{"SecretAccessKey":"[redacted:aws-secret-key]"}"#),
        ("Authorization: Bearer abc.def x", "Authorization: Bearer [redacted:authorization] x"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic [redacted:authorization]"),
        (
            "curl -H 'Authorization: Bearer abc' http://h",
            "curl -H 'Authorization: Bearer [redacted:authorization] http://h"
        ),
        (#"{"authorization":"Bearer a b","n":1}"#, #"{"authorization":"Bearer [redacted:authorization]","n":1}"#),
        (#"{"Authorization":["Bearer abc"],"n":1}"#, #"{"Authorization":["Bearer [redacted:authorization]"],"n":1}"#),
        ("map[Authorization:[Bearer abc] Host:[h]]", "map[Authorization:[Bearer [redacted:authorization]] Host:[h]]"),
        ("{'Proxy-Authorization': 'Basic abc'}", "{'Proxy-Authorization': 'Basic [redacted:authorization]'}"),
        ("Authorization: Digest username=\"u\", response=\"r\"", "Authorization: Digest [redacted:authorization]"),
        ("Authorization: 3f9a8b7c", "Authorization: [redacted:authorization]"),
        ("authorization: denied for u", "authorization: denied for u"),
        ("authorization failed", "authorization failed"),
        ("authorization=Bearer%20abc", "authorization=[redacted:authorization]"),
        ("postgres://app:s3cr:et@db:5432/x", "postgres://app:[redacted:url-password]@db:5432/x"),
        ("redis://:p@h", "redis://:[redacted:url-password]@h"),
        ("https://u:p@ss@h/x?a=b@c", "https://u:[redacted:url-password]@h/x?a=b@c"),
        ("\"https:\\/\\/u:p@h\\/x\"", "\"https:\\/\\/u:[redacted:url-password]@h\\/x\""),
        ("http://h:80/a@b", "http://h:80/a@b"), ("http://u@h:80", "http://u@h:80"), ("http://u:@h", "http://u:@h"),
        ("http://h:80 a@b", "http://h:80 a@b"),
        ("http://a http://u:p@h", "http://a http://u:[redacted:url-password]@h"),
    ]) func `headers, URLs and keys of clouds`(line: String, expected: String) {
        var redactor = Redactor()
        #expect(redactor.text(line) == expected)
        #expect(redactor.text(expected) == expected, "a second time")
    }

    @Test func `a token as a value counts once`() {
        var redactor = Redactor()
        #expect(redactor.text("token=\(jwt) x") == "token=[redacted:secret] x")
        #expect(redactor.text("http://u:\(aws)@h") == "http://u:[redacted:url-password]@h")
        #expect(redactor.counts.reduce(0, +) == 2)
    }
}

@Suite struct PrivateKeys {
    private let body = String(repeating: "MIIEvQIBADANBgkq", count: 4)

    @Test func `a block in one event goes whole`() {
        var redactor = Redactor()
        #expect(redactor.text("a \(begin)\n\(body)\n\(end) b") == "a [redacted:private-key] b")
        #expect(redactor.text("{\"k\":\"\(begin)\\n\(body)\\n\(end)\\n\"}") == "{\"k\":\"[redacted:private-key]\\n\"}")
        #expect(redactor.text("{\"k\":\"\(begin)\\n\(body)\",\"n\":1}") == "{\"k\":\"[redacted:private-key]\",\"n\":1}")
        #expect(redactor.text(body) == body)
        #expect(redactor.count("private-key") == 3)
    }

    @Test func `a block over several lines is followed to its end`() {
        var redactor = Redactor()
        #expect(redactor.text("dump: " + begin) == "dump: [redacted:private-key]")
        #expect(redactor.text("Proc-Type: 4,ENCRYPTED") == "Proc-Type: 4,ENCRYPTED")
        #expect(redactor.text("") == "")
        #expect(redactor.text(body) == "[redacted:private-key]")
        #expect(redactor.text("Mar 1 host app: \(body)") == "Mar 1 host app: [redacted:private-key]")
        #expect(redactor.text("abc=") == "[redacted:private-key]")
        #expect(redactor.text("\(end) password=x") == "[redacted:private-key] password=[redacted:secret]")
        #expect(redactor.text(body) == body)
    }

    @Test func `an end that never comes is given up`() {
        var redactor = Redactor()
        _ = redactor.text(begin)
        for _ in 0..<4 { #expect(redactor.text("a plain line") == "a plain line") }
        #expect(redactor.text(body) == body)
        _ = redactor.text(begin)
        for _ in 0..<Redactor.openKeyLines { #expect(redactor.text(body) != body) }
        #expect(redactor.text(body) == body)
        _ = redactor.text(begin)
        redactor.reset()
        #expect(redactor.text(body) == body)
    }
}

@Suite struct Cards {
    static let numbers = [
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4222222222222", "5555555555554444",
        "2223003122003222", "378282246310005",
        "3782 822463 10005", "6011111111111117", "3530111333300000", "30569309025904", "6759649826438453",
        "6212341111111111116", "4000000000000000006",
        "2200123456789019",
    ]

    @Test(arguments: numbers) func `a card goes wherever it stands`(number: String) {
        var redactor = Redactor()
        for before in [
            "", "pan ", "card=", "{\"c\":\"", "card", "\\n", "2026-03-01 09:30:00 ", "17 5 ", "é",
            String(repeating: "x", count: 29),
        ] {
            for after in ["", " paid", "\"}", ",", ".", " 12", "é"] {
                #expect(redactor.text(before + number + after) == before + "[redacted:card]" + after)
            }
        }
        #expect(redactor.text("\(number), \(number)") == "[redacted:card], [redacted:card]")
    }

    @Test(arguments: [
        "4111111111111112", "1111111111111117", "9111111111111111", "411111111111111", "41111111111111111111",
        "4111  1111 1111 1111", "4111--1111-1111-1111",
        "4111_1111_1111_1111", "0.4111111111111111", "ab4111111111111111", "4111111111111111ab", "1772357400123",
        "1772357400123456", "2026-03-01 09:30:00",
        "378282246310006 4", "------------------------", "             ", "4111 1111 1111 111", "61 2 3 4",
    ]) func `other numbers stay`(text: String) {
        var redactor = Redactor()
        #expect(redactor.text(text) == text)
    }

    @Test func `every offset within a long line is seen`() {
        var redactor = Redactor(secrets: [.card])
        for offset in 0..<60 {
            let line = String(repeating: "x", count: offset) + "4222222222222" + String(repeating: "y", count: 20)
            #expect(redactor.text(line).contains("[redacted:card]"), "at \(offset)")
        }
    }

    @Test func `a long run of digits and spaces takes no long time and leaves nothing out`() {
        var redactor = Redactor(secrets: [.card])
        let line = String(repeating: "4 1 ", count: 8_000) + "z4111111111111111"
        #expect(redactor.text(line).hasSuffix("z[redacted:card]"))
    }
}

@Suite struct RedactionAsAWhole {
    @Test func `clean lines are not touched`() {
        var redactor = Redactor()
        for text in [
            #"{"time":"2026-03-01T09:30:00.123Z","path":"/api?page=2","status":200,"ua":"Mozilla/5.0 (X11) Chrome/1.0"}"#,
            "",
            "level=info msg=\"request served\" request_id=5f0c6a1e-8f7e-4c3b-9d1a-2b3c4d5e6f70",
        ] {
            let bytes = Array(text.utf8)
            #expect(redactor.redact(bytes.span) == false)
        }
    }

    @Test func `own patterns work beside the others`() throws {
        let patterns = [
            SecretPattern(name: "customer", pattern: try searching("cust-([0-9]+)"), group: 1),
            SecretPattern(name: "word", pattern: try searching("hush")),
            SecretPattern(name: "safe", pattern: try searching("hidden"), group: 7),
        ]
        var redactor = Redactor(patterns: patterns)
        #expect(
            redactor.text("cust-12 hush password=x cust-3")
                == "cust-[redacted:customer] [redacted:word] password=[redacted:secret] cust-[redacted:customer]")
        #expect(redactor.text("hidden") == "[redacted:safe]", "a group that is not there must not let it pass")
        #expect(redactor.text("password=hush!") == "password=[redacted:secret]", "overlaps are one")
        #expect(redactor.count("customer") == 2 && redactor.count("word") == 2 && redactor.count("secret") == 2)
        #expect(redactor.ruleNames.suffix(3) == ["customer", "word", "safe"])
    }

    struct Bytes: SearchPattern {
        let ranges: [Range<Int>?]?
        let groupNames: [String: Int] = [:]
        func isFound(in bytes: Span<UInt8>) -> Bool { true }
        func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]? { start == 0 ? ranges : nil }
    }

    @Test func `characters are never split, and nonsense from a pattern is ignored`() {
        var split = Redactor(patterns: [SecretPattern(name: "a", pattern: Bytes(ranges: [2..<3]))])
        #expect(split.text("x\u{1f600}y") == "x[redacted:a]y")
        for ranges in [[], [nil], [0..<99], [3..<3]] as [[Range<Int>?]] {
            var odd = Redactor(patterns: [SecretPattern(name: "a", pattern: Bytes(ranges: ranges))])
            #expect(odd.text("abcdef") == "abcdef")
        }
    }

    @Test func `what grows too long is cut at a character`() {
        var redactor = Redactor()
        let line = String(repeating: "pwd=x ", count: 2_000) + String(repeating: "\u{1f600}", count: 13_000)
        let result = redactor.bytes(Array(line.utf8))
        #expect((Redactor.outputBytes - 3...Redactor.outputBytes).contains(result.count))
        #expect(String(validating: result, as: UTF8.self) != nil)
        #expect(redactor.cutLines == 1)
        #expect(redactor.text("pwd=x") == "pwd=[redacted:secret]" && redactor.cutLines == 1)
    }

    @Test func `noise never traps, UTF-8 stays UTF-8, and a planted secret never survives`() {
        var generator = SeededGenerator(seed: 77)
        let pieces = [
            "password", "=", ":", "\"", "\\", "'", " ", "{", "}", "[", "]", "token", "Authorization", "Bearer ", "://",
            "@", "-----BEGIN ", "PRIVATE", "é", "😀", "4111",
            "-", "ey" + "J", ".", "%3D", "&", "?", "secret", "_key", "null", "\n",
        ]
        for _ in 0..<4_000 {
            var redactor = Redactor()
            let noise = { (generator: inout SeededGenerator) in
                (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                    pieces[Int.random(in: pieces.indices, using: &generator)]
                }.joined()
            }
            let line = noise(&generator) + " " + aws + " " + noise(&generator)
            let result = redactor.bytes(Array(line.utf8))
            let text = String(validating: result, as: UTF8.self)
            #expect(text != nil)
            #expect(text?.contains(aws) == false, "\(line)")
        }
        var redactor = Redactor()
        for _ in 0..<4_000 {
            let bytes = (0..<80).map { _ in UInt8.random(in: 0...255, using: &generator) }
            _ = redactor.bytes(bytes)
        }
        #expect(redactor.bytes(Array(aws.utf8)) != Array(aws.utf8))
    }
}
