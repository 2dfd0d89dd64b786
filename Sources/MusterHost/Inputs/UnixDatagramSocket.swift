import Glibc

/// Why a unix datagram socket cannot be had.
struct UnixSocketError: Error, CustomStringConvertible {
    let description: String

    init(_ step: String, _ path: String, _ code: Int32) {
        let words = unsafe strerror(code).map { unsafe String(cString: $0) }
        description = "\(path) cannot be \(step): \(words ?? "error \(code)")"
    }
}

/// A unix datagram socket at a path, as a bare descriptor.
enum UnixDatagramSocket {
    /// A descriptor that receives what is sent to `path`, without blocking; the caller's to close. Every program of the
    /// host may send, as with a loopback port. A socket that nobody listens at any more makes way; anything else at the
    /// path stays, and is the error.
    static func listen(at path: String) throws(UnixSocketError) -> Int32 {
        if isAbandoned(path) { unsafe unlink(path) }
        let descriptor = try open(path)
        guard unsafe withAddress(path, { unsafe bind(descriptor, $0, $1) }) == 0 else {
            let code = errno
            close(descriptor)
            throw UnixSocketError("listened at", path, code)
        }
        guard unsafe chmod(path, 0o666) == 0 else {
            let code = errno
            close(descriptor)
            throw UnixSocketError("opened to others", path, code)
        }
        return descriptor
    }

    private static func open(_ path: String) throws(UnixSocketError) -> Int32 {
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw UnixSocketError("made", path, errno) }
        return descriptor
    }

    private static func isAbandoned(_ path: String) -> Bool {
        guard let descriptor = try? open(path) else { return false }
        defer { close(descriptor) }
        return unsafe withAddress(path, { unsafe connect(descriptor, $0, $1) }) != 0 && errno == ECONNREFUSED
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isFitting = unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard path.utf8.count < room.count else { return false }
            unsafe room.copyBytes(from: Array(path.utf8))
            return true
        }
        guard isFitting else {
            errno = ENAMETOOLONG
            return -1
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
