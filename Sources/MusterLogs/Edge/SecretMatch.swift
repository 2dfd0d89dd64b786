import MusterModel

/// Bytes of a line that are a secret.
struct SecretMatch: Sendable {
    var range: Range<Int>
    /// Index of the rule.
    var rule: Int
    /// Put around what stands instead, so that JSON stays JSON: the range of the quote in the line, if one is needed.
    var quote: Range<Int>?

    init(_ range: Range<Int>, rule: Int, quote: Range<Int>? = nil) {
        self.range = range
        self.rule = rule
        self.quote = quote
    }
}

/// What three bytes may be a part of. The number in `trigrams` is how far behind the secret's (or the key's) first byte
/// the last of the three stands.
enum SecretAnchor: Sendable {
    case token(TokenShape, offset: Int)
    case jwt(offset: Int)
    case privateKey(offset: Int)
    case authorization(offset: Int)
    case url(offset: Int)
    case key(SecretKeyWord, offset: Int)

    /// Every trigram that leads to a rule. `api_key`, `passwd` and so on have one each; which secrets they find is in
    /// the last column.
    static let trigrams: [(String, SecretAnchor, Set<LogProcessing.Secret>)] = [
        ("kia", .token(.awsKeyID, offset: 3), [.awsKeyID]), ("sia", .token(.awsKeyID, offset: 3), [.awsKeyID]),
        ("bia", .token(.awsKeyID, offset: 3), [.awsKeyID]), ("cca", .token(.awsKeyID, offset: 3), [.awsKeyID]),
        ("hp_", .token(.github, offset: 3), [.githubToken]), ("ho_", .token(.github, offset: 3), [.githubToken]),
        ("hu_", .token(.github, offset: 3), [.githubToken]), ("hs_", .token(.github, offset: 3), [.githubToken]),
        ("hr_", .token(.github, offset: 3), [.githubToken]), ("ub_", .token(.githubPAT, offset: 6), [.githubToken]),
        ("lpa", .token(.gitlab, offset: 3), [.gitlabToken]), ("xox", .token(.slack, offset: 2), [.slackToken]),
        ("k_l", .token(.stripe, offset: 3), [.stripeKey]), ("aiz", .token(.google, offset: 2), [.googleKey]),
        ("eyj", .jwt(offset: 2), [.jwt]), ("--b", .privateKey(offset: 5), [.privateKey]),
        ("hor", .authorization(offset: 5), [.authorization]), ("://", .url(offset: 2), [.urlPassword]),
        (":\\/", .url(offset: 2), [.urlPassword]),
        ("swo", .key(.password, offset: 5), [.keyedValue]), ("swd", .key(.passwd, offset: 5), [.keyedValue]),
        ("ssp", .key(.passphrase, offset: 4), [.keyedValue]), ("pwd", .key(.pwd, offset: 2), [.keyedValue]),
        ("ecr", .key(.secret, offset: 3), [.keyedValue, .awsSecretKey]),
        ("tok", .key(.token, offset: 2), [.keyedValue]),
        ("pi_", .key(.apiKeyLow, offset: 3), [.keyedValue]), ("pi-", .key(.apiKeyDash, offset: 3), [.keyedValue]),
        ("pik", .key(.apiKey, offset: 3), [.keyedValue]),
    ]
}

/// Keys whose values are secret, by the end of their name.
enum SecretKeyWord: Sendable {
    case password, passwd, passphrase, pwd, secret, token, apiKeyLow, apiKeyDash, apiKey

    var text: [UInt8] { Self.texts[index] }

    private var index: Int {
        switch self {
        case .password: 0
        case .passwd: 1
        case .passphrase: 2
        case .pwd: 3
        case .secret: 4
        case .token: 5
        case .apiKeyLow: 6
        case .apiKeyDash: 7
        case .apiKey: 8
        }
    }

    private static let texts = [
        "password", "passwd", "passphrase", "pwd", "secret", "token", "api_key", "api-key", "apikey",
    ].map { Array($0.utf8) }

    /// What may follow `secret` in a key, longest first.
    static let secretTails = ["_access_key", "-access-key", "accesskey", "_key", "-key", "key"].map { Array($0.utf8) }
}

/// Tokens that a fixed beginning gives away.
enum TokenShape: Sendable {
    case awsKeyID, github, githubPAT, gitlab, slack, stripe, google

    /// The token that begins at `start`, or nil. Nothing is asked of the byte before it: in escaped text that is often
    /// a letter (`\n`, `%3D`). All bytes that can belong to the token are taken, also beyond its usual length.
    func range(in line: Span<UInt8>, at start: Int) -> Range<Int>? {
        switch self {
        case .awsKeyID:
            guard Self.prefixes.aws.contains(where: { line.has($0, at: start) }) else { return nil }
            return Self.run(line, start, 4, atLeast: 16) { ASCIIByte.isUpper($0) || ASCIIByte.isDigit($0) }
        case .github:
            guard line.byte(at: start) == 0x67 else { return nil }
            switch line.byte(at: start &+ 2) {
            case 0x70, 0x6f, 0x75, 0x73, 0x72: break
            default: return nil
            }
            guard line.byte(at: start &+ 1) == 0x68 else { return nil }
            return Self.run(line, start, 4, atLeast: 30) { ASCIIByte.isBase64URL($0) || $0 == 0x2e }
        case .githubPAT:
            guard line.has(Self.prefixes.githubPAT, at: start) else { return nil }
            return Self.run(line, start, 11, atLeast: 20) { ASCIIByte.isAlphanumeric($0) || $0 == 0x5f }
        case .gitlab:
            guard line.has(Self.prefixes.gitlab, at: start) else { return nil }
            return Self.run(line, start, 6, atLeast: 20) { ASCIIByte.isBase64URL($0) || $0 == 0x2e }
        case .slack:
            guard line.has(Self.prefixes.slack, at: start), line.byte(at: start &+ 4) == 0x2d else { return nil }
            switch line.byte(at: start &+ 3) {
            case 0x61, 0x62, 0x65, 0x6f, 0x70, 0x72, 0x73: break
            default: return nil
            }
            return Self.run(line, start, 5, atLeast: 10) { ASCIIByte.isAlphanumeric($0) || $0 == 0x2d }
        case .stripe:
            guard Self.prefixes.stripe.contains(where: { line.has($0, at: start) }) else { return nil }
            return Self.run(line, start, 8, atLeast: 10) { ASCIIByte.isAlphanumeric($0) || $0 == 0x5f }
        case .google:
            guard line.has(Self.prefixes.google, at: start) else { return nil }
            return Self.run(line, start, 4, atLeast: 35) { ASCIIByte.isBase64URL($0) }
        }
    }

    private struct Prefixes: Sendable {
        let aws = ["AKIA", "ASIA", "ABIA", "ACCA"].map { Array($0.utf8) }
        let githubPAT = Array("github_pat_".utf8)
        let gitlab = Array("glpat-".utf8)
        let slack = Array("xox".utf8)
        let stripe = ["sk_live_", "rk_live_"].map { Array($0.utf8) }
        let google = Array("AIza".utf8)
    }

    private static let prefixes = Prefixes()

    /// The beginning and the run of bytes behind it; a dot at its end is a sentence's.
    private static func run(
        _ line: Span<UInt8>, _ start: Int, _ prefix: Int, atLeast floor: Int, _ isPart: (UInt8) -> Bool
    ) -> Range<Int>? {
        var end = start &+ prefix
        while end < line.count, isPart(line[end]) { end &+= 1 }
        while end > start &+ prefix, line[end &- 1] == 0x2e { end &-= 1 }
        return end &- start &- prefix >= floor ? start..<end : nil
    }
}
