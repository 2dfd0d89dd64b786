import MusterConfig
import MusterHost
package import MusterLogs
package import MusterModel
import MusterPattern
import MusterTransport

/// What is done with the lines of each log source, compiled from the configuration.
package struct LogProcessors: Equatable, Sendable {
    /// In the order of `logs.files`.
    package let files: [EdgeSettings]
    package let containers: EdgeSettings

    /// Throws `ConfigError` for an expression that is not valid.
    init(_ config: LogsConfig) throws(ConfigError) {
        var files: [EdgeSettings] = []
        for file in config.files { files.append(try EdgeSettings(file.processing, compiler: RE2Compiler())) }
        self.files = files
        containers = try EdgeSettings(config.containerProcessing, compiler: RE2Compiler())
    }
}

/// `muster-agent logs test`: a source's processing tried on lines from elsewhere, nothing read, sent or kept.
package struct LogTrial {
    /// Bytes that are tried at once; what is longer is tried in pieces, as the agent would read it.
    private static let chunkBytes = 256 << 10

    private var pipeline: EdgePipeline
    private var parsed = LogBlockBuilder()
    private var events = LogBlockBuilder()
    private var pass = EdgePass()
    private var rest: [UInt8] = []

    /// `source` names an entry of `logs.files` by its path; `containers` the processing of containers. Nil takes the
    /// only entry there is. Throws `ConfigError` or `AgentError`.
    package init(configPath: String, source: String?) throws {
        let config = try Agent.configuration(configPath)
        let processors = try LogProcessors(config.logs)
        let names = config.logs.files.map(\.path) + ["containers"]
        let wanted = source ?? (config.logs.files.count == 1 ? config.logs.files.first?.path : nil)
        guard let wanted, let place = names.firstIndex(of: wanted) else {
            throw AgentError(
                source.map { "the configuration has no log source \"\($0)\"" }
                    ?? "it is not clear which source is meant",
                hint: "--source with one of: \(names.joined(separator: ", "))")
        }
        pipeline = EdgePipeline(place < processors.files.count ? processors.files[place] : processors.containers)
        parsed.recordsPoints = true
    }

    /// One event that would travel.
    package struct Event: Equatable, Sendable {
        package var level: LogLevel
        package var line: [UInt8]
        /// A JSON object of strings, or nothing.
        package var fields: [UInt8]
    }

    package var counters: EdgeCounters { pipeline.counters }

    /// Takes some bytes of the sample; `isEnd` for the last. Gives what is decided.
    package mutating func take(_ bytes: [UInt8], isEnd: Bool, now: Instant) -> [Event] {
        rest += bytes
        var found: [Event] = []
        while !rest.isEmpty {
            parsed.reset()
            events.reset()
            let isLast = isEnd && rest.count <= Self.chunkBytes
            let chunk = Array(rest.prefix(Self.chunkBytes))
            let end: ParseEnd = isLast ? .closed : .open
            var parse = LogTrial.parse(chunk, end, now, &parsed)
            parse = pass.run(parsed, parse, end: end, &pipeline, now: now, into: &events)
            if parse.consumed == 0, chunk.count == Self.chunkBytes {
                parsed.reset()
                events.reset()
                parse = LogTrial.parse(chunk, .closed, now, &parsed)
                parse = pass.run(parsed, parse, end: .closed, &pipeline, now: now, into: &events)
            }
            guard parse.consumed > 0 else { break }
            found += events.taken()
            rest.removeFirst(parse.consumed)
        }
        return found
    }

    private static func parse(
        _ bytes: [UInt8], _ end: ParseEnd, _ now: Instant, _ builder: inout LogBlockBuilder
    ) -> LineParse {
        PlainLines.parse(bytes, end: end, arrival: now.nanoseconds, into: &builder)
    }
}

/// The trial from standard input to standard output.
package struct LogTrialRun {
    private let trial: LogTrial

    package init(trial: LogTrial) { self.trial = trial }

    /// Reads to the end of the input.
    package func run() throws {
        var trial = trial
        let input = StandardStreams()
        while true {
            let bytes = try input.read()
            for event in trial.take(bytes, isEnd: bytes.isEmpty, now: MachineClock.wall) {
                try input.write(LogTrial.text(of: event))
            }
            if bytes.isEmpty { break }
        }
        try input.write(trial.summary)
    }
}

extension LogTrial {
    /// One event as a person reads it.
    package static func text(of event: Event) -> [UInt8] {
        let level = event.level.text
        let head = level + String(repeating: " ", count: max(1, 8 - level.utf8.count))
        var text = Array(head.utf8)
        for byte in event.line {
            text.append(byte)
            // The lines of an event stand below each other.
            if byte == 0x0a { text += Array(repeating: 0x20, count: 8) }
        }
        text.append(0x0a)
        if !event.fields.isEmpty { text += Array("        fields ".utf8) + event.fields + [0x0a] }
        return text
    }

    /// What was done, at the end.
    package var summary: [UInt8] {
        let counters = counters
        var parts = ["\(counters.linesIn) events, \(counters.linesOut) kept"]
        for reason in EdgeDropReason.allCases where counters[reason].total > 0 {
            parts.append("\(counters[reason].total) dropped (\(reason.text))")
        }
        if counters.redactedLines > 0 { parts.append("\(counters.redactedLines) with secrets") }
        if counters.parseFailures > 0 { parts.append("\(counters.parseFailures) without the format of fields") }
        return Array(("# " + parts.joined(separator: ", ") + "\n").utf8)
    }
}

extension LogBlockBuilder {
    /// The events in the builder.
    fileprivate func taken() -> [LogTrial.Event] {
        (0..<lineCount).map { index in
            let (line, flags, fields) = content(index)
            return LogTrial.Event(level: flags.level, line: line, fields: fields)
        }
    }
}
