import MusterModel

/// Size and free space of every mounted file system.
///
/// A sweep reads the list of mounts and asks them all at once (`MountProbes`). What has answered within `patience` is
/// set in the same tick; what has not is looked at again with every following tick, and after `deadline` counts as
/// `node_filesystem_device_error` until it answers.
///
///     asked   -- answered           --> measured
///     asked   -- refused, deadline  --> in error (size and space end)
///     in error -- answered          --> measured
struct FilesystemCollector: HostCollector {
    struct Settings: Sendable {
        var procRoot: String
        /// Put before each mount point, for an agent that sees the host's files below a folder.
        var rootfs: String
        var mountPointsExcluded: [String]
        var typesExcluded: Set<String>
        var patience: Duration
        var deadline: Duration
        var ask: @Sendable (String) -> FilesystemUsage?
    }

    private static let sizes = ["size_bytes", "free_bytes", "avail_bytes", "files", "files_free"]

    private struct Mount: Sendable {
        let path: String
        let labels: [(String, String)]
        var isReadOnly: Bool
        var error: Int
        var readOnly: Int
        /// Empty while in error.
        var sizes: [Int] = []
        /// When the question under way was asked; nil once it is answered.
        var askedAt: Instant?
        var isSeen = true
    }

    private let settings: Settings
    private let probes: MountProbes
    private var files: [ProcFile]
    private var mounts: [[UInt8]: Mount] = [:]
    private var isSweeping = false

    init(_ settings: Settings) {
        self.settings = settings
        probes = MountProbes(settings.ask)
        // The agent may live in a mount namespace of its own; process 1 has the host's.
        files = ["1", "self"].map { ProcFile("\(settings.procRoot)/\($0)/mounts") }
    }

    var isPending: Bool { isSweeping }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        if !isSweeping {
            do {
                try files[0].read(into: &buffer)
            } catch {
                try files[1].read(into: &buffer)
            }
            listed(buffer, &table)
            ask(now: now)
        }
        harvest(now: now, &table)
    }

    mutating func ended(_ table: inout MetricTable) {
        for key in mounts.keys { forget(key, &table) }
        isSweeping = false
    }

    /// Takes over the list of mounts: new ones get series, missing ones end.
    private mutating func listed(_ buffer: ReadBuffer, _ table: inout MetricTable) {
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        for key in mounts.keys { mounts[key]?.isSeen = false }
        while var line = lines.line(bytes) {
            guard let device = line.field(bytes), let point = line.field(bytes), let type = line.field(bytes),
                let options = line.field(bytes)
            else { continue }
            let key = bytes.copy(device.lowerBound..<type.upperBound)
            let isReadOnly = bytes.text(options).split(separator: ",").contains("ro")
            if mounts[key] != nil {
                mounts[key]?.isSeen = true
                mounts[key]?.isReadOnly = isReadOnly
                continue
            }
            let (path, fstype) = (MountText.decoded(bytes.copy(point)), bytes.text(type))
            guard !settings.typesExcluded.contains(fstype), !isExcluded(path) else { continue }
            let labels = [
                ("device", MountText.decoded(bytes.copy(device))), ("mountpoint", path), ("fstype", fstype),
            ]
            mounts[key] = Mount(
                path: settings.rootfs == "/" ? path : settings.rootfs + path, labels: labels, isReadOnly: isReadOnly,
                error: table.filesystem("device_error", labels), readOnly: table.filesystem("readonly", labels))
        }
        for (key, mount) in mounts where !mount.isSeen { forget(key, &table) }
    }

    private mutating func ask(now: Instant) {
        var launched: [String: MountProbes.Launch] = [:]
        for key in mounts.keys {
            guard var mount = mounts[key] else { continue }
            // Two mounts may stand on one path; one question answers both.
            let launch = launched[mount.path] ?? probes.launch(mount.path)
            launched[mount.path] = launch
            switch launch {
            case .launched: mount.askedAt = now
            case .busy: mount.askedAt = mount.askedAt ?? now - settings.deadline
            case .refused: mount.askedAt = now - settings.deadline
            }
            mounts[key] = mount
        }
        probes.wait(for: launched.filter { $0.value == .launched }.map(\.key), patience: settings.patience)
    }

    private mutating func harvest(now: Instant, _ table: inout MetricTable) {
        var answers: [String: MountProbes.Answer] = [:]
        isSweeping = false
        for key in mounts.keys {
            guard var mount = mounts[key], let askedAt = mount.askedAt else { continue }
            let answer = answers[mount.path] ?? probes.take(mount.path)
            answers[mount.path] = answer
            switch answer {
            case .usage(let usage):
                mount.askedAt = nil
                measured(&mount, usage, &table)
            case .refused:
                mount.askedAt = nil
                failed(&mount, &table)
            case nil where now - askedAt >= settings.deadline:
                failed(&mount, &table)
            case nil:
                isSweeping = true
            }
            mounts[key] = mount
        }
    }

    private func measured(_ mount: inout Mount, _ usage: FilesystemUsage, _ table: inout MetricTable) {
        if mount.sizes.isEmpty {
            let labels = mount.labels
            mount.sizes = Self.sizes.map { table.filesystem($0, labels) }
        }
        table.set(mount.error, 0)
        table.set(mount.readOnly, mount.isReadOnly ? 1 : 0)
        let values = [usage.sizeBytes, usage.freeBytes, usage.availableBytes, usage.files, usage.filesFree]
        for (handle, value) in zip(mount.sizes, values) { table.set(handle, value) }
    }

    private func failed(_ mount: inout Mount, _ table: inout MetricTable) {
        table.set(mount.error, 1)
        table.set(mount.readOnly, mount.isReadOnly ? 1 : 0)
        table.end(&mount.sizes)
    }

    private mutating func forget(_ key: [UInt8], _ table: inout MetricTable) {
        guard var mount = mounts.removeValue(forKey: key) else { return }
        table.end(mount.error)
        table.end(mount.readOnly)
        table.end(&mount.sizes)
        _ = probes.take(mount.path)
    }

    /// True for an excluded folder and everything below it. `/a/+` excludes only what is below `/a`.
    private func isExcluded(_ path: String) -> Bool {
        settings.mountPointsExcluded.contains { rule in
            rule.hasSuffix("/+")
                ? path.hasPrefix(rule.dropLast()) && path.utf8.count > rule.utf8.count - 1
                : path == rule || path.hasPrefix(rule + "/")
        }
    }
}

extension MetricTable {
    fileprivate mutating func filesystem(_ name: String, _ labels: [(String, String)]) -> Int {
        register(Labels([("__name__", "node_filesystem_" + name)] + labels))
    }
}

/// The kernel writes blanks, backslashes and the like in mount lines as three octal digits: `\040`.
private enum MountText {
    static func decoded(_ bytes: [UInt8]) -> String {
        var decoded: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\"), index + 3 < bytes.count,
                let value = octal(bytes[(index + 1)...(index + 3)])
            {
                decoded.append(value)
                index += 4
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func octal(_ digits: ArraySlice<UInt8>) -> UInt8? {
        var value: UInt16 = 0
        for digit in digits {
            guard (0x30...0x37).contains(digit) else { return nil }
            value = value * 8 + UInt16(digit - 0x30)
        }
        return UInt8(exactly: value)
    }
}
