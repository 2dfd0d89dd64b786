/// Every route of the API, once. The switches below are exhaustive, so a route without a method, a path, an access rule
/// and a handler (`APIHandlers.answer`) does not compile.
package enum APIRoute: CaseIterable, Sendable {
    case healthz
    case enroll
    case status
    case hosts, revokeHost
    case containers
    case services, route
    case query, queryRange
    case logs
    case alerts, acknowledgeAlert
    case planRollout, runRollout, rollouts, rollout
    case pauseRollout, resumeRollout, abortRollout, undoRollout
    case createToken, tokens, revokeToken

    package var access: Access {
        switch self {
        case .healthz, .enroll: .anyone
        case .status, .hosts, .containers, .services, .route, .query, .queryRange, .logs, .alerts, .rollouts, .rollout:
            .role(.viewer)
        case .acknowledgeAlert: .role(.operator)
        case .planRollout, .runRollout, .pauseRollout, .resumeRollout, .abortRollout, .undoRollout: .role(.releaser)
        case .revokeHost, .createToken, .tokens, .revokeToken: .role(.admin)
        }
    }

    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
    }

    package var method: Method {
        switch self {
        case .healthz, .status, .hosts, .containers, .services, .route, .query, .queryRange, .logs, .alerts, .rollouts,
            .rollout, .tokens:
            .get
        case .enroll, .revokeHost, .acknowledgeAlert, .planRollout, .runRollout, .pauseRollout, .resumeRollout,
            .abortRollout, .undoRollout, .createToken, .revokeToken:
            .post
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
        case .query: "/v1/query"
        case .queryRange: "/v1/query_range"
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
        }
    }
}
