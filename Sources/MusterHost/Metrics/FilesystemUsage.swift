import Glibc

/// What `statvfs(3)` says of a mounted file system, in bytes and inodes.
package struct FilesystemUsage: Equatable, Sendable {
    package var sizeBytes: Double
    package var freeBytes: Double
    /// Free for users that are not root.
    package var availableBytes: Double
    package var files: Double
    package var filesFree: Double

    package init(
        sizeBytes: Double, freeBytes: Double, availableBytes: Double, files: Double, filesFree: Double
    ) {
        self.sizeBytes = sizeBytes
        self.freeBytes = freeBytes
        self.availableBytes = availableBytes
        self.files = files
        self.filesFree = filesFree
    }

    /// Asks the kernel; nil when it refuses. On a network file system without its server this may never return.
    package static func ofMount(_ path: String) -> FilesystemUsage? {
        var status = statvfs()
        guard unsafe statvfs(path, &status) == 0 else { return nil }
        let block = Double(status.f_frsize)
        return FilesystemUsage(
            sizeBytes: Double(status.f_blocks) * block, freeBytes: Double(status.f_bfree) * block,
            availableBytes: Double(status.f_bavail) * block, files: Double(status.f_files),
            filesFree: Double(status.f_ffree))
    }
}
