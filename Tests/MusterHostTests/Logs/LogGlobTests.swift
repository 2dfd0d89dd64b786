import MusterHost
import Testing

@Suite struct LogGlobTests {
    @Test(arguments: [
        ("/var/log/*.log", "/var/log/a.log", true), ("/var/log/*.log", "/var/log/a.log.1", false),
        ("/var/log/*.log", "/var/log/x/a.log", false), ("/var/log/*.log", "/var/log/.a.log", false),
        ("/var/log/.*", "/var/log/.a", true), ("/var/log/a.log*", "/var/log/a.log.1", true),
        ("/var/log/a.log*", "/var/log/a.log.1.gz", false), ("/var/log/a.gz", "/var/log/a.gz", true),
        ("/v/?.log", "/v/é.log", true), ("/v/?.log", "/v/ab.log", false), ("/v/**/x", "/v/x", true),
        ("/v/**/x", "/v/a/b/x", true), ("/v/**/x", "/v/a/b/y", false), ("/v/**/x", "/v/1/2/3/4/5/6/7/8/9/x", false),
        ("/v/*/x/*.log", "/v/a/x/b.log", true), ("/v/a*b*c", "/v/aXbYbZc", true), ("/v/a*b*c", "/v/aXbYbZ", false),
        ("/exact/file", "/exact/file", true), ("/exact/file", "/exact/file2", false), ("/v/*", "relative", false),
    ]) func `paths match`(glob: String, path: String, isMatch: Bool) throws {
        #expect(try #require(LogGlob(glob)).matches(path) == isMatch)
    }

    @Test(arguments: [
        "", "relative/*.log", "/dir/", "/a/../b", "/a/**", "/", "/a\0b", "/" + String(repeating: "x", count: 5_000),
    ])
    func `globs that cannot work are refused`(text: String) {
        #expect(LogGlob(text) == nil)
    }

    @Test func `a pattern full of stars takes no time`() throws {
        let glob = try #require(LogGlob("/v/" + String(repeating: "*a", count: 50) + "b"))
        #expect(!glob.matches("/v/" + String(repeating: "a", count: 250)))
    }
}
