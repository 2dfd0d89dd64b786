package import ArgumentParser
import Foundation
import MusterModel

package struct TokenVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Tokens that let a host join or a person or program use the API.",
        discussion: """
            Examples:
              muster token create --host web-01
              muster token create --role viewer --name dashboard --ttl 720h
              muster token list
            """,
        subcommands: [Create.self, List.self, Revoke.self])

    package init() {}

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a token. It is shown once.",
            discussion: """
                Examples:
                  muster token create --host web-01                       (one host may join, once, within 10 minutes)
                  muster token create --role viewer --name dashboard      (the API, read only)
                """)
        @Option(help: "Let the host of this name join.") var host: String?
        @Option(help: "A token for the API: ingester (pushes samples), viewer, operator, releaser or admin.")
        var role: String?
        @Option(help: "What an API token is for.") var name: String?
        @Option(help: "How long it is valid; 10m for a host, 24h for the API when not given.", transform: parseDuration)
        var ttl: Duration?
        @OptionGroup var options: CommonOptions

        struct Request: Encodable {
            var kind: String
            var host: String?
            var name: String?
            var role: String?
            var ttl: String?
        }
        struct Answer: Decodable {
            var id: String
            var token: String
            var expiresAt: String
        }

        func validate() throws {
            guard (host == nil) != (role == nil) else {
                throw ValidationError("Say either --host NAME (a host may join) or --role ROLE (a token for the API).")
            }
        }

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                let request = Request(
                    kind: host == nil ? "api" : "join", host: host, name: name, role: role, ttl: ttl?.shortText)
                let data = try await session.ask(
                    "POST", "/v1/tokens", body: Array(try JSONEncoder().encode(request)))
                guard !session.isJSON else { return Output.line(String(decoding: data, as: UTF8.self)) }
                let answer: Answer = try APIClient.decode(data)
                Output.line(answer.token)
                guard let host, session.terminal.isErrorTerminal else { return }
                Output.error("Valid once, for \(host), until \(answer.expiresAt). On that host:")
                Output.error("  muster-agent enroll --coordinator <this coordinator>:7444 --token \(answer.token)")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List tokens, never their secrets.",
            discussion: "Example:\n  muster token list")
        @OptionGroup var options: CommonOptions

        struct Token: Decodable, Sendable {
            var id: String
            var kind: String
            var name: String
            var role: String
            var expiresAt: String
            var lastUsed: String?
        }

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                try await session.show("/v1/tokens", [Token].self) { tokens in
                    var table = Table("ID", "KIND", "NAME", "ROLE", "EXPIRES", "LAST USED")
                    for token in tokens {
                        table.row(
                            .init(token.id), .init(token.kind), .init(token.name), .init(token.role),
                            .init(token.expiresAt), .init(token.lastUsed ?? "never"))
                    }
                    return table.isEmpty ? ["No tokens."] : table.lines(session.terminal)
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "End a token now.",
            discussion: "Example:\n  muster token revoke t-4f2a9c01")
        @Argument(help: "The token's id, from `muster token list`.") var id: String
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                let data = try await session.ask("POST", "/v1/tokens/\(APIClient.encoded(id))/revoke")
                Output.line(session.isJSON ? String(decoding: data, as: UTF8.self) : "\(id) is revoked.")
            }
        }
    }
}
