import Foundation

/// Which coordinator to ask, and as whom. Found in this order: `--context FILE`, `MUSTER_CONTEXT`,
/// `$XDG_CONFIG_HOME/muster/context.json`, `~/.config/muster/context.json`, `/etc/muster/context.json`.
package struct Context: Codable, Sendable {
    /// `host:port` of the API.
    package var address: String
    /// PEM of the authority that signed the coordinator's certificate.
    package var authority: String
    package var token: String

    package init(address: String, authority: String, token: String) {
        self.address = address
        self.authority = authority
        self.token = token
    }

    package static func candidates(environment: [String: String]) -> [String] {
        var paths: [String] = []
        if let home = environment["XDG_CONFIG_HOME"], !home.isEmpty { paths.append(home + "/muster/context.json") }
        if let home = environment["HOME"], !home.isEmpty { paths.append(home + "/.config/muster/context.json") }
        return paths + ["/etc/muster/context.json"]
    }

    /// Throws when no file is found, a named one is absent, or the file is no context.
    package static func load(path: String?, environment: [String: String]) throws(CLIError) -> Context {
        let variable = environment["MUSTER_CONTEXT"].flatMap { $0.isEmpty ? nil : $0 }
        let named = path ?? variable
        let paths = named.map { [$0] } ?? candidates(environment: environment)
        guard let found = paths.first(where: { FileManager.default.isReadableFile(atPath: $0) }) else {
            throw CLIError(
                "no coordinator is configured: there is no readable file at \(paths.joined(separator: ", "))",
                hint: "copy context.json from the coordinator's folder and name it with --context or MUSTER_CONTEXT; "
                    + "`make up` starts a local fleet")
        }
        do {
            return try JSONDecoder().decode(Context.self, from: Data(contentsOf: URL(fileURLWithPath: found)))
        } catch {
            throw CLIError(
                "\(found) is no context: it must be JSON with the keys address, authority and token",
                hint: "copy it again from the coordinator's folder")
        }
    }
}

/// What went wrong, as one sentence, and the way out.
package struct CLIError: Error, Equatable, CustomStringConvertible {
    package var message: String
    package var hint: String

    package init(_ message: String, hint: String = "") {
        self.message = message
        self.hint = hint
    }

    package var description: String { hint.isEmpty ? message : "\(message)\nTry: \(hint)" }
}
