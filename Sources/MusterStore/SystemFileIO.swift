import Glibc

/// `FileIO` on the host's file system.
package struct SystemFileIO: FileIO {
    package init() {}

    package func open(_ path: String, _ mode: OpenMode) throws(StoreError) -> OpenFile {
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT | O_EXCL
            case .createOrOpen: O_RDWR | O_CREAT
            }
        let descriptor = try retrying("open", path) { unsafe Glibc.open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600) }
        return OpenFile(number: Int(descriptor), path: path, io: self)
    }

    package func close(_ number: Int) { _ = Glibc.close(Int32(truncatingIfNeeded: number)) }

    package func read(
        _ file: OpenFile, at offset: Int, count: Int, into buffer: inout [UInt8]
    ) throws(StoreError) -> Int {
        precondition(count <= buffer.count, "the buffer is smaller than the read")
        var done = 0
        while done < count {
            let got = try retrying("read", file.path) {
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    unsafe pread(
                        descriptor(file), bytes.baseAddress.map { unsafe $0 + done }, count - done, offset + done)
                }
            }
            if got == 0 { break }
            done += got
        }
        return done
    }

    package func write(_ file: OpenFile, at offset: Int, _ bytes: [UInt8]) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let put = try retrying("write", file.path) {
                unsafe bytes.withUnsafeBytes { raw in
                    unsafe pwrite(
                        descriptor(file), raw.baseAddress.map { unsafe $0 + done }, raw.count - done, offset + done)
                }
            }
            // A regular file that takes no byte and reports no error has no room.
            if put == 0 { throw StoreError(errno: ENOSPC, operation: "write", path: file.path) }
            done += put
        }
    }

    package func size(_ file: OpenFile) throws(StoreError) -> Int {
        var status = stat()
        _ = try retrying("read the size of", file.path) { unsafe fstat(descriptor(file), &status) }
        return Int(status.st_size)
    }

    package func truncate(_ file: OpenFile, to size: Int) throws(StoreError) {
        _ = try retrying("truncate", file.path) { ftruncate(descriptor(file), size) }
    }

    package func syncData(_ file: OpenFile) throws(StoreError) {
        // No retry on any error: after a failure the kernel may have forgotten the dirty pages.
        guard fdatasync(descriptor(file)) == 0 else {
            throw StoreError(errno: errno, operation: "sync", path: file.path)
        }
    }

    package func lock(_ file: OpenFile) throws(StoreError) {
        _ = try retrying("lock", file.path) { flock(descriptor(file), LOCK_EX | LOCK_NB) }
    }

    package func syncDirectory(_ path: String) throws(StoreError) {
        let descriptor = try retrying("open", path) { unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { _ = Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw StoreError(errno: errno, operation: "sync", path: path) }
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw StoreError(errno: errno, operation: "make the directory", path: path)
        }
    }

    package func list(_ path: String) throws(StoreError) -> [String] {
        guard let directory = unsafe opendir(path) else {
            throw StoreError(errno: errno, operation: "list", path: path)
        }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(directory) else { break }
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw StoreError(errno: errno, operation: "list", path: path) }
        return names.sorted()
    }

    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        guard unsafe Glibc.rename(path, newPath) == 0 else {
            throw StoreError(errno: errno, operation: "rename", path: path)
        }
    }

    package func unlink(_ path: String) throws(StoreError) {
        guard unsafe Glibc.unlink(path) == 0 else { throw StoreError(errno: errno, operation: "remove", path: path) }
    }

    package func randomWord() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }

    private func descriptor(_ file: OpenFile) -> Int32 { Int32(truncatingIfNeeded: file.number) }

    /// Repeats a call that a signal interrupted; throws for any other failure.
    private func retrying<Value: FixedWidthInteger & SignedInteger>(
        _ operation: String, _ path: String, _ call: () -> Value
    ) throws(StoreError) -> Value {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw StoreError(errno: errno, operation: operation, path: path) }
        }
    }
}
