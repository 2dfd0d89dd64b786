package import MusterModel

/// Which logs are read, and from where.
package struct LogsConfig: Equatable, Sendable {
    package enum StartAt: String, Sendable, CaseIterable {
        /// Only what is written from now on.
        case end
        case beginning
    }

    package struct File: Equatable, Sendable {
        /// An absolute path, with `*`, `?` and `**` (any directories) as wildcards.
        package var path: String
        package var labels: Labels
        /// The service the lines belong to.
        package var service: ServiceName?
        /// What happens to the lines before they travel.
        package var processing: LogProcessing

        package init(
            path: String, labels: Labels = Labels(), service: ServiceName? = nil,
            processing: LogProcessing = LogProcessing()
        ) {
            self.path = path
            self.labels = labels
            self.service = service
            self.processing = processing
        }
    }

    package static let defaultStartAt = StartAt.beginning
    package static let maxFiles = 500

    /// Where the agent begins in files it finds when it starts for the first time.
    package var startAt = defaultStartAt
    package var files: [File] = []
    package var readsContainers = true
    /// What happens to the lines of containers before they travel.
    package var containerProcessing = LogProcessing()

    package init() {}

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let choices = StartAt.allCases.map(\.rawValue)
        startAt = try reader.string("startAt", oneOf: choices).flatMap(StartAt.init(rawValue:)) ?? Self.defaultStartAt
        files =
            try reader.list("files") { node, path throws(ConfigError) in
                try File(try ConfigReader(node, path: path))
            } ?? []
        guard files.count <= Self.maxFiles else {
            throw reader.error("files", "has \(files.count) entries", allowed: "at most \(Self.maxFiles)")
        }
        if var containers = try reader.mapping("containers") {
            readsContainers = try containers.boolean("enabled") ?? true
            containerProcessing = try containers.processing()
            try containers.finish()
        }
        try reader.finish()
    }
}

extension LogsConfig.File {
    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        _ = try reader.required("path", allowed: "an absolute path, with * ? ** as wildcards")
        path = try reader.absolutePath("path") ?? ""
        labels = try reader.seriesLabels("labels") ?? Labels()
        service = try reader.value("service", allowed: AgentConfig.nameAllowed) { text, _ in ServiceName(text) }
        processing = try reader.processing()
        try reader.finish()
    }
}

extension ConfigReader {
    fileprivate mutating func processing() throws(ConfigError) -> LogProcessing {
        guard let inner = try mapping("processing") else { return LogProcessing() }
        return try LogProcessing(inner)
    }
}
