/// What the agent does with the lines of one source before they travel, as it was written: expressions are still text.
/// MusterConfig reads it, MusterLogs compiles it into what works on lines. Everything is optional, and what is present
/// happens in this order: lines become events, secrets go, fields are taken, the level is found, then dropping,
/// sampling and the rate decide what stays.
package struct LogProcessing: Equatable, Sendable {
    package static let multilineLinesRange = 2...10_000
    package static let defaultMultilineLines = 500
    package static let maxSecretPatterns = 32
    package static let maxDropRules = 64
    /// A regular expression or a literal, in UTF-8 bytes.
    package static let expressionBytes = 4_096
    /// The name of a pattern for secrets; it stands in the line instead of what was found.
    package static let ruleNameBytes = 32
    package static let groupRange = 0...99
    package static let sampleRange = 2...1_000_000
    package static let lineRateRange = 1...1_000_000
    package static let byteRateRange = 1_024...(1 << 30)
    package static let burstRange = Duration.milliseconds(100)...Duration.minutes(5)
    package static let defaultBurst = Duration.seconds(5)

    package var multiline: Multiline?
    package var redaction: Redaction?
    package var fields: Fields?
    /// Whether lines are given out with their level. Rules that need it find it in any case.
    package var findsLevel = true
    /// Of several that match, the first counts.
    package var drops: [Drop] = []
    package var sample: Sample?
    package var rate: Rate?

    package init() {}

    /// True when it is as it is where nothing was written: lines pass as they are, with their level.
    package var isEmpty: Bool { self == LogProcessing() }
}

extension LogProcessing {
    /// A regular expression (RE2) and where it was written, so that the one who compiles it can say what is wrong
    /// there.
    package struct Expression: Equatable, Sendable {
        package var text: String
        /// Dotted path of its key.
        package var key: String
        package var position: SourcePosition

        package init(_ text: String, key: String, position: SourcePosition) {
            self.text = text
            self.key = key
            self.position = position
        }

        /// The place is for messages only.
        package static func == (a: Expression, b: Expression) -> Bool { a.text == b.text }

        package func error(_ problem: String, allowed: String) -> ConfigError {
            ConfigError(position: position, key: key, problem: problem, allowed: allowed)
        }
    }

    /// Which lines belong to the event before them.
    package struct Multiline: Equatable, Sendable {
        package enum Kind: Equatable, Sendable {
            /// An event begins where the expression is found.
            case start(Expression)
            /// Lines that begin with a space or a tab go on, and empty ones.
            case indented
            case java
            case python
            case go
        }

        package var kind: Kind
        /// Lines of one event.
        package var maxLines: Int

        package init(_ kind: Kind, maxLines: Int = defaultMultilineLines) {
            self.kind = kind
            self.maxLines = maxLines
        }
    }

    /// What must not leave the host.
    package struct Redaction: Equatable, Sendable {
        /// One of the user's own.
        package struct Pattern: Equatable, Sendable {
            package var name: String
            package var expression: Expression
            /// What this group captured is replaced; 0 is the whole match.
            package var group: Int

            package init(name: String, expression: Expression, group: Int = 0) {
                self.name = name
                self.expression = expression
                self.group = group
            }
        }

        package var secrets: [Secret]
        package var patterns: [Pattern]

        package init(secrets: [Secret] = Secret.allCases, patterns: [Pattern] = []) {
            self.secrets = secrets
            self.patterns = patterns
        }
    }

    /// Secrets the agent knows by their shape. The raw value is the name in the document and in the line.
    package enum Secret: String, CaseIterable, Sendable {
        case awsKeyID = "aws-key-id"
        case awsSecretKey = "aws-secret-key"
        case githubToken = "github-token"
        case gitlabToken = "gitlab-token"
        case slackToken = "slack-token"
        case stripeKey = "stripe-key"
        case googleKey = "google-key"
        case jwt
        case privateKey = "private-key"
        case authorization
        case urlPassword = "url-password"
        /// Values of keys such as `password`, `token`, `api_key`.
        case keyedValue = "secret"
        /// Numbers of payment cards.
        case card
    }

    /// How fields are taken from a line.
    package enum Fields: Equatable, Sendable {
        case json
        case logfmt
        /// Groups with a name become fields.
        case pattern(Expression)
    }

    /// A rule about lines of which something is found.
    package struct Drop: Equatable, Sendable {
        package enum Condition: Equatable, Sendable {
            /// These bytes, as they are.
            case contains(String)
            case matches(Expression)
            /// Only the level counts.
            case always
        }

        package var condition: Condition
        /// Only lines of these levels; empty is all.
        package var levels: [LogLevel]
        /// A rule that keeps ends the search for one that drops.
        package var keeps: Bool

        package init(_ condition: Condition, levels: [LogLevel] = [], keeps: Bool = false) {
            self.condition = condition
            self.levels = levels
            self.keeps = keeps
        }
    }

    /// One line of `keepOneOf` stays, by what is in it.
    package struct Sample: Equatable, Sendable {
        package var keepOneOf: Int
        /// Only lines of these levels are sampled; `error` and `fatal` always stay.
        package var levels: [LogLevel]

        package static let defaultLevels = LogLevel.allCases.filter { $0 != .error && $0 != .fatal }

        package init(keepOneOf: Int, levels: [LogLevel] = defaultLevels) {
            self.keepOneOf = keepOneOf
            self.levels = levels
        }
    }

    /// What may pass in a second; nil is no limit.
    package struct Rate: Equatable, Sendable {
        package var lines: Int?
        package var bytes: Int?
        /// After silence so much of the rate may come at once.
        package var burst: Duration

        package init(lines: Int? = nil, bytes: Int? = nil, burst: Duration = defaultBurst) {
            self.lines = lines
            self.bytes = bytes
            self.burst = burst
        }
    }
}
