import Foundation
import Logging
import MusterLogQL
package import MusterLogs
import MusterModel
import MusterPattern
import MusterTransport

extension APIHandlers {
    /// Seconds since 1970 with an optional fraction, as in Prometheus's API.
    private func time(_ name: String, _ call: APICall) throws(APIError) -> Instant? {
        guard let text = call.query[name] else { return nil }
        guard let seconds = Double(text), seconds.isFinite, abs(seconds) < 9e9 else {
            throw .badRequest("\(name) is \"\(text)\"", hint: "seconds since 1970")
        }
        return Instant(milliseconds: Int64((seconds * 1_000).rounded()))
    }

    // MARK: Logs

    func logs(_ call: APICall) async throws -> LogLines {
        let question = try question(call)
        let isFollowing = call.query["follow"] == "true"
        // Followed from before the search, so that nothing falls between; what both see is told once.
        let following = isFollowing ? ingest.logs.followers.follow(question) : nil
        if isFollowing, following == nil {
            throw APIError(503, "overloaded", "\(LogFollowers.countMax) others follow logs already")
        }
        let found = try await ingest.logs.search(question)
        if found.unreadableBlocks > 0 {
            logger.error(
                "log search is incomplete: stored blocks cannot be read; look in the kernel log and check the disk",
                metadata: ["blocks": "\(found.unreadableBlocks)", "firstReason": "\(found.firstReason)"])
        }
        var lines = LogLines(
            found: question.direction == .backward ? found.entries.reversed() : found.entries, following: following)
        lines.unreadableBlocks = found.unreadableBlocks
        return lines
    }

    private func question(_ call: APICall) throws(APIError) -> LogQuestion {
        let now = MachineClock.wall
        let through = try time("end", call) ?? now + .minutes(1)
        let since = try Self.duration("since", call) ?? .minutes(10)
        let limit = call.query["limit"].map { Int($0) ?? 0 } ?? 1_000
        guard (1...Self.logLimitMax).contains(limit) else {
            throw .badRequest(
                "limit is \"\(call.query["limit"] ?? "")\"", hint: "a number from 1 to \(Self.logLimitMax)")
        }
        let from = try time("start", call) ?? now - since
        let direction: LogQuestion.Direction = call.query["direction"] == "forward" ? .forward : .backward
        let text = call.query["selector"] ?? "{}"
        var question: LogQuestion
        if let pipeline = try pipeline(text) {
            question = pipeline.question(
                from: from, through: through, limit: limit, direction: direction,
                streamLabels: ingest.logs.labelNames)
            question.process = { pipeline.process($0) }
        } else {
            do throws(LogSelectorError) {
                let matchers = try LogSelector.parse(text, compiler: RE2Compiler())
                question = LogQuestion(
                    matchers: matchers, from: from, through: through, limit: limit, direction: direction)
            } catch {
                throw .badRequest("\(error)")
            }
        }
        question.filters += try filters(call)
        return question
    }

    /// What stands behind the braces of a selector makes it a query of LogQL; nil without.
    private func pipeline(_ text: String) throws(APIError) -> LogPipeline? {
        guard text.hasPrefix("{"), text.contains("|") || text.contains("} !") else { return nil }
        do throws(LogQLError) {
            guard case .logs(let query) = try LogQLQuery(parsing: text, compiler: RE2Compiler()) else { return nil }
            return query.stages.isEmpty ? nil : try LogPipeline(query, compiler: RE2Compiler())
        } catch {
            throw .badRequest("\(error)")
        }
    }
}

extension APIHandlers {
    /// Conditions on lines: `contains`, `excludes`, `match` and `mismatch` (regular expressions), `level`.
    private func filters(_ call: APICall) throws(APIError) -> [LineFilter] {
        var filters: [LineFilter] = []
        if let text = call.query["level"] {
            guard let level = LogLevel.allCases.first(where: { $0.text == text.lowercased() }) else {
                throw .badRequest(
                    "level is \"\(text)\"", hint: LogLevel.allCases.map(\.text).joined(separator: ", "))
            }
            filters.append(.level(atLeast: level))
        }
        if let text = call.query["contains"], !text.isEmpty { filters.append(.contains(Array(text.utf8))) }
        if let text = call.query["excludes"], !text.isEmpty { filters.append(.excludes(Array(text.utf8))) }
        do throws(PatternError) {
            if let text = call.query["match"] { filters.append(.matches(try RE2Compiler().compileSearch(text))) }
            if let text = call.query["mismatch"] { filters.append(.mismatches(try RE2Compiler().compileSearch(text))) }
        } catch {
            throw .badRequest("\(error)")
        }
        return filters
    }
}

/// The lines of an answer: what was found, then what comes. Whoever reads takes them one by one, so a slow reader fills
/// nothing but the follower's own bounded queue, and is cut off when that is full.
package struct LogLines: Sendable {
    /// How many of the newest found lines may come again from the live stream.
    private static let overlapEntries = 2_000

    package var found: [LogEntry]
    /// Nil when nobody waits for more.
    package var following: AsyncStream<LogEntry>?
    /// Blocks that hold lines of the answer, perhaps, and could not be read.
    package var unreadableBlocks = 0

    package init(found: [LogEntry], following: AsyncStream<LogEntry>?) {
        self.found = found
        self.following = following
    }

    /// Bytes of a piece, roughly. Line by line a large answer would keep an event loop so busy that it heard nobody.
    private static let pieceBytes = 32 << 10

    /// Gives all lines, each with its end, to `write`: what was found in pieces of many lines, what follows line by
    /// line. Returns when there are no more.
    package func forEachPiece(_ write: ([UInt8]) async throws -> Void) async throws {
        var piece: [UInt8] = []
        for entry in found {
            piece += LogLineJSON.line(entry) + [UInt8(ascii: "\n")]
            guard piece.count >= Self.pieceBytes else { continue }
            try await write(piece)
            piece = []
        }
        if !piece.isEmpty { try await write(piece) }
        guard let following else { return }
        let told = Set(found.suffix(Self.overlapEntries).map(LogLineJSON.line))
        for await entry in following {
            let line = LogLineJSON.line(entry)
            if !told.contains(line) { try await write(line + [UInt8(ascii: "\n")]) }
        }
    }
}

/// One log line as JSON.
package enum LogLineJSON {
    package static func line(_ entry: LogEntry) -> [UInt8] {
        let labels = entry.labels
        var json = PrometheusJSON()
        json.raw("{\"ts\":\"\(entry.timestamp.nanosecondText)\",\"host\":")
        json.string(labels["host"] ?? "")
        json.raw(",\"source\":")
        json.string(labels["path"] ?? labels["container"] ?? "")
        json.raw(",\"labels\":")
        json.labels(labels)
        json.raw(",\"level\":\"\(entry.level.text)\",\"line\":")
        json.string(String(decoding: entry.line, as: UTF8.self))
        if !entry.fields.isEmpty { json.raw(",\"fields\":\(String(decoding: entry.fields, as: UTF8.self))") }
        json.raw("}")
        return json.bytes
    }
}

extension Instant {
    /// RFC 3339 in UTC with nine digits.
    fileprivate var nanosecondText: String {
        let rest = nanoseconds - seconds * 1_000_000_000
        let digits = String(rest)
        return description.dropLast(5) + "." + String(repeating: "0", count: 9 - digits.count) + digits + "Z"
    }
}
