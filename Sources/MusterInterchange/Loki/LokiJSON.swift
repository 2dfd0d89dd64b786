package import MusterModel

/// The answers of Loki's query API, byte for byte as Grafana and logcli read them: times of entries are texts of
/// nanoseconds; values are texts without an exponent, their times seconds with as many digits as it takes, which is how
/// Loki writes them (Prometheus's API writes three digits and exponents).
///
/// As large as what it is given: the query bounds entries and series.
package struct LokiJSON: Sendable {
    package private(set) var bytes: [UInt8] = []

    private init() {}

    // MARK: Queries

    /// Lines. `isCategorized` answers `X-Loki-Response-Encoding-Flags: categorize-labels`: every entry then says which
    /// of its labels are structured metadata and which are parsed.
    package static func streams(
        _ streams: [LokiStream], isCategorized: Bool = false, statistics: LokiStatistics = LokiStatistics(),
        warnings: [String] = []
    ) -> [UInt8] {
        let flags = isCategorized ? ",\"encodingFlags\":[\"categorize-labels\"]" : ""
        return query("streams", flags, statistics, warnings) { json in
            json.list(streams) { $0.stream($1, isCategorized: isCategorized) }
        }
    }

    package static func vector(
        _ elements: [(labels: Labels, sample: Sample)], statistics: LokiStatistics = LokiStatistics(),
        warnings: [String] = []
    ) -> [UInt8] {
        query("vector", "", statistics, warnings) { json in
            json.list(elements) { json, element in
                json.raw("{\"metric\":")
                json.labels(element.labels)
                json.raw(",\"value\":")
                json.point(element.sample)
                json.raw("}")
            }
        }
    }

    package static func matrix(
        _ series: [SeriesSamples], statistics: LokiStatistics = LokiStatistics(), warnings: [String] = []
    ) -> [UInt8] {
        query("matrix", "", statistics, warnings) { json in
            json.list(series) { json, series in
                json.raw("{\"metric\":")
                json.labels(series.labels)
                json.raw(",\"values\":")
                json.list(series.samples) { $0.point($1) }
                json.raw("}")
            }
        }
    }

    package static func scalar(_ sample: Sample, statistics: LokiStatistics = LokiStatistics()) -> [UInt8] {
        query("scalar", "", statistics, []) { $0.point(sample) }
    }

    private static func query(
        _ type: String, _ flags: String, _ statistics: LokiStatistics, _ warnings: [String],
        _ result: (inout LokiJSON) -> Void
    ) -> [UInt8] {
        var json = LokiJSON()
        json.raw("{\"status\":\"success\"")
        if !warnings.isEmpty {
            json.raw(",\"warnings\":")
            json.list(warnings) { $0.string($1) }
        }
        json.raw(",\"data\":{\"resultType\":\"\(type)\"\(flags),\"result\":")
        result(&json)
        json.raw(",\"stats\":")
        json.statistics(statistics)
        json.raw("}}")
        return json.bytes
    }

    // MARK: Other answers

    /// `/labels` and `/label/<name>/values`.
    package static func names(_ names: [String]) -> [UInt8] {
        success { json in json.list(names) { $0.string($1) } }
    }

    /// `/series`.
    package static func series(_ series: [Labels]) -> [UInt8] {
        success { json in json.list(series) { $0.labels($1) } }
    }

    /// `/index/stats`, the one answer without an envelope.
    package static func indexStatistics(_ statistics: LokiIndexStatistics) -> [UInt8] {
        Array(
            """
            {"streams":\(statistics.streams),"chunks":\(statistics.blocks),"bytes":\(statistics.bytes),\
            "entries":\(statistics.entries)}
            """.utf8)
    }

    /// `/index/volume`: bytes by stream at the end of the time asked for, largest first as the caller sorted them.
    /// `/index/volume_range` is a `matrix`.
    package static func volume(_ volumes: [(labels: Labels, bytes: Int)], at end: Instant) -> [UInt8] {
        vector(
            volumes.map { ($0.labels, Sample(milliseconds: end.milliseconds, value: Double($0.bytes))) })
    }

    /// `/patterns`.
    package static func patterns(_ patterns: [LokiPattern]) -> [UInt8] {
        success { json in
            json.list(patterns) { json, pattern in
                json.raw("{\"pattern\":")
                json.string(pattern.pattern)
                if !pattern.level.isEmpty {
                    json.raw(",\"level\":")
                    json.string(pattern.level)
                }
                json.raw(",\"samples\":")
                json.list(pattern.counts) { $0.raw("[\($1.time.seconds),\($1.lines)]") }
                json.raw("}")
            }
        }
    }

    /// One message of `/tail`. `dropped_entries` is left out when there is none.
    package static func tail(
        _ streams: [LokiStream], dropped: [LokiDroppedEntry] = [], isCategorized: Bool = false
    ) -> [UInt8] {
        var json = LokiJSON()
        json.raw("{\"streams\":")
        json.list(streams) { $0.stream($1, isCategorized: isCategorized) }
        if !dropped.isEmpty {
            json.raw(",\"dropped_entries\":")
            json.list(dropped) { json, entry in
                json.raw("{\"timestamp\":\"\(entry.time.nanoseconds)\",\"labels\":")
                json.labels(entry.labels)
                json.raw("}")
            }
        }
        if isCategorized { json.raw(",\"encodingFlags\":[\"categorize-labels\"]") }
        json.raw("}")
        return json.bytes
    }

    /// The body of a 4xx or 5xx as JSON, which Grafana reads for its `message`. Loki itself answers pushes and queries
    /// with the message alone, as `text/plain`; readers take both.
    package static func error(_ message: String, status: Int) -> [UInt8] {
        var json = LokiJSON()
        json.raw("{\"code\":\(status),\"status\":\"error\",\"message\":")
        json.string(message)
        json.raw("}")
        return json.bytes
    }

    private static func success(_ data: (inout LokiJSON) -> Void) -> [UInt8] {
        var json = LokiJSON()
        json.raw("{\"status\":\"success\",\"data\":")
        data(&json)
        json.raw("}")
        return json.bytes
    }
}

// MARK: - Pieces

extension LokiJSON {
    private mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func list<Element>(_ elements: [Element], _ write: (inout Self, Element) -> Void) {
        raw("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { raw(",") }
            write(&self, element)
        }
        raw("]")
    }

    private mutating func labels(_ labels: Labels) { object(labels.pairs.map { ($0.name, $0.value) }) }

    private mutating func object(_ pairs: [(String, String)]) {
        raw("{")
        for (index, pair) in pairs.enumerated() {
            if index > 0 { raw(",") }
            string(pair.0)
            raw(":")
            string(pair.1)
        }
        raw("}")
    }

    private mutating func stream(_ stream: LokiStream, isCategorized: Bool) {
        raw("{\"stream\":")
        labels(stream.labels)
        raw(",\"values\":")
        list(stream.entries) { json, entry in
            json.raw("[\"\(entry.time.nanoseconds)\",")
            json.escaped(UTF8Text.repaired(entry.line))
            if isCategorized { json.categories(entry) }
            json.raw("]")
        }
        raw("}")
    }

    private mutating func categories(_ entry: LokiStream.Entry) {
        raw(",{")
        if !entry.metadata.isEmpty {
            raw("\"structuredMetadata\":")
            object(entry.metadata.map { ($0.name, $0.value) })
        }
        if !entry.parsed.isEmpty {
            raw(entry.metadata.isEmpty ? "\"parsed\":" : ",\"parsed\":")
            object(entry.parsed.map { ($0.name, $0.value) })
        }
        raw("}")
    }

    private mutating func point(_ sample: Sample) {
        raw("[")
        let (whole, rest) = sample.milliseconds.magnitude.quotientAndRemainder(dividingBy: 1_000)
        raw("\(sample.milliseconds < 0 ? "-" : "")\(whole)")
        if rest > 0 {
            var digits = String(String(1_000 + rest).dropFirst())
            while digits.last == "0" { digits.removeLast() }
            raw(".\(digits)")
        }
        raw(",\"\(GoFloat.fixed(sample.value))\"]")
    }

    private mutating func string(_ text: String) { escaped(Array(text.utf8)) }

    /// `text` is UTF-8. As Go's encoder does: also `<`, `>`, `&` and the line separators are escaped. What needs no
    /// escape is copied in one piece.
    private mutating func escaped(_ text: [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var copied = 0
        var index = 0
        while index < text.count {
            guard let (escape, length) = Self.escape(text, index) else {
                index += 1
                continue
            }
            bytes.append(contentsOf: text[copied..<index])
            raw(escape)
            index += length
            copied = index
        }
        bytes.append(contentsOf: text[copied...])
        bytes.append(UInt8(ascii: "\""))
    }

    /// What stands for the bytes at `index`, and how many those are; nil for one that stands for itself.
    @inline(__always)
    private static func escape(_ text: [UInt8], _ index: Int) -> (String, Int)? {
        let byte = text[index]
        switch byte {
        case UInt8(ascii: "\""): return ("\\\"", 1)
        case UInt8(ascii: "\\"): return ("\\\\", 1)
        case UInt8(ascii: "\n"): return ("\\n", 1)
        case UInt8(ascii: "\r"): return ("\\r", 1)
        case UInt8(ascii: "\t"): return ("\\t", 1)
        case 0..<0x20, 0x3c, 0x3e, 0x26:
            let digits = String(byte, radix: 16)
            return ("\\u00" + (digits.count == 1 ? "0" : "") + digits, 1)
        case 0xe2 where index + 2 < text.count && text[index + 1] == 0x80 && text[index + 2] & 0xfe == 0xa8:
            return (text[index + 2] == 0xa8 ? "\\u2028" : "\\u2029", 3)
        default: return nil
        }
    }

    private mutating func statistics(_ statistics: LokiStatistics) {
        let seconds = Double(statistics.worked.nanoseconds) / 1e9
        // The bound keeps a short time from making a rate that is no integer any more.
        let perSecond = { (count: Int) in
            seconds > 0 ? Int(min(max(0, Double(count) / seconds), 1e18)) : 0
        }
        raw(
            """
            {"summary":{"bytesProcessedPerSecond":\(perSecond(statistics.bytes)),\
            "linesProcessedPerSecond":\(perSecond(statistics.lines)),\
            "totalBytesProcessed":\(statistics.bytes),"totalLinesProcessed":\(statistics.lines),\
            "execTime":\(GoFloat.json(seconds)),\
            "queueTime":\(GoFloat.json(Double(statistics.queued.nanoseconds) / 1e9)),\
            "totalEntriesReturned":\(statistics.entriesReturned),"totalPostFilterLines":\(statistics.linesKept)},\
            "querier":{"store":{"totalChunksRef":\(statistics.blocksConsidered),\
            "totalChunksDownloaded":\(statistics.blocksRead),"chunk":{\
            "compressedBytes":\(statistics.compressedBytes),"decompressedBytes":\(statistics.bytes),\
            "decompressedLines":\(statistics.lines),"postFilterLines":\(statistics.linesKept)}}}}
            """)
    }
}
