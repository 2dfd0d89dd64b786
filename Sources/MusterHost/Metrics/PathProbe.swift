import Glibc

/// Small questions to the file system.
enum PathProbe {
    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// What a symbolic link points to; nil when it is none.
    static func linkTarget(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = unsafe readlink(path, &target, target.count)
        return length > 0 ? String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// The names in a directory, in no order; nil when it cannot be read.
    static func names(in path: String) -> [String]? {
        guard let directory = unsafe opendir(path) else { return nil }
        defer { _ = unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

enum MemoryPage {
    static let bytes = Double(max(1, sysconf(Int32(_SC_PAGESIZE))))
}
