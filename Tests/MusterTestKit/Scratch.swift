import Foundation

/// A folder of one test, removed when nobody holds it any more.
package final class Scratch: Sendable {
    package let path: String

    /// `name` shows in the path, for people who look while the test runs.
    package init(_ name: String) throws {
        var random = SystemRandomNumberGenerator()
        path = NSTemporaryDirectory() + "muster-\(name)-\(String(random.next(), radix: 36))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of something in the folder.
    package func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    /// Makes a folder within and returns its path.
    package func folder(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: self(name), withIntermediateDirectories: true)
        return self(name)
    }

    /// Writes a text and returns its path.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: self(name)))
        return self(name)
    }
}

/// A file as text, empty when it cannot be read.
package func textOfFile(_ path: String) -> String {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
}
