import MusterModel

/// `host:port`. An IPv6 address stands in brackets.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address, without brackets.
    package var host: String
    /// 0 to 65,535; 0 asks the system for a free one where a listener allows it.
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Nil unless the text is a host and a port; without a port `defaultPort` holds, if there is one.
    package init?(_ text: String, defaultPort: Int? = nil) {
        var host = Substring(text)
        var port = defaultPort
        var rest = Substring()
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            rest = text[text.index(after: end)...]
            guard host.count(where: { $0 == ":" }) >= 2,
                host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." || $0 == "%" })
            else { return nil }
        } else {
            if let colon = text.firstIndex(of: ":") {
                host = text[..<colon]
                rest = text[colon...]
            }
            guard NameSpelling.isValid(String(host)) else { return nil }
        }
        if !rest.isEmpty {
            let digits = rest.dropFirst()
            guard rest.first == ":", digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits),
                number <= 65_535
            else { return nil }
            port = number
        }
        guard !host.isEmpty, let port else { return nil }
        self.host = String(host)
        self.port = port
    }
}

// Kinds of values that several keys share.
extension ConfigReader {
    /// An absolute path.
    mutating func absolutePath(_ key: String) throws(ConfigError) -> String? {
        try value(key, allowed: "an absolute path such as /var/lib/muster") { text, _ in
            text.hasPrefix("/") && !text.unicodeScalars.contains("\0") ? text : nil
        }
    }

    /// A list of absolute glob patterns.
    mutating func globs(_ key: String) throws(ConfigError) -> [String]? {
        try list(key) { node, path throws(ConfigError) in
            try Self.scalar(node, path: path, allowed: "an absolute path, with * ? [a-z] as wildcards") { text, _ in
                text.hasPrefix("/") ? text : nil
            }
        }
    }

    /// An address to listen at; port 0 takes a free one.
    mutating func listenAddress(_ key: String) throws(ConfigError) -> Endpoint? {
        try value(key, allowed: "address:port such as 0.0.0.0:7443 or [::]:7443") { text, _ in Endpoint(text) }
    }

    /// Labels whose names and values keep the limits of series.
    mutating func seriesLabels(_ key: String) throws(ConfigError) -> Labels? {
        guard let labels = try labels(key) else { return nil }
        for label in labels.pairs {
            guard Self.isLabelName(label.name) else {
                throw error(
                    key, "has the label name \"\(label.name)\"",
                    allowed: "names of letters, digits and _, not beginning with a digit or __")
            }
            guard label.value.utf8.count <= Limits.labelValueBytes else {
                throw error(key, "has a value that is too long", allowed: "at most \(Limits.labelValueBytes) bytes")
            }
        }
        guard labels.count <= Limits.labelsPerSet / 2 else {
            throw error(key, "has \(labels.count) labels", allowed: "at most \(Limits.labelsPerSet / 2)")
        }
        return labels
    }

    static func isLabelName(_ name: String) -> Bool {
        Labels.isName(name) && name.utf8.count <= Limits.labelNameBytes && !name.hasPrefix("__")
    }
}
