package import MusterInterchange
import MusterLogs
package import MusterModel
import MusterStore
import MusterTransport

/// Log lines that others push, made into blocks.
struct PushedBlocks {
    /// Every entry of the request is in one of these.
    private(set) var blocks: [[UInt8]] = []

    /// Streams with the same labels share blocks; entries keep their order.
    init(_ logs: PushedLogs, compressor: some Compressor) {
        var order: [Labels] = []
        var streams: [Labels: [PushedLogs.Stream]] = [:]
        for stream in logs.streams {
            if streams[stream.labels] == nil { order.append(stream.labels) }
            streams[stream.labels, default: []].append(stream)
        }
        var builder = LogBlockBuilder()
        builder.findsLevels = true
        for labels in order {
            for stream in streams[labels] ?? [] {
                for entry in stream.entries {
                    if Self.append(entry, stream.fields, to: &builder) { continue }
                    if let block = builder.finish(labels: labels, compressor: compressor) { blocks.append(block) }
                    // A line with its fields is smaller than a block.
                    _ = Self.append(entry, stream.fields, to: &builder)
                }
            }
            if let block = builder.finish(labels: labels, compressor: compressor) { blocks.append(block) }
        }
    }

    private static func append(
        _ entry: PushedLogs.Entry, _ shared: [PushedLogs.Field], to builder: inout LogBlockBuilder
    ) -> Bool {
        let own = Set(entry.fields.map(\.name))
        let fields = shared.filter { !own.contains($0.name) } + entry.fields
        return builder.append(
            entry.line, timestamp: entry.time.nanoseconds, flags: LineFlags(level: LogLevel(severity: entry.severity)),
            fields: FieldObject.encoded(fields.map { ($0.name.utf8, $0.value.utf8) }))
    }
}

extension LogLevel {
    /// OpenTelemetry's severity number, 1 to 24; everything else is unknown.
    init(severity: Int) {
        self =
            switch severity {
            case 1...4: .trace
            case 5...8: .debug
            case 9...12: .info
            case 13...16: .warn
            case 17...20: .error
            case 21...24: .fatal
            default: .unknown
            }
    }
}

extension Ingest {
    /// Stores pushed lines and returns when all are durable and readable. When it throws some of them may be stored:
    /// a push has no number by which it could be known again, so its repetition stores those twice.
    package func store(_ pushed: PushedLogs, now: Instant) async throws(RelayError) {
        let blocks = PushedBlocks(pushed, compressor: logs.compressor).blocks
        let failure = await withTaskGroup(of: RelayError?.self) { group in
            for block in blocks { group.addTask { await self.store(block, now: now) } }
            var first: RelayError?
            for await failure in group { first = first ?? failure }
            return first
        }
        if let failure { throw failure }
    }

    private func store(_ block: [UInt8], now: Instant) async -> RelayError? {
        await withCheckedContinuation { (continuation: CheckedContinuation<RelayError?, Never>) in
            let isTaken = logsPushed(block, now: now) { continuation.resume(returning: $0) }
            if !isTaken { continuation.resume(returning: .overloaded) }
        }
    }
}
