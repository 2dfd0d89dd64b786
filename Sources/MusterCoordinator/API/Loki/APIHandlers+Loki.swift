import MusterInterchange
import MusterLogQL
import MusterLogs
import MusterModel
import MusterPattern
import MusterTransport

/// What speaks Loki: Grafana's data source and logcli ask here.
extension APIHandlers {
    /// When the asker names no time, as Loki has it.
    private static let lokiRange = Duration.hours(1)
    private static let lokiLabelRange = Duration.hours(6)
    private static let lokiLimit = 100

    func loki(_ route: APIRoute, _ call: APICall) async throws -> APIAnswer {
        do {
            let bytes: [UInt8] =
                switch route {
                case .lokiQuery: try await lokiQuery(call)
                case .lokiQueryRange: try await lokiQueryRange(call)
                case .lokiLabels: try await lokiLabels(call)
                case .lokiLabelValues: try await lokiLabelValues(call)
                case .lokiSeries: try await lokiSeries(call)
                case .lokiIndexStats: try await lokiIndexStats(call)
                case .lokiIndexVolume: try await lokiIndexVolume(call)
                default: throw APIError.notFound("no such question")
                }
            return .content(200, bytes, type: "application/json; charset=UTF-8")
        } catch let error as LogQueryError {
            let status: Int =
                switch error {
                case .query: 400
                case .busy: 429
                case .timeout: 504
                }
            return .content(status, Array("\(error)\n".utf8), type: "text/plain; charset=utf-8")
        } catch let error as APIError {
            let text = error.hint.isEmpty ? error.message : "\(error.message); try \(error.hint)"
            return .content(error.status, Array("\(text)\n".utf8), type: "text/plain; charset=utf-8")
        }
    }

    private func parsed(_ call: APICall) throws -> LogQLQuery {
        guard let text = call.query["query"], !text.isEmpty else {
            throw APIError.badRequest("the parameter query is missing", hint: "query={app=\"web\"}")
        }
        do throws(LogQLError) {
            return try LogQLQuery(parsing: text, compiler: RE2Compiler())
        } catch {
            throw LogQueryError.query(error)
        }
    }

    /// Nanoseconds, seconds with a fraction, or RFC 3339.
    private func time(_ name: String, _ call: APICall) throws -> Instant? {
        guard let text = call.query[name], !text.isEmpty else { return nil }
        if let whole = Int64(text) {
            return text.count > 10 ? Instant(nanoseconds: whole) : Instant(seconds: whole)
        }
        if let seconds = Double(text), seconds.isFinite, abs(seconds) < 9e9 {
            return Instant(nanoseconds: Int64(seconds * 1e9))
        }
        if let milliseconds = TimeText.milliseconds(text) { return Instant(milliseconds: milliseconds) }
        throw APIError.badRequest(
            "\(name) is \"\(text)\"", hint: "nanoseconds or seconds since 1970, or 2026-01-02T15:04:05Z")
    }

    private func range(_ call: APICall, _ usual: Duration) throws -> (from: Instant, through: Instant) {
        let through = try time("end", call) ?? MachineClock.wall
        let since = try call.query["since"].flatMap { try Self.lokiDuration("since", $0) } ?? usual
        let from = try time("start", call) ?? through - since
        guard from <= through else { throw APIError.badRequest("the end lies before the start", hint: "exchange them") }
        return (from, through)
    }

    private static func lokiDuration(_ name: String, _ text: String) throws -> Duration {
        if let duration = Duration(shortText: text) { return duration }
        if let seconds = Double(text), seconds.isFinite, seconds > 0, seconds < 1e9 {
            return .nanoseconds(Int64(seconds * 1e9))
        }
        throw APIError.badRequest("\(name) is \"\(text)\"", hint: "seconds, or 500ms, 30s, 5m, 1h")
    }

    private func limit(_ call: APICall) throws -> Int {
        guard let text = call.query["limit"], !text.isEmpty else { return Self.lokiLimit }
        guard let limit = Int(text), limit > 0 else {
            throw APIError.badRequest("limit is \"\(text)\"", hint: "a number from 1 to \(Self.logLimitMax)")
        }
        return min(limit, Self.logLimitMax)
    }

    private func lokiQuery(_ call: APICall) async throws -> [UInt8] {
        let at = try time("time", call) ?? MachineClock.wall
        switch try parsed(call) {
        case .logs:
            throw APIError.badRequest("log queries have no single time", hint: "ask /loki/api/v1/query_range")
        case .metric(let expression):
            return Self.answer(try await logQueries.numbers(expression, from: at, through: at, step: nil))
        }
    }

    private func lokiQueryRange(_ call: APICall) async throws -> [UInt8] {
        let (from, through) = try range(call, Self.lokiRange)
        switch try parsed(call) {
        case .logs(let query):
            let direction: LogQuestion.Direction = call.query["direction"] == "forward" ? .forward : .backward
            // The end does not count, as Loki has it.
            let lines = try await logQueries.lines(
                query, from: from, through: Instant(nanoseconds: through.nanoseconds - 1), limit: try limit(call),
                direction: direction)
            return LokiJSON.streams(Self.streams(lines.entries), statistics: Self.statistics(lines))
        case .metric(let expression):
            let step = try call.query["step"].map { try Self.lokiDuration("step", $0) } ?? Self.usualStep(from, through)
            return Self.answer(
                try await logQueries.numbers(expression, from: from, through: through, step: step))
        }
    }

    /// 250 steps, at least a second each.
    private static func usualStep(_ from: Instant, _ through: Instant) -> Duration {
        max(.seconds(1), .seconds((through - from).nanoseconds / 250_000_000_000))
    }

    private static func answer(_ answer: LogMetricAnswer) -> [UInt8] {
        switch answer {
        case .scalar(let sample): LokiJSON.scalar(sample)
        case .vector(let series):
            LokiJSON.vector(series.compactMap { one in one.samples.first.map { (one.labels, $0) } })
        case .matrix(let series): LokiJSON.matrix(series)
        }
    }

    /// Entries by their labels, streams in the order of their first entry.
    static func streams(_ entries: [LogEntry]) -> [LokiStream] {
        var places: [Labels: Int] = [:]
        var streams: [LokiStream] = []
        for entry in entries {
            let place = places[entry.labels] ?? streams.count
            if place == streams.count {
                places[entry.labels] = place
                streams.append(LokiStream(labels: entry.labels, entries: []))
            }
            streams[place].entries.append(.init(time: entry.timestamp, line: entry.line))
        }
        return streams
    }

    private static func statistics(_ lines: LogQueries.Lines) -> LokiStatistics {
        var statistics = LokiStatistics()
        statistics.blocksConsidered = lines.found.progress.candidates
        statistics.blocksRead = lines.found.progress.blocks
        statistics.bytes = lines.found.progress.bytes
        statistics.lines = lines.found.progress.lines
        statistics.entriesReturned = lines.entries.count
        return statistics
    }

    // MARK: Labels

    private func matchers(_ texts: [String]) throws -> [[LabelMatcher]] {
        do throws(LogSelectorError) {
            var all: [[LabelMatcher]] = []
            for text in texts { all.append(try LogSelector.parse(text, compiler: RE2Compiler())) }
            return all.isEmpty ? [[]] : all
        } catch {
            throw APIError.badRequest("\(error)")
        }
    }

    private func labelSets(_ call: APICall, _ texts: [String]) async throws -> Set<Labels> {
        let (from, through) = try range(call, Self.lokiLabelRange)
        var sets: Set<Labels> = []
        for matchers in try matchers(texts) {
            sets.formUnion(try await ingest.logs.labelSets(matchers, from: from, through: through))
        }
        return sets
    }

    private func lokiLabels(_ call: APICall) async throws -> [UInt8] {
        let sets = try await labelSets(call, call.query["query"].map { $0.isEmpty ? [] : [$0] } ?? [])
        return LokiJSON.names(Set(sets.flatMap { $0.pairs.map(\.name) }).sorted())
    }

    private func lokiLabelValues(_ call: APICall) async throws -> [UInt8] {
        let sets = try await labelSets(call, call.query["query"].map { $0.isEmpty ? [] : [$0] } ?? [])
        return LokiJSON.names(Set(sets.compactMap { $0[call.id] }).sorted())
    }

    private func lokiSeries(_ call: APICall) async throws -> [UInt8] {
        let texts = call.parameters.filter { $0.name == "match[]" || $0.name == "match" }.map(\.value)
        return LokiJSON.series(try await labelSets(call, texts).sorted { $0.description < $1.description })
    }

    private func volumes(_ call: APICall) async throws -> [Labels: LogStore.Volume] {
        let (from, through) = try range(call, Self.lokiRange)
        // The selector alone counts; line filters would need the lines.
        guard case .logs(let query) = try parsed(call) else {
            throw APIError.badRequest("the query is no stream selector", hint: "query={app=\"web\"}")
        }
        let pipeline: LogPipeline
        do throws(LogQLError) {
            pipeline = try LogPipeline(query, compiler: RE2Compiler())
        } catch {
            throw LogQueryError.query(error)
        }
        let question = pipeline.question(from: from, through: through, limit: 1, direction: .forward)
        return try await ingest.logs.volumes(question.matchers, from: from, through: through)
    }

    private func lokiIndexStats(_ call: APICall) async throws -> [UInt8] {
        let volumes = try await volumes(call)
        return LokiJSON.indexStatistics(
            LokiIndexStatistics(
                streams: volumes.count, blocks: volumes.values.reduce(0) { $0 + $1.blocks },
                bytes: volumes.values.reduce(0) { $0 + $1.bytes }, entries: volumes.values.reduce(0) { $0 + $1.lines }))
    }

    private func lokiIndexVolume(_ call: APICall) async throws -> [UInt8] {
        let (_, through) = try range(call, Self.lokiRange)
        let targets = call.query["targetLabels"].map { $0.split(separator: ",").map(String.init) } ?? []
        var sums: [Labels: Int] = [:]
        for (labels, volume) in try await volumes(call) {
            let key = targets.isEmpty ? labels : Labels(targets.map { ($0, labels[$0] ?? "") })
            sums[key, default: 0] += volume.bytes
        }
        let most = sums.sorted { ($1.value, $0.key.description) < ($0.value, $1.key.description) }
        return LokiJSON.volume(most.prefix(try limit(call)).map { ($0.key, $0.value) }, at: through)
    }
}
