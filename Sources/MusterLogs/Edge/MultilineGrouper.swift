package import MusterModel

/// What a line is to the event before it.
package enum LineRole: Equatable, Sendable {
    /// An event begins.
    case begins
    /// The line belongs to the event that is held.
    case continues
    /// The line would go on, but the event has its lines or its bytes: it ended, and another begins.
    case beginsAtLimit
}

/// How the lines of one event are told from the next event.
package enum MultilineRule: Sendable {
    /// An event begins where the pattern is found.
    case start(any SearchPattern)
    /// Lines that begin with a space or a tab go on, and empty ones.
    case indented
    /// Stack traces as the JVM and its loggers print them: frames, `Caused by:`, `Suppressed:`, `... 12 more`, empty
    /// lines between them. An exception's own line (a dotted class that ends in Exception, Error or Throwable, then `:`
    /// or nothing) goes on with the one line before it, as loggers print it; behind another exception or behind frames
    /// it begins.
    case java
    /// From `Traceback (most recent call last):` to the exception's line, with chained exceptions and groups. Further
    /// lines of an exception's message are found only when they are indented.
    case python
    /// `panic:` and `fatal error:` with the goroutines behind them. Further lines of the message are found only when
    /// they are
    /// indented.
    case go
}

/// Says for each line of a source whether it belongs to the event before. The answer depends on nothing but the lines
/// since that event's first: reading a file again from there groups alike. The first line after `reset()` begins.
package struct MultilineGrouper: Sendable {
    /// Bytes of one event, with a line feed between its lines.
    package static let eventBytes = Limits.logLineBytes

    let rule: MultilineRule
    let maxLines: Int
    private var lines = 0
    private var bytes = 0
    private var trace = TraceState.outside

    package init(_ rule: MultilineRule, maxLines: Int = LogProcessing.defaultMultilineLines) {
        self.rule = rule
        self.maxLines = max(1, maxLines)
    }

    /// Forgets the event that is held.
    package mutating func reset() {
        lines = 0
        bytes = 0
        trace = .outside
    }

    package mutating func line(_ line: Span<UInt8>) -> LineRole {
        guard lines > 0, goesOn(line) else {
            begin(line)
            return .begins
        }
        guard lines < maxLines, bytes + 1 + line.count <= Self.eventBytes else {
            begin(line)
            return .beginsAtLimit
        }
        lines += 1
        bytes += 1 + line.count
        return .continues
    }

    private mutating func begin(_ line: Span<UInt8>) {
        lines = 1
        bytes = line.count
        switch rule {
        case .start, .indented: break
        case .java: trace = JavaTrace.first(line)
        case .python: trace = PythonTrace.first(line)
        case .go: trace = GoTrace.first(line)
        }
    }

    private mutating func goesOn(_ line: Span<UInt8>) -> Bool {
        switch rule {
        case .start(let pattern): return !pattern.isFound(in: line)
        case .indented: return line.isEmpty || line[0] == 0x20 || line[0] == 0x09
        case .java: return take(JavaTrace.next(line, after: trace))
        case .python: return take(PythonTrace.next(line, after: trace))
        case .go: return take(GoTrace.next(line, after: trace))
        }
    }

    private mutating func take(_ next: TraceState?) -> Bool {
        guard let next else { return false }
        trace = next
        return true
    }
}
