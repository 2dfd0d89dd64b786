package import MusterModel

/// A syslog message taken apart: RFC 5424, RFC 3164 and what devices make of it. Every text is a message: what is of no
/// known form is its own text.
package struct SyslogMessage: Equatable, Sendable {
    package enum Format: String, Sendable, CaseIterable {
        case rfc5424
        /// Also what has no more than a priority, as that standard says a relay has to see it.
        case rfc3164
        /// Of no known form: `message` is the whole text, the priority included.
        case unparsed
    }

    /// One `[id name="value" ...]`.
    package struct Element: Equatable, Sendable {
        package var id: String
        package var parameters: [Parameter]

        package init(_ id: String, _ parameters: [Parameter] = []) {
            self.id = id
            self.parameters = parameters
        }
    }

    package struct Parameter: Equatable, Sendable {
        package var name: String
        /// Without the escapes.
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package var format: Format
    /// 0 to 23, and 0 (gravest) to 7. Nil when the message does not say; a relay would take 1 and 5.
    package var facility: UInt8?
    package var severity: UInt8?
    package var timestamp: Instant?
    package var host: String?
    /// The application; of RFC 3164 the tag.
    package var appName: String?
    package var processID: String?
    package var messageID: String?
    /// The number Cisco's devices put in front.
    package var sequence: UInt64?
    package var structuredData: [Element] = []
    /// Elements and parameters beyond the limits.
    package var leftOutData = 0
    /// The structured data was malformed; it stands at the beginning of `message`.
    package var isDamaged = false
    /// The text, without the byte order mark and without NUL, LF or CR LF at its end. Any bytes.
    package var message: [UInt8] = []

    /// Never fails. `now`: for times without a year. `offsetSeconds`: of the sender's clock east of Greenwich, for
    /// times without an offset; what is not known of a sender is best taken from the host that receives.
    package init(_ bytes: ArraySlice<UInt8>, now: Instant, offsetSeconds: Int64 = 0) {
        let frame = SyslogTime.Frame(now: now, offsetSeconds: max(-86_400, min(86_400, offsetSeconds)))
        let text = Self.withoutEnd(bytes)
        var scanner = SyslogScanner(text)
        let priority = Self.priority(&scanner)
        var read: SyslogMessage?
        if let priority {
            read = Self.isVersion1(scanner) ? Self.rfc5424(scanner, frame) : Self.rfc3164(scanner, frame)
            read?.facility = priority / 8
            read?.severity = priority % 8
        } else if scanner.next != 0x3c {
            read = Self.rfc3164WithoutPriority(scanner, frame)
        }
        self = read ?? SyslogMessage(.unparsed)
        guard read == nil else { return }
        facility = priority.map { $0 / 8 }
        severity = priority.map { $0 % 8 }
        message = Array(text)
    }

    init(_ format: Format) { self.format = format }

    /// `<34>`: at most 191, of at most three digits.
    private static func priority(_ scanner: inout SyslogScanner) -> UInt8? {
        var ahead = scanner
        guard ahead.take(0x3c), let value = ahead.number(digits: 1...3), ahead.take(0x3e), value <= 191 else {
            return nil
        }
        scanner = ahead
        return UInt8(value)
    }

    private static func isVersion1(_ scanner: SyslogScanner) -> Bool {
        var ahead = scanner
        return ahead.take(0x31, 0x20)
    }

    private static func withoutEnd(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text = bytes
        if text.last == 0 { text = text.dropLast() }
        guard text.last == 0x0a else { return text }
        text = text.dropLast()
        return text.last == 0x0d ? text.dropLast() : text
    }
}

// MARK: - Names

extension SyslogMessage {
    /// By number, as RFC 5424 and syslog.conf spell them.
    package static let facilityNames = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
        "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ]
    /// By number, the gravest first.
    package static let severityNames = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]

    package var facilityName: String? { facility.flatMap { Self.name($0, Self.facilityNames) } }
    package var severityName: String? { severity.flatMap { Self.name($0, Self.severityNames) } }

    private static func name(_ number: UInt8, _ names: [String]) -> String? {
        names.indices.contains(Int(number)) ? names[Int(number)] : nil
    }
}
