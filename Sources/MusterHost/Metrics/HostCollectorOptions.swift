import MusterModel

/// Where the host's files are and what is measured how often. The defaults are node_exporter's own; a distribution's
/// package may narrow them (Debian's leaves out `lo`, `/run`, `/mnt` and `/media`).
package struct HostCollectorOptions: Sendable {
    /// Without a slash at the end, like all roots here.
    package var procRoot = "/proc"
    package var sysRoot = "/sys"
    package var udevRoot = "/run/udev/data"
    /// The folder under which the host's mount points are seen; `/` when the agent runs on the host itself.
    package var rootfs = "/"

    package var disabled: Set<CollectorName> = []
    /// Instead of `CollectorName.defaultInterval`. A collector never runs more often than the host ticks.
    package var intervals: [CollectorName: Duration] = [:]

    /// Block devices that are not measured.
    package var isDiskExcluded: @Sendable (String) -> Bool = { DiskCollector.isExcludedByDefault($0) }
    package var netDevicesExcluded: Set<String> = []
    /// Folders with everything below them; with `/+` at the end only what is below.
    package var mountPointsExcluded = [
        "/dev", "/proc", "/run/credentials/+", "/sys", "/var/lib/docker/+", "/var/lib/containers/storage/+",
    ]
    package var filesystemTypesExcluded: Set<String> = [
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl",
        "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "procfs", "pstore", "rpc_pipefs", "securityfs",
        "selinuxfs", "squashfs", "sysfs", "tracefs",
    ]

    /// How long a tick waits for mounts; those that take longer are set by a later tick.
    package var mountPatience = Duration.milliseconds(20)
    /// After this long without an answer a mount is in error.
    package var mountDeadline = Duration.seconds(5)
    /// Asks one mount. A test puts one here that never returns.
    package var statfs: @Sendable (String) -> FilesystemUsage? = { FilesystemUsage.ofMount($0) }

    package init() {}
}
