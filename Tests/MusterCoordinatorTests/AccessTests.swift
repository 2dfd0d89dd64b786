import Foundation
import MusterCoordinator
import MusterModel
import MusterTestKit
import MusterTransport
import Testing

/// Who may ask what, over the real HTTPS server.
@Suite(.serialized)
struct AccessTests {
    private static func target(_ route: APIRoute) -> String {
        route.path.split(separator: "/", omittingEmptySubsequences: false)
            .map { $0 == ":id" ? "nobody" : String($0) }.joined(separator: "/")
    }

    @Test(.timeLimit(.minutes(3)))
    func everyRouteAsksForItsRoleAndNoMore() async throws {
        try await RunningCoordinator.run(try Scratch("access")) { coordinator in
            var tokens: [(role: Role?, token: String?)] = [(nil, nil)]
            for role in Role.allCases { tokens.append((role, try await coordinator.token(role))) }
            for route in APIRoute.allCases {
                for (method, role, token) in route.methods.flatMap({ method in tokens.map { (method, $0.0, $0.1) } }) {
                    let response = try await coordinator.ask(
                        method.rawValue, Self.target(route), token: token, body: route.body)
                    let who = role?.rawValue ?? "nobody"
                    if route.access.permits(role) {
                        #expect(![401, 403].contains(response.status), "\(route) refused \(who): \(response.status)")
                    } else {
                        let wanted = role == nil ? 401 : 403
                        #expect(response.status == wanted, "\(route) answered \(who) with \(response.status)")
                        #expect(String(decoding: response.body, as: UTF8.self).contains("muster token create"))
                        switch route.dialect {
                        case .muster:
                            let refusal = try JSON(response.body)
                            #expect(refusal.keys == ["error"] && refusal["error"]?.keys == ["code", "hint", "message"])
                        case .prometheus:
                            #expect(try JSON(response.body).keys == ["error", "errorType", "status"])
                        case .plain: #expect(response.header("content-type")?.hasPrefix("text/plain") == true)
                        }
                    }
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func whatIsNoRouteAndWhatIsTooLargeIsRefusedInTheSameWords() async throws {
        try await RunningCoordinator.run(try Scratch("unknown")) { coordinator in
            for (method, path) in [("GET", "/v2/hosts"), ("POST", "/v1/hosts"), ("GET", "/v1/hosts/a/b/c")] {
                let response = try await coordinator.ask(method, path, token: coordinator.token)
                #expect(response.status == 404)
                #expect(try JSON(response.body)["error"]?["code"]?.text == "not_found")
            }
            let large = [UInt8](repeating: 32, count: Limits.documentBytes + 1)
            let refused = try await coordinator.ask(
                "POST", "/v1/rollouts/plan", token: coordinator.token, body: large)
            #expect(refused.status == 413)
            #expect(try JSON(refused.body)["error"]?["code"]?.text == "too_large")
            // Whoever has no token is refused before the body counts.
            let nobody = try await coordinator.ask("POST", "/v1/rollouts/plan", token: nil, body: large)
            #expect(nobody.status == 401)
            let allowed = try await coordinator.ask(
                "POST", "/v1/rollouts/plan", token: coordinator.token, body: Array(large.dropLast()))
            #expect(allowed.status == 400)
            #expect(try await coordinator.ask("GET", "/healthz", token: nil).body == Array("ok\n".utf8))
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func tokensExpireAreRevokedAndAreTypedRight() async throws {
        try await RunningCoordinator.run(try Scratch("tokens")) { coordinator in
            func status(_ token: String) async throws -> Int {
                try await coordinator.ask("GET", "/v1/hosts", token: token).status
            }
            let made = try await coordinator.json(
                "POST", "/v1/tokens", body: #"{"kind":"api","role":"viewer","name":"wall"}"#)
            #expect(made.keys == ["expiresAt", "id", "token"])
            let token = try #require(made["token"]?.text)
            let id = try #require(made["id"]?.text)
            #expect(try await status(token) == 200)
            #expect(try await status(String(token.dropLast())) == 401)
            #expect(try await status("muster_" + token.dropFirst(8)) == 401)
            #expect(try await status("") == 401)
            let revoked = try await coordinator.json("POST", "/v1/tokens/\(id)/revoke")
            #expect(revoked == .object(["id": .string(id), "revoked": .bool(true)]))
            #expect(try await status(token) == 401)
            let again = try await coordinator.ask("POST", "/v1/tokens/\(id)/revoke", token: coordinator.token)
            #expect(again.status == 404)
            let short = try await coordinator.token(.viewer, lifetime: "1s")
            #expect(try await status(short) == 200)
            try await eventually("the token expires", within: .seconds(5)) { try await status(short) == 401 }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aTokenToJoinIsGoodForTenMinutesUnlessMoreIsAskedFor() async throws {
        try await RunningCoordinator.run(try Scratch("ten-minutes")) { coordinator in
            let before = Date()
            let made = try await coordinator.json("POST", "/v1/tokens", body: #"{"kind":"join","host":"a"}"#)
            let after = Date()
            let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            let expires = try format.parse(try #require(made["expiresAt"]?.text))
            // The coordinator's clock does not follow every step of the wall clock, so a second is let go.
            #expect(expires > before + 599 && expires < after + 601, "\(before) \(expires)")
        }
    }

    /// What a person asks for wrongly is told with the way out.
    private static let wrongWishes = [
        (#"{"kind":"api","role":"king"}"#, "role is \"king\"", "viewer, operator, releaser, admin"),
        (#"{"kind":"api"}"#, "role is \"\"", "viewer"), (#"{"kind":"join"}"#, "host is missing", "letters"),
        (#"{"kind":"join","host":"a/b"}"#, "no host name", "letters"),
        (#"{"kind":"join","host":"a","ttl":"soon"}"#, "ttl is \"soon\"", "10m"),
        (#"{"kind":"join","host":"a","ttl":"0"}"#, "ttl is \"0\"", "10m"),
        (#"{"kind":"other"}"#, "kind is \"other\"", "join or api"), ("no json", "not the JSON", "api.md"),
    ]

    @Test(.timeLimit(.minutes(2)))
    func aWishForATokenThatMakesNoSenseIsExplained() async throws {
        try await RunningCoordinator.run(try Scratch("wishes")) { coordinator in
            for (body, message, hint) in Self.wrongWishes {
                let response = try await coordinator.ask(
                    "POST", "/v1/tokens", token: coordinator.token, body: Array(body.utf8))
                let refusal = try JSON(response.body)["error"]
                #expect(response.status == 400, "\(body)")
                #expect(refusal?["message"]?.text?.contains(message) == true, "\(body)")
                #expect(refusal?["hint"]?.text?.contains(hint) == true, "\(body)")
            }
        }
    }

    @Test
    func aHigherRoleMayDoWhatALowerOneMay() {
        let ladder: [Role] = [.viewer, .operator, .releaser, .admin]
        #expect(Role.allCases == [.ingester] + ladder)
        // Whoever pushes samples reads nothing, and of the others only an admin pushes.
        for role in Role.allCases {
            #expect(Access.ingest.permits(role) == (role == .ingester || role == .admin))
            #expect(Access.role(role).permits(.ingester) == (role == .ingester))
        }
        for (index, least) in ladder.enumerated() {
            for (number, role) in ladder.enumerated() {
                #expect(Access.role(least).permits(role) == (number >= index))
            }
            #expect(!Access.role(least).permits(nil))
        }
        #expect(Access.anyone.permits(nil))
    }

    /// Written down by hand: the table itself cannot tell that one of its rows is wrong.
    private static let wantedRoles = [
        "GET /healthz anyone", "POST /v1/enroll anyone",
        "GET /v1/status viewer", "GET /v1/hosts viewer", "GET /v1/containers viewer", "GET /v1/services viewer",
        "GET /v1/route/:id viewer", "GET /v1/logs viewer",
        "GET /v1/alerts viewer", "GET /v1/rollouts viewer", "GET /v1/rollouts/:id viewer",
        "POST /v1/alerts/:id/acknowledge operator",
        "POST /v1/rollouts/plan releaser", "POST /v1/rollouts releaser", "POST /v1/rollouts/:id/pause releaser",
        "POST /v1/rollouts/:id/resume releaser", "POST /v1/rollouts/:id/abort releaser",
        "POST /v1/rollouts/:id/undo releaser",
        "POST /v1/hosts/:id/revoke admin", "POST /v1/tokens admin", "GET /v1/tokens admin",
        "POST /v1/tokens/:id/revoke admin",
        "GET /api/v1/query viewer", "POST /api/v1/query viewer", "GET /api/v1/query_range viewer",
        "POST /api/v1/query_range viewer", "GET /api/v1/format_query viewer", "POST /api/v1/format_query viewer",
        "GET /api/v1/series viewer", "POST /api/v1/series viewer", "GET /api/v1/labels viewer",
        "POST /api/v1/labels viewer", "GET /api/v1/label/:id/values viewer", "GET /api/v1/metadata viewer",
        "GET /api/v1/query_exemplars viewer", "POST /api/v1/query_exemplars viewer", "GET /api/v1/rules viewer",
        "GET /api/v1/alerts viewer", "GET /api/v1/targets viewer", "GET /api/v1/status/buildinfo viewer",
        "GET /api/v1/status/runtimeinfo viewer", "GET /api/v1/status/tsdb viewer", "GET /-/healthy anyone",
        "GET /-/ready anyone", "GET /federate viewer", "GET /metrics viewer", "POST /api/v1/write ingester",
        "POST /api/v1/otlp/v1/metrics ingester", "POST /loki/api/v1/push ingester", "POST /otlp/v1/logs ingester",
        "GET /loki/api/v1/query viewer", "POST /loki/api/v1/query viewer", "GET /loki/api/v1/query_range viewer",
        "POST /loki/api/v1/query_range viewer", "GET /loki/api/v1/labels viewer", "POST /loki/api/v1/labels viewer",
        "GET /loki/api/v1/label/:id/values viewer", "GET /loki/api/v1/series viewer",
        "POST /loki/api/v1/series viewer", "GET /loki/api/v1/index/stats viewer",
        "POST /loki/api/v1/index/stats viewer", "GET /loki/api/v1/index/volume viewer",
        "POST /loki/api/v1/index/volume viewer",
    ]

    @Test
    func everyRouteHasTheRoleThatWasDecidedForIt() {
        let table = APIRoute.allCases.flatMap { route in
            route.methods.map { "\($0.rawValue) \(route.path) \(Self.word(route.access))" }
        }
        #expect(table.sorted() == Self.wantedRoles.sorted())
    }

    private static func word(_ access: Access) -> String {
        switch access {
        case .anyone: "anyone"
        case .role(let role): role.rawValue
        }
    }

    @Test
    func theReferenceListsEveryRouteWithItsRole() throws {
        let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let page = textOfFile(root.path + "/docs/reference/api.md")
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init)
        try #require(rows.count > 15)
        for route in APIRoute.allCases {
            let row = rows.first { Self.isAbout($0, route) }
            let role = Self.word(route.access)
            #expect(
                row?.split(separator: "|").dropFirst().first?.contains(role) == true, "\(route): \(row ?? "no row")")
        }
    }

    /// `| `POST /v1/rollouts/{id}/pause` `resume` ...` is about each of its words.
    private static func isAbout(_ row: String, _ route: APIRoute) -> Bool {
        guard let cell = row.split(separator: "|").first else { return false }
        let words = cell.split(separator: "`").map(String.init)
        let methods = route.methods.map(\.rawValue).joined(separator: ", ")
        guard let call = words.first(where: { $0.hasPrefix(methods + " /") }) else { return false }
        let path = call.dropFirst(methods.count + 1).prefix { $0 != "?" }
        let parts = path.split(separator: "/").map { $0.hasPrefix("{") ? ":id" : String($0) }
        let wanted = route.path.split(separator: "/").map(String.init)
        if parts == wanted { return true }
        return parts.dropLast() == wanted.dropLast() && words.contains(wanted.last ?? "")
    }
}

extension APIRoute {
    /// A body that is refused for what it says wherever one is read.
    fileprivate var body: [UInt8] { methods.contains(.post) ? Array("{}".utf8) : [] }
}
