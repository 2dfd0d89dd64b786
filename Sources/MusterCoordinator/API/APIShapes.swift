/// The JSON that the API gives out, field by field as docs/reference/api.md promises: stable from here on.
package enum APIShape {
    package struct Host: Encodable, Equatable, Sendable {
        var id: String
        var name: String
        var state: String
        var reason: String
        var bootId: String
        var agentVersion: String
        var lastSeen: String
        var labels: [String: String]
    }

    package struct Container: Encodable, Equatable, Sendable {
        var id: String
        var name: String
        var host: String
        var image: String
        var state: String
        var health: String
        var labels: [String: String]
    }

    package struct Service: Encodable, Equatable, Sendable {
        package struct Instance: Encodable, Equatable, Sendable {
            var id: String
            var host: String
            var address: String
            var port: Int
            var state: String
            var tags: [String]
            var reason: String
        }
        var name: String
        var instances: [Instance]
    }

    package struct Route: Encodable, Equatable, Sendable {
        package struct Instance: Encodable, Equatable, Sendable {
            var id: String
            var address: String
            var port: Int
            var weight: Int
            var reason: String
        }
        package struct Excluded: Encodable, Equatable, Sendable {
            var id: String
            var reason: String
        }
        var service: String
        var version: UInt64
        var instances: [Instance]
        var excluded: [Excluded]
    }

    package struct Plan: Encodable, Equatable, Sendable {
        package struct Wave: Encodable, Equatable, Sendable {
            package struct Host: Encodable, Equatable, Sendable {
                var host: String
                var name: String
                var container: String
                var from: String
                var to: String
            }
            var hosts: [Host]
        }
        var name: String
        var changes: Int
        var waves: [Wave]
        var warnings: [String]
    }

    package struct RolloutSummary: Encodable, Equatable, Sendable {
        var id: String
        var name: String
        var state: String
        var reason: String
        var startedAt: String
        @OrNull var finishedAt: String?
    }

    package struct Token: Encodable, Equatable, Sendable {
        var id: String
        var kind: String
        var name: String
        var role: String
        var expiresAt: String
        @OrNull var lastUsed: String?
    }

    package struct Status: Encodable, Sendable {
        struct Alerts: Encodable, Sendable {
            var pending: Int
            var firing: Int
        }
        struct Ingest: Encodable, Sendable {
            var metricFrames: Int
            var logFrames: Int
            var duplicates: Int
            var bytes: Int
        }
        var version: String
        var startedAt: String
        var warmingUp: Bool
        /// By state; a state nobody is in is left out.
        var hosts: [String: Int]
        var containers: Int
        var services: Int
        var series: Int
        var alerts: Alerts
        var rollouts: [String: Int]
        var ingest: Ingest
    }
}

/// What is absent is written as null: programs that read this see every field every time.
@propertyWrapper
package struct OrNull: Encodable, Equatable, Sendable {
    package var wrappedValue: String?

    package init(wrappedValue: String?) { self.wrappedValue = wrappedValue }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}

/// A refusal: what is wrong, and the way out.
package struct APIError: Error, Equatable, Sendable {
    package var status: Int
    package var code: String
    package var message: String
    package var hint: String
    /// When it makes sense to ask again; nil says nothing about it.
    package var retryAfterSeconds: Int?

    package init(_ status: Int, _ code: String, _ message: String, hint: String = "", retryAfterSeconds: Int? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.retryAfterSeconds = retryAfterSeconds
    }

    package static func notFound(_ what: String, hint: String = "") -> APIError {
        APIError(404, "not_found", "\(what) does not exist", hint: hint)
    }
    package static func badRequest(_ message: String, hint: String = "") -> APIError {
        APIError(400, "bad_request", message, hint: hint)
    }
    /// Whoever gets this may ask again, of the coordinator that comes after this one.
    package static let stopping = APIError(503, "stopping", "the coordinator stops", hint: "ask again in a moment")
    package static func conflict(_ message: String, hint: String = "") -> APIError {
        APIError(409, "conflict", message, hint: hint)
    }
}
