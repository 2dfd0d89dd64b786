/// Where the files of one cgroup are, by controller. On a host with version 2 one folder has them all; with version 1
/// each controller has its own tree; on a hybrid host some are here and some there.
struct CgroupPaths: Equatable, Sendable {
    enum Controller: String, CaseIterable, Sendable {
        case cpu, cpuacct, memory, blkio, pids
    }

    /// The folder of each controller of version 1.
    private(set) var legacy: [Controller: String] = [:]
    /// The folder of version 2.
    private(set) var unified: String?
    /// The cgroup's own path, which cAdvisor calls the container's `id`: `/docker/<id>`,
    /// `/system.slice/docker-<id>.scope`.
    private(set) var name = ""

    var isEmpty: Bool { legacy.isEmpty && unified == nil }

    /// Reads the text of `/proc/<pid>/cgroup`: lines `number:controllers:path`. Lines whose path does not contain
    /// `containing` are of another cgroup and are passed over.
    init(text: String, sysRoot: String, containing id: String) {
        let root = sysRoot + "/fs/cgroup"
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            // A path that climbs out of this process's own cgroup namespace cannot be followed from here.
            guard parts.count == 3, parts[2].hasPrefix("/"), Self.contains(parts[2], id),
                !parts[2].split(separator: "/").contains("..")
            else { continue }
            let path = parts[2] == "/" ? "" : String(parts[2])
            if parts[0] == "0", parts[1].isEmpty {
                let base = PathProbe.exists(root + "/cgroup.controllers") ? root : root + "/unified"
                if PathProbe.exists(base + path) { unified = base + path }
                if name.isEmpty { name = path }
                continue
            }
            let controllers = parts[1].split(separator: ",").map(String.init)
            for controller in controllers.compactMap(Controller.init(rawValue:)) {
                // The tree is named after all of its controllers, and has links named after each.
                let folders = ["\(root)/\(parts[1])\(path)", "\(root)/\(controller.rawValue)\(path)"]
                guard let folder = folders.first(where: PathProbe.exists) else { continue }
                legacy[controller] = folder
                if controller == .cpuacct || name.isEmpty { name = path }
            }
        }
    }

    private static func contains(_ path: Substring, _ id: String) -> Bool {
        id.isEmpty || path.indices.contains { path[$0...].hasPrefix(id) }
    }
}
