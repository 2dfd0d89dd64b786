import Glibc

/// Standard input and output of a command that reads a pipe.
package struct StandardStreams: Sendable {
    private static let readBytes = 64 << 10

    /// What the system said.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package init() {}

    /// The next bytes; none at the end.
    package func read() throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.readBytes)
        while true {
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(0, $0.baseAddress, $0.count) }
            if count >= 0 { return Array(bytes.prefix(count)) }
            if errno != EINTR { throw Failure(description: "standard input cannot be read: error \(errno)") }
        }
    }

    package func write(_ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(1, $0.baseAddress, $0.count) }
            if count < 0, errno != EINTR { throw Failure(description: "standard output is closed: error \(errno)") }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
