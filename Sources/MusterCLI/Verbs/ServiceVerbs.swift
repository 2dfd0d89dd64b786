package import ArgumentParser
import Foundation

package struct ServicesVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "services", abstract: "Services and their instances, with the state of their checks.",
        discussion: "Example:\n  muster services")
    @OptionGroup var options: CommonOptions

    package init() {}

    struct Service: Decodable, Sendable {
        struct Instance: Decodable, Sendable {
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

    package func run() async throws {
        try await reporting {
            let session = try Session(options)
            try await session.show("/v1/services", [Service].self) { services in
                guard !services.isEmpty else {
                    return ["No services. Give a container the label SERVICE_NAME, or list services in agent.yaml."]
                }
                var table = Table("SERVICE", "HOST", "ADDRESS", "STATE", "TAGS", "REASON")
                for service in services {
                    for instance in service.instances {
                        table.row(
                            .init(service.name), .init(instance.host), .init("\(instance.address):\(instance.port)"),
                            .init(instance.state, stateColour(instance.state)),
                            .init(instance.tags.joined(separator: ",")), .init(instance.reason))
                    }
                }
                return table.lines(session.terminal)
            }
        }
    }
}

package struct RouteVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "route", abstract: "Which instances of a service get traffic, which do not, and why.",
        discussion: "Examples:\n  muster route web\n  muster route web --watch")
    @Argument(help: "The service's name.") var service: String
    @Flag(help: "Print again whenever the route changes, until interrupted.") var watch = false
    @OptionGroup var options: CommonOptions

    package init() {}

    struct Route: Decodable, Sendable {
        struct Instance: Decodable, Sendable {
            var id: String
            var address: String
            var port: Int
            var weight: Int
            var reason: String
        }
        struct Excluded: Decodable, Sendable {
            var id: String
            var reason: String
        }
        var service: String
        var version: UInt64
        var instances: [Instance]
        var excluded: [Excluded]
    }

    package func run() async throws {
        try await reporting {
            let session = try Session(options)
            let path = "/v1/route/\(APIClient.encoded(service))"
            guard watch else {
                return try await session.show(path, Route.self) { lines($0, session.terminal) }
            }
            var version: UInt64?
            while true {
                let data = try await session.ask(
                    "GET", path, query: [("version", version.map(String.init)), ("wait", version == nil ? nil : "20s")])
                let route: Route = try APIClient.decode(data)
                guard route.version != version else { continue }
                version = route.version
                if session.isJSON {
                    Output.line(String(decoding: data, as: UTF8.self))
                } else {
                    for line in lines(route, session.terminal) + [""] { Output.line(line) }
                }
            }
        }
    }

    private func lines(_ route: Route, _ terminal: Terminal) -> [String] {
        var table = Table("INSTANCE", "ADDRESS", "WEIGHT", "REASON")
        for instance in route.instances {
            table.row(
                .init(instance.id), .init("\(instance.address):\(instance.port)"), .init("\(instance.weight)", .green),
                .init(instance.reason))
        }
        for instance in route.excluded {
            table.row(.init(instance.id), .init("-"), .init("out", .red), .init(instance.reason))
        }
        guard !table.isEmpty else { return ["\(route.service): no instances (version \(route.version))"] }
        return ["\(route.service), version \(route.version)"] + table.lines(terminal)
    }
}
