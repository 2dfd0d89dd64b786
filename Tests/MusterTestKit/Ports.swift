import Glibc
import Synchronization

/// TCP ports of the loopback address. They lie below the system's range for outgoing connections, so that a port stays
/// free while the server of a test is down and its clients dial.
package enum Ports {
    private static let given = Mutex<Set<Int>>([])

    /// A port that nobody listens on and that was not given to another test of this process.
    package static func free() throws -> Int {
        for _ in 0..<1_000 {
            let port = Int.random(in: 20_000..<32_000)
            guard given.withLock({ $0.insert(port).inserted }), isFree(port) else { continue }
            return port
        }
        throw NeverHappened("no free port was found between 20000 and 32000")
    }

    private static func isFree(_ port: Int) -> Bool {
        guard let socket = try? RawConnection.socket() else { return false }
        defer { close(socket) }
        return RawConnection.withAddress(port) { Glibc.bind(socket, $0, $1) } == 0
    }
}

/// A TCP connection to the loopback address without any protocol on it.
package final class RawConnection: Sendable {
    private let descriptor: Int32

    /// Connects; throws when nobody listens.
    package init(port: Int) throws {
        descriptor = try Self.socket()
        guard Self.withAddress(port, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw NeverHappened("port \(port) cannot be connected to: \(reason)")
        }
    }

    deinit { close(descriptor) }

    /// False when the peer does not take bytes any more.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Whether the peer has closed or reset the connection. What it sent before is thrown away. Does not wait.
    package var isClosed: Bool {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { continue }
            return count == 0 || (errno != EAGAIN && errno != EINTR)
        }
    }

    static func socket() throws -> Int32 {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw NeverHappened("no socket: \(String(cString: strerror(errno)))") }
        return descriptor
    }

    static func withAddress(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
