import MusterModel

/// What an answer says about itself: the query was evaluated, but something in it or in the data is suspicious. Texts
/// are Prometheus's, so that people and tools recognise them.
package struct QueryAnnotation: Equatable, Sendable {
    package enum Severity: String, Sendable {
        case warning = "PromQL warning"
        case info = "PromQL info"
    }

    package let severity: Severity
    let message: String
    package let position: TextRange
    /// What was repaired in histograms; annotations that differ only here are one.
    private(set) var repairs: BucketRepairs?

    init(_ severity: Severity, _ message: String, at position: TextRange, repairs: BucketRepairs? = nil) {
        self.severity = severity
        self.message = message
        self.position = position
        self.repairs = repairs
    }

    /// As Prometheus prints it: severity, message, line and column (bytes, from 1) of the place in `query`.
    package func text(in query: String) -> String {
        let before = query.utf8.prefix(position.start)
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = (before.lastIndex(of: UInt8(ascii: "\n")).map { before[$0...].count - 1 } ?? before.count) + 1
        return "\(severity.rawValue): \(message)\(repairs?.text ?? "") (\(line):\(column))"
    }

    /// Whether the other says the same, which this one then says for both.
    fileprivate mutating func absorbs(_ other: QueryAnnotation) -> Bool {
        guard severity == other.severity, message == other.message, position == other.position else { return false }
        if let theirs = other.repairs { repairs = repairs?.merged(theirs) ?? theirs }
        return true
    }
}

extension [QueryAnnotation] {
    /// At most this many differ; a query over thousands of metrics is not told about each of them.
    static var limit: Int { 100 }

    mutating func add(_ annotation: QueryAnnotation) {
        for index in indices where self[index].absorbs(annotation) { return }
        if count < Self.limit { append(annotation) }
    }
}

extension QueryAnnotation {
    static func invalidQuantile(_ quantile: Double, at position: TextRange) -> QueryAnnotation {
        QueryAnnotation(
            .warning, "quantile value should be between 0 and 1, got \(GoFloat.general(quantile))", at: position)
    }

    static func badBucket(_ bound: String, metric: String, at position: TextRange) -> QueryAnnotation {
        QueryAnnotation(
            .warning,
            "bucket label \"le\" is missing or has a malformed value of \(bound.quotedAsInGo)" + forMetric(metric),
            at: position)
    }

    static func sortInRange(at position: TextRange) -> QueryAnnotation {
        QueryAnnotation(
            .warning, "sort is ineffective for range queries since results are always ordered by labels", at: position)
    }

    static func possibleNonCounter(metric: String, at position: TextRange) -> QueryAnnotation {
        QueryAnnotation(
            .info,
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \(metric.quotedAsInGo)",
            at: position)
    }

    static func repaired(_ repairs: BucketRepairs, metric: String, at position: TextRange) -> QueryAnnotation {
        QueryAnnotation(
            .info,
            "input to histogram_quantile needed to be fixed for monotonicity (see "
                + "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
                + forMetric(metric),
            at: position, repairs: repairs)
    }

    private static func forMetric(_ name: String) -> String {
        name.isEmpty ? "" : " for metric name \(name.quotedAsInGo)"
    }
}

/// Where bucket counts of classic histograms fell though they may only grow, and were raised.
struct BucketRepairs: Equatable, Sendable {
    var lowestBound: Double
    var highestBound: Double
    /// By how much a count was raised at most.
    var largestGap: Double
    var count = 1
    var from: Instant
    var to: Instant

    func merged(_ other: BucketRepairs) -> BucketRepairs {
        BucketRepairs(
            lowestBound: min(lowestBound, other.lowestBound), highestBound: max(highestBound, other.highestBound),
            largestGap: max(largestGap, other.largestGap), count: count + other.count, from: min(from, other.from),
            to: max(to, other.to))
    }

    var text: String {
        ", from buckets \(GoFloat.general(lowestBound)) to \(GoFloat.general(highestBound)), with a max diff of "
            + "\(largestGap.withTwoDigits), over \(count) samples from \(Self.seconds(from)) to \(Self.seconds(to))"
    }

    /// RFC 3339 without the milliseconds.
    private static func seconds(_ time: Instant) -> String { time.description.prefix(19) + "Z" }
}

extension Double {
    /// Go's `%.2g`: two significant digits.
    fileprivate var withTwoDigits: String {
        guard isFinite, self != 0 else { return GoFloat.general(self) }
        var mantissa = magnitude
        var exponent = 0
        while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
        while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
        var tenths = Int((mantissa * 10).rounded())
        if tenths == 100 { (tenths, exponent) = (10, exponent + 1) }
        let sign = self < 0 ? "-" : ""
        if (-4...1).contains(exponent) {
            // Dividing by an exact power of ten gives the double nearest to the two digits.
            let unit = [1.0, 10, 100, 1_000, 10_000, 100_000][1 - exponent]
            return sign + GoFloat.general(Double(tenths) / unit)
        }
        let power = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
        let fraction = tenths % 10 == 0 ? "" : ".\(tenths % 10)"
        return sign + "\(tenths / 10)\(fraction)e\(exponent < 0 ? "-" : "+")\(power)"
    }
}

extension String {
    /// In double quotes, with Go's escapes for quotes, backslashes and what does not print.
    var quotedAsInGo: String {
        var text = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..."\u{1f}", "\u{7f}":
                let digits = String(scalar.value, radix: 16)
                text += "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
