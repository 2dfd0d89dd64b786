/// Keeps a state directory to one process. The lock belongs to the open file, so it is gone with the process and a file
/// that a crash left behind does not block.
package final class DirectoryLock: Sendable {
    package static let fileName = "lock"
    private let file: OpenFile

    /// Holds the lock until the value is gone. Makes the directory when it is missing. Throws `.locked`, naming the
    /// directory, when another process has it.
    package init(directory: String, io: any FileIO) throws(StoreError) {
        try io.makeDirectories(directory)
        let file = try io.open("\(directory)/\(Self.fileName)", .createOrOpen)
        do throws(StoreError) {
            try io.lock(file)
        } catch  where error.cause == .locked {
            throw StoreError(
                .locked, operation: "use", path: directory, detail: "another process has locked this directory")
        }
        self.file = file
    }
}
