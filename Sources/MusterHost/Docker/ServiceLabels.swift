import MusterModel

/// A label that cannot be followed: what, where and the way out.
package struct LabelComplaint: Equatable, Sendable, CustomStringConvertible {
    package var container: String
    package var label: String
    /// `is "abc"`, `is not supported`.
    package var problem: String
    /// What is right.
    package var allowed: String

    package init(container: String, label: String, problem: String, allowed: String) {
        self.container = container
        self.label = label
        self.problem = problem
        self.allowed = allowed
    }

    package var description: String { "container \(container): label \(label) \(problem); allowed: \(allowed)" }
}

/// Reads Registrator's labels of one container for one port: `SERVICE_<port>_KEY` first, then `SERVICE_KEY`. A label
/// that cannot be followed is complained about and counts as absent.
struct ServiceLabels {
    let container: String
    let labels: Labels
    private(set) var complaints: [LabelComplaint] = []

    init(container: String, labels: Labels) {
        self.container = container
        self.labels = labels
    }

    /// The ports that have labels of their own, in order.
    var namedPorts: [Int] {
        let numbers = labels.pairs.compactMap { label -> Int? in
            let parts = label.name.split(separator: "_", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == "SERVICE", let port = Int(parts[1]) else { return nil }
            return parts[2] == "NAME" && (1...65_535).contains(port) ? port : nil
        }
        return Set(numbers).sorted()
    }

    var isIgnored: Bool { isSet("SERVICE_IGNORE") }

    func isIgnored(port: Int) -> Bool { isSet("SERVICE_\(port)_IGNORE") }

    /// Registrator takes any text for yes; a label that says no in so many words is heard.
    private func isSet(_ name: String) -> Bool {
        !["", "0", "false", "no"].contains((labels[name] ?? "").lowercased())
    }

    /// The label's name and text, the port's own before the container's.
    func text(_ key: String, port: Int) -> (label: String, text: String)? {
        for label in ["SERVICE_\(port)_\(key)", "SERVICE_\(key)"] {
            if let text = labels[label], !text.isEmpty { return (label, text) }
        }
        return nil
    }

    mutating func complain(_ label: String, _ problem: String, allowed: String) {
        complaints.append(LabelComplaint(container: container, label: label, problem: problem, allowed: allowed))
    }

    private mutating func value<Value>(_ key: String, port: Int, allowed: String, _ parse: (String) -> Value?) -> Value?
    {
        guard let (label, text) = text(key, port: port) else { return nil }
        if let value = parse(text) { return value }
        complain(label, "is \"\(text.prefix(100))\"", allowed: allowed)
        return nil
    }

    mutating func integer(_ key: String, port: Int, in range: ClosedRange<Int>) -> Int? {
        value(key, port: port, allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func duration(_ key: String, port: Int, in range: ClosedRange<Duration>) -> Duration? {
        let allowed = "a duration such as 1s, from \(range.lowerBound.shortText) to \(range.upperBound.shortText)"
        return value(key, port: port, allowed: allowed) { text in
            Duration(shortText: text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func boolean(_ key: String, port: Int) -> Bool? {
        value(key, port: port, allowed: "true or false") { text in Bool(text.lowercased()) }
    }

    /// Separated by commas; `\,` is a comma within a tag.
    func tags(port: Int) -> [String] {
        guard let (_, text) = text("TAGS", port: port) else { return [] }
        var tags = [""]
        var isEscaped = false
        for character in text {
            if isEscaped || character != "," && character != "\\" {
                if isEscaped, character != ",", character != "\\" { tags[tags.count - 1].append("\\") }
                tags[tags.count - 1].append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                tags.append("")
            }
        }
        return Array(tags.filter { !$0.isEmpty }.prefix(ContainerServices.tagLimit))
    }

    /// The check the labels ask for; without any, the image's own health check where there is one.
    mutating func check(port: Int, health: Container.Health) -> CheckPolicy {
        for key in ["CHECK_HTTPS", "CHECK_SCRIPT", "CHECK_TTL", "CHECK_GRPC", "CHECK_CMD"] {
            guard let (label, _) = text(key, port: port) else { continue }
            complain(
                label, "is not supported",
                allowed: "SERVICE_CHECK_HTTP, SERVICE_CHECK_TCP, or a HEALTHCHECK in the image")
        }
        let path = value("CHECK_HTTP", port: port, allowed: "a path such as /health, or one with a query") { text in
            text.hasPrefix("/") && text.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? text : nil
        }
        let isTCP = boolean("CHECK_TCP", port: port) ?? false
        let usesDocker = health == .none ? CheckKind.none : .docker
        var policy = CheckPolicy(kind: path.map { .http(path: $0) } ?? (isTCP ? .tcp : usesDocker))
        policy.interval =
            duration("CHECK_INTERVAL", port: port, in: .milliseconds(100)...(.hours(1))) ?? policy.interval
        policy.timeout = duration("CHECK_TIMEOUT", port: port, in: .milliseconds(10)...(.minutes(1))) ?? policy.timeout
        policy.rise = integer("CHECK_RISE", port: port, in: 1...100) ?? policy.rise
        policy.fall = integer("CHECK_FALL", port: port, in: 1...100) ?? policy.fall
        return policy
    }
}
