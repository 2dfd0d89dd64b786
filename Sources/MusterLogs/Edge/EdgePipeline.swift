// Edge: what an agent does with the lines of a source before they become blocks.
//
// An *event* is what is stored as one line: a line of the file, or several that `MultilineGrouper` puts together. Each
// piece here is a value that can be used alone; `EdgePipeline` holds those a source asks for and applies them to an
// event in this order:
//
//     redact -> parse fields -> level -> drop -> sample -> rate
//
// Grouping comes before: the caller asks `grouper` for each line and gives the pipeline whole events. Secrets go first,
// so that no later step and no field sees them. Nothing is allocated for an event in which nothing is found; what is
// found
// is written into buffers that are used again.

package import MusterModel

/// Why an event does not travel.
package enum EdgeDropReason: UInt8, CaseIterable, Sendable {
    case rule
    case sampled
    case rate

    /// The value of the label `reason`.
    package var text: String {
        switch self {
        case .rule: "rule"
        case .sampled: "sampled"
        case .rate: "rate"
        }
    }
}

/// What became of an event.
package enum EdgeVerdict: Equatable, Sendable {
    /// The event travels. When `isRewritten`, its bytes are the pipeline's `output`; otherwise those that were given.
    case kept(LogLevel, isRewritten: Bool)
    case dropped(EdgeDropReason, LogLevel)
}

/// What a pipeline did since it was made. Redactions by rule stand with its redactor.
package struct EdgeCounters: Equatable, Sendable {
    package fileprivate(set) var linesIn: UInt64 = 0
    package fileprivate(set) var bytesIn: UInt64 = 0
    package fileprivate(set) var linesOut: UInt64 = 0
    package fileprivate(set) var bytesOut: UInt64 = 0
    /// Events in which secrets were replaced.
    package fileprivate(set) var redactedLines: UInt64 = 0
    /// Events that have not the format fields are taken in.
    package fileprivate(set) var parseFailures: UInt64 = 0
    /// Fields beyond a limit.
    package fileprivate(set) var omittedFields: UInt64 = 0
    private var dropped = InlineArray<3, LevelCounts>(repeating: LevelCounts())

    package subscript(reason: EdgeDropReason) -> LevelCounts { dropped[Int(reason.rawValue)] }

    package init() {}

    fileprivate mutating func drop(_ level: LogLevel, _ reason: EdgeDropReason) {
        dropped[Int(reason.rawValue)].add(level)
    }

    package static func == (a: EdgeCounters, b: EdgeCounters) -> Bool {
        a.linesIn == b.linesIn && a.bytesIn == b.bytesIn && a.linesOut == b.linesOut && a.bytesOut == b.bytesOut
            && a.redactedLines == b.redactedLines && a.parseFailures == b.parseFailures
            && a.omittedFields == b.omittedFields && EdgeDropReason.allCases.allSatisfy { a[$0] == b[$0] }
    }
}

/// The steps one source asks for. One for each file: a grouper and a redactor remember what they are in the middle of.
package struct EdgePipeline: Sendable {
    /// Puts lines together to events; nil when every line is one.
    package var grouper: MultilineGrouper?
    package private(set) var redactor: Redactor?
    package private(set) var counters = EdgeCounters()
    /// Of the last event. Empty when no format was asked for, or the event has it not.
    package private(set) var fields = FieldList()

    private var parser: FieldParser?
    private let detector: LevelDetector?
    private let drops: [DropRule]
    private let sampler: LineSampler?
    private var gate: RateGate?

    package init(_ settings: EdgeSettings) {
        grouper = settings.multiline.map { MultilineGrouper($0, maxLines: settings.multilineLines) }
        redactor = settings.redaction.map { Redactor(secrets: $0.secrets, patterns: $0.patterns) }
        parser = settings.fields.map { FieldParser($0) }
        detector = settings.needsLevel ? LevelDetector() : nil
        drops = settings.drops
        sampler = settings.sampler
        gate = settings.rate.map { RateGate(linesPerSecond: $0.lines, bytesPerSecond: $0.bytes, burst: $0.burst) }
    }

    /// Forgets a half-read event and an open private key: reading goes on elsewhere.
    package mutating func reset() {
        grouper?.reset()
        redactor?.reset()
    }

    /// The event's bytes when the verdict says that they were rewritten; valid until the next event.
    package var output: [UInt8] { redactor?.output ?? [] }

    /// `event` is at most `Limits.logLineBytes` long; a longer one is treated alike and stays as long. Without
    /// `keepsRate` no event is dropped for the rate.
    package mutating func process(_ event: Span<UInt8>, now: Instant, keepsRate: Bool = true) -> EdgeVerdict {
        counters.linesIn &+= 1
        counters.bytesIn &+= UInt64(event.count)
        guard redactor?.redact(event) == true, let rewritten = redactor?.output else {
            return decide(event, isRewritten: false, now: now, keepsRate)
        }
        counters.redactedLines &+= 1
        return decide(rewritten.span, isRewritten: true, now: now, keepsRate)
    }

    private mutating func decide(
        _ event: Span<UInt8>, isRewritten: Bool, now: Instant, _ keepsRate: Bool
    ) -> EdgeVerdict {
        if parser != nil {
            fields.removeAll()
            if parser?.parse(event, into: &fields) == false { counters.parseFailures &+= 1 }
            counters.omittedFields &+= UInt64(fields.omitted)
        }
        let level = detector?.level(of: event) ?? .unknown
        if let reason = reasonToDrop(event, level, now: now, keepsRate) {
            counters.drop(level, reason)
            return .dropped(reason, level)
        }
        counters.linesOut &+= 1
        counters.bytesOut &+= UInt64(event.count)
        return .kept(level, isRewritten: isRewritten)
    }

    private mutating func reasonToDrop(
        _ event: Span<UInt8>, _ level: LogLevel, now: Instant, _ keepsRate: Bool
    ) -> EdgeDropReason? {
        if !drops.isEmpty, DropRule.drops(event, level: level, rules: drops) { return .rule }
        if let sampler, !sampler.keeps(event, level: level) { return .sampled }
        if keepsRate, gate?.admits(byteCount: event.count, level: level, now: now) == false { return .rate }
        return nil
    }
}
