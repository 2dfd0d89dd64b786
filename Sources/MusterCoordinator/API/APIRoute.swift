/// Every route of the API, once. The switches below are exhaustive, so a route without a method, a path, an access rule
/// and a handler (`APIHandlers.answer`) does not compile.
package enum APIRoute: CaseIterable, Sendable {
    case healthz
    case enroll
    case status
    case hosts, revokeHost
    case containers
    case services, route
    case logs
    case alerts, acknowledgeAlert
    case planRollout, runRollout, rollouts, rollout
    case pauseRollout, resumeRollout, abortRollout, undoRollout
    case createToken, tokens, revokeToken
    // What speaks Prometheus.
    case query, queryRange, formatQuery
    case series, labels, labelValues, metadata, exemplars
    case ruleGroups, prometheusAlerts, targets
    case buildInfo, runtimeInfo, tsdbStatus
    case healthy, ready
    case federate, ownMetrics
    case remoteWrite, otlpMetrics
    // What speaks Loki.
    case lokiPush, otlpLogs
    case lokiQuery, lokiQueryRange, lokiLabels, lokiLabelValues, lokiSeries, lokiIndexStats, lokiIndexVolume

    package var access: Access {
        switch self {
        case .healthz, .enroll, .healthy, .ready: .anyone
        case .status, .hosts, .containers, .services, .route, .query, .queryRange, .formatQuery, .logs, .alerts,
            .rollouts, .rollout, .series, .labels, .labelValues, .metadata, .exemplars, .ruleGroups, .prometheusAlerts,
            .targets, .buildInfo, .runtimeInfo, .tsdbStatus, .federate, .ownMetrics, .lokiQuery,
            .lokiQueryRange, .lokiLabels, .lokiLabelValues, .lokiSeries, .lokiIndexStats, .lokiIndexVolume:
            .role(.viewer)
        case .acknowledgeAlert: .role(.operator)
        case .planRollout, .runRollout, .pauseRollout, .resumeRollout, .abortRollout, .undoRollout: .role(.releaser)
        case .revokeHost, .createToken, .tokens, .revokeToken: .role(.admin)
        case .remoteWrite, .otlpMetrics, .lokiPush, .otlpLogs: .ingest
        }
    }

    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
    }

    package var methods: [Method] {
        switch self {
        case .healthz, .status, .hosts, .containers, .services, .route, .logs, .alerts, .rollouts, .rollout, .tokens,
            .labelValues, .metadata, .ruleGroups, .prometheusAlerts, .targets, .buildInfo, .runtimeInfo, .tsdbStatus,
            .healthy, .ready, .federate, .ownMetrics, .lokiLabelValues:
            [.get]
        case .enroll, .revokeHost, .acknowledgeAlert, .planRollout, .runRollout, .pauseRollout, .resumeRollout,
            .abortRollout, .undoRollout, .createToken, .revokeToken, .remoteWrite, .otlpMetrics,
            .lokiPush, .otlpLogs:
            [.post]
        // A query may be longer than a URL: then it comes as a form.
        case .query, .queryRange, .formatQuery, .series, .labels, .exemplars, .lokiQuery, .lokiQueryRange, .lokiLabels,
            .lokiSeries, .lokiIndexStats, .lokiIndexVolume:
            [.get, .post]
        }
    }

    /// `:id` stands for one path segment.
    package var path: String {
        switch self {
        case .healthz: "/healthz"
        case .enroll: "/v1/enroll"
        case .status: "/v1/status"
        case .hosts: "/v1/hosts"
        case .revokeHost: "/v1/hosts/:id/revoke"
        case .containers: "/v1/containers"
        case .services: "/v1/services"
        case .route: "/v1/route/:id"
        case .logs: "/v1/logs"
        case .alerts: "/v1/alerts"
        case .acknowledgeAlert: "/v1/alerts/:id/acknowledge"
        case .planRollout: "/v1/rollouts/plan"
        case .runRollout, .rollouts: "/v1/rollouts"
        case .rollout: "/v1/rollouts/:id"
        case .pauseRollout: "/v1/rollouts/:id/pause"
        case .resumeRollout: "/v1/rollouts/:id/resume"
        case .abortRollout: "/v1/rollouts/:id/abort"
        case .undoRollout: "/v1/rollouts/:id/undo"
        case .createToken, .tokens: "/v1/tokens"
        case .revokeToken: "/v1/tokens/:id/revoke"
        case .query: "/api/v1/query"
        case .queryRange: "/api/v1/query_range"
        case .formatQuery: "/api/v1/format_query"
        case .series: "/api/v1/series"
        case .labels: "/api/v1/labels"
        case .labelValues: "/api/v1/label/:id/values"
        case .metadata: "/api/v1/metadata"
        case .exemplars: "/api/v1/query_exemplars"
        case .ruleGroups: "/api/v1/rules"
        case .prometheusAlerts: "/api/v1/alerts"
        case .targets: "/api/v1/targets"
        case .buildInfo: "/api/v1/status/buildinfo"
        case .runtimeInfo: "/api/v1/status/runtimeinfo"
        case .tsdbStatus: "/api/v1/status/tsdb"
        case .healthy: "/-/healthy"
        case .ready: "/-/ready"
        case .federate: "/federate"
        case .ownMetrics: "/metrics"
        case .remoteWrite: "/api/v1/write"
        case .otlpMetrics: "/api/v1/otlp/v1/metrics"
        case .lokiPush: "/loki/api/v1/push"
        case .otlpLogs: "/otlp/v1/logs"
        case .lokiQuery: "/loki/api/v1/query"
        case .lokiQueryRange: "/loki/api/v1/query_range"
        case .lokiLabels: "/loki/api/v1/labels"
        case .lokiLabelValues: "/loki/api/v1/label/:id/values"
        case .lokiSeries: "/loki/api/v1/series"
        case .lokiIndexStats: "/loki/api/v1/index/stats"
        case .lokiIndexVolume: "/loki/api/v1/index/volume"
        }
    }

    /// In whose words a refusal is said.
    package enum Dialect: Sendable {
        case muster
        /// `{"status":"error","errorType":...,"error":...}`
        case prometheus
        /// Text: senders write it to their log.
        case plain
    }

    package var dialect: Dialect {
        switch self {
        case .remoteWrite, .federate, .ownMetrics, .healthy, .ready, .lokiPush, .lokiQuery, .lokiQueryRange,
            .lokiLabels, .lokiLabelValues, .lokiSeries, .lokiIndexStats, .lokiIndexVolume:
            .plain
        default: path.hasPrefix("/api/v1/") ? .prometheus : .muster
        }
    }

    /// Whether an answer may be computed for so long that its asker goes away meanwhile.
    package var mayTakeLong: Bool {
        switch self {
        case .query, .queryRange, .federate, .lokiQuery, .lokiQueryRange: true
        default: false
        }
    }

    /// The largest body that is read.
    package var bodyBytes: Int {
        switch self {
        // An expression of the longest kind, with every byte escaped.
        case .query, .queryRange, .formatQuery: 4 << 20
        case .remoteWrite: PushLimits.remoteWriteBytes
        case .otlpMetrics: PushLimits.otlpBytes
        case .lokiPush, .otlpLogs: PushLimits.logBytes
        default: APIServer.bodyBytes
        }
    }
}

/// What senders of samples may ask of the coordinator.
package enum PushLimits {
    /// A remote-write body as it comes, and after decompression. Prometheus's own limit for the latter.
    package static let remoteWriteBytes = 32 << 20
    /// An OTLP body as it comes, and after decompression, as its specification recommends.
    package static let otlpBytes = 64 << 20
    /// A push of log lines as it comes, and after decompression.
    package static let logBytes = 16 << 20
}
