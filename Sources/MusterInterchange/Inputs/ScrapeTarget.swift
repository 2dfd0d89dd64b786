package import MusterModel

/// An endpoint that tells its metrics in one of Prometheus's text formats.
package struct ScrapeTarget: Hashable, Sendable, CustomStringConvertible {
    package var endpoint: HTTPEndpoint
    /// Path and query, percent-encoded.
    package var path: String
    /// `job`, `instance` and whatever was configured.
    package var labels: TargetLabels
    package var interval: Duration
    /// At most `interval`.
    package var timeout: Duration
    /// Samples of one answer; more fail the scrape.
    package var maxSeries: Int

    package init(
        endpoint: HTTPEndpoint, path: String, labels: TargetLabels, interval: Duration, timeout: Duration,
        maxSeries: Int
    ) {
        self.endpoint = endpoint
        self.path = path
        self.labels = labels
        self.interval = interval
        self.timeout = timeout
        self.maxSeries = maxSeries
    }

    package var description: String { "http://\(endpoint)\(path)" }

    /// FNV-1a of what makes the target: the same on every run, so a target keeps its place in the interval.
    var hash: UInt64 {
        "\(self) \(labels.labels)".utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

/// Why a scrape gave nothing.
package struct ScrapeFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// Raw values are label values of the metric that counts failures.
    package enum Reason: String, Sendable, CaseIterable {
        case unreachable
        case timedOut = "timed_out"
        /// Not 2xx.
        case status
        /// No HTTP, compressed though nobody asked for it, or larger than allowed.
        case unusableAnswer = "unusable_answer"
        /// No exposition.
        case malformed
        case tooManySeries = "too_many_series"
        /// All targets together have as many series as a host may have.
        case hostLimit = "host_limit"
    }

    package var reason: Reason
    package var detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    package init(_ failure: HTTPFailure) {
        detail = failure.description
        switch failure {
        case .unreachable, .untrusted: reason = .unreachable
        case .timedOut: reason = .timedOut
        case .malformed, .closed: reason = .unusableAnswer
        }
    }

    package var description: String { detail }
}

extension InterchangeLimits {
    /// Endpoints one agent scrapes; more are left out and counted.
    package static let scrapeTargets = 200
    /// The body of an answer.
    package static let scrapeBytes = 16 << 20
}
