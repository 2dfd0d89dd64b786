import MusterCoordinator
import Testing

/// Parameters, from an address or from a form.
struct FormTests {
    @Test(
        arguments: [
            ("", []), ("a=1", ["a|1"]),
            ("match%5B%5D=%7Ba%3D%22b%22%7D&match[]=x", ["match[]|{a=\"b\"}", "match[]|x"]),
            ("a=1+2%2B3", ["a|1 2+3"]), ("a=b=c&d&=e&&f=", ["a|b=c", "d|", "|e", "f|"]), ("a=%zz%4", ["a|%zz%4"]),
            ("n=%C3%BC%0A", ["n|ü\n"]), ("a=%", ["a|%"]),
        ] as [(String, [String])])
    func namesAndValuesAreUnescaped(_ text: String, _ pairs: [String]) {
        #expect(FormText.pairs(Array(text.utf8)).map { "\($0.name)|\($0.value)" } == pairs)
    }

    @Test(
        arguments: [
            ("a_b", "a_b"), ("U__http_2e_status", "http.status"), ("U__a__b", "a_b"), ("U__", ""),
            ("U__x_zz_", "U__x_zz_"),
            ("U__x_2e", "U__x_2e"), ("U__x_110000_", "U__x_110000_"),
        ])
    func labelNamesInPathsAreUnescaped(_ text: String, _ name: String) {
        #expect(LabelName.unescaped(text) == name)
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-03-01T09:30:00.25Z", 1_772_357_400_250),
            ("2026-03-01T10:30:00+01:00", 1_772_357_400_000), ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("1969-12-31T23:59:59Z", -1_000), ("2026-03-01T09:30:00", nil), ("2026-13-01T09:30:00Z", nil),
            ("yesterday", nil), ("", nil), ("2026-03-01T09:30:00+1:00", nil),
        ] as [(String, Int64?)])
    func timesAreRead(_ text: String, _ milliseconds: Int64?) {
        #expect(TimeText.milliseconds(text) == milliseconds)
    }
}
