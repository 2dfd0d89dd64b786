import MusterInterchange
import MusterModel

extension Fixtures {
    /// Written by Google's protobuf library from the format's definition, with a hash, a parsed label and a format,
    /// which are read over: two streams, three entries.
    static let lokiPush = hex(
        """
        0a7c0a1e7b6170703d22776562222c20656e763d2270726f645c6e5c22785c22227d123c0a0b088ae2cfaa0610959aef3a12
        0566697273741a100a0874726163655f69641204306166371a0a0a04757365721202c3a922080a036c766c120178121a0a11
        08ffffffffffffffffff0110ff93ebdc031205ff00626164184d0a0f0a097b6a6f623d2262227d12020a0012046c6f6b69
        """)

    /// Written by the messages OpenTelemetry publishes: two resources, three scopes, five records.
    static let otlpLogs = hex(
        """
        0a89030a5a0a160a0c736572766963652e6e616d6512060a04636172740a180a0c6b38732e706f642e6e616d6512080a0663
        6172742d370a130a09686f73742e6e616d6512060a04776562310a0f0a09686f73742e6370757312021808100112fe010a1e
        0a06696f2e6c69621203312e321a0f0a046c616e6712070a05737769667412740915b19191009d971710111a054572726f72
        2a0c0a0a6974203c62726f6b653e32120a0b687474702e737461747573120318f403320b0a05726574727912021001380245
        010000004a100af7651916cd43dd8448eb211c80319c5208b7ad6b71692033315900aed0c5009d971762056372617368124b
        1a057761726e322a3932370a0b0a036d736712040a0268690a0e0a016e120921000000000000f83f0a180a046c6973741210
        2a0e0a030a01610a053a030102030a005900786b01019d971712090905000000000000001a0e68747470733a2f2f73636865
        6d61121a121809060000000000000010012a0b0a0973636f70656c6573731a0e68747470733a2f2f736368656d610a1a1218
        12160907000000000000002a0b18fdffffffffffffffff01
        """)
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

typealias Field = PushedLogs.Field

func entry(_ nanoseconds: Int64, _ line: String, severity: Int = 0, _ fields: [Field] = []) -> PushedLogs.Entry {
    PushedLogs.Entry(
        time: Instant(nanoseconds: nanoseconds), severity: severity, line: Array(line.utf8), fields: fields)
}

/// Pushes as a generator makes them: lines of any bytes, fields with names in the characters of labels.
func randomStreams(_ generator: inout SplitMix, isUTF8: Bool, labels: [String]) -> [PushedLogs.Stream] {
    func word(_ generator: inout SplitMix) -> String {
        let pieces = ["a", "\"", "\\", "\n", "é", "{", "}", ",", "=", "😀", "\t", "'", "`", "\u{1}", "\u{7f}", " "]
        let count = Int.random(in: 1...6, using: &generator)
        return (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
    }
    func fields(_ prefix: String, _ generator: inout SplitMix) -> [Field] {
        (0..<Int.random(in: 0...3, using: &generator)).map { Field("\(prefix)\($0)", word(&generator)) }
    }
    return (0..<Int.random(in: 1...4, using: &generator)).map { _ in
        let shared = fields("shared_", &generator)
        let entries = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
            let line =
                isUTF8
                ? Array(word(&generator).utf8)
                : (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            return PushedLogs.Entry(
                time: Instant(nanoseconds: Int64.random(in: Int64.min...Int64.max, using: &generator)), line: line,
                fields: fields("own_", &generator))
        }
        var set = Labels()
        for label in labels where set.isEmpty || Bool.random(using: &generator) { set[label] = word(&generator) }
        return PushedLogs.Stream(labels: set, fields: shared, entries: entries)
    }
}
