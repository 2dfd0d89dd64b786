package import MusterLogQL
package import MusterLogs
package import MusterModel
import MusterPattern
import Synchronization

/// Why a query of the logs has no answer.
package enum LogQueryError: Error, CustomStringConvertible {
    case query(LogQLError)
    /// As many run at a time as are allowed.
    case busy
    /// It took too long.
    case timeout(Duration)

    package var description: String {
        switch self {
        case .query(let error): "\(error)"
        case .busy: "\(LogQueries.concurrentMax) log queries run already; ask again"
        case .timeout(let limit):
            "the query took more than \(limit.shortText); ask for less time, or more precisely"
        }
    }
}

/// Answers LogQL from the stored logs.
package final class LogQueries: Sendable {
    package static let concurrentMax = 16
    package static let deadline = Duration.minutes(2)

    private let logs: LogStore
    private let running = Mutex(0)

    package init(_ logs: LogStore) { self.logs = logs }

    package struct Lines: Sendable {
        package var entries: [LogEntry]
        package var found: LogsFound
    }

    /// The lines of a query, in its direction.
    package func lines(
        _ query: LogStreamQuery, from: Instant, through: Instant, limit: Int, direction: LogQuestion.Direction
    ) async throws -> Lines {
        let pipeline: LogPipeline
        do throws(LogQLError) {
            pipeline = try LogPipeline(query, compiler: RE2Compiler())
        } catch {
            throw LogQueryError.query(error)
        }
        return try await alone {
            var question = pipeline.question(
                from: from, through: through, limit: limit, direction: direction, streamLabels: self.logs.labelNames)
            question.process = { pipeline.process($0) }
            let found = try await self.logs.search(question)
            return Lines(entries: found.entries, found: found)
        }
    }

    /// The numbers of a query; `step` nil asks for one time, `through`.
    package func numbers(
        _ expression: LogMetricExpression, from: Instant, through: Instant, step: Duration?
    ) async throws -> LogMetricAnswer {
        do {
            return try await alone {
                var query =
                    if let step {
                        try LogMetricQuery(
                            expression, from: from, through: through, step: step, compiler: RE2Compiler())
                    } else {
                        try LogMetricQuery(expression, at: through, compiler: RE2Compiler())
                    }
                for (number, range) in query.ranges.enumerated() {
                    let question = range.question(streamLabels: self.logs.labelNames)
                    _ = try await self.logs.visit(question) { entry in try query.add(entry, to: number) }
                }
                return try query.finish()
            }
        } catch let error as LogQLError {
            throw LogQueryError.query(error)
        }
    }

    /// Runs within the limits of number and time.
    private func alone<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let isFree = running.withLock { running in
            guard running < Self.concurrentMax else { return false }
            running += 1
            return true
        }
        guard isFree else { throw LogQueryError.busy }
        defer { running.withLock { $0 -= 1 } }
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: Self.deadline)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else {
                throw LogQueryError.timeout(Self.deadline)
            }
            return value
        }
    }
}
