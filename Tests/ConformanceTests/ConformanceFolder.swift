import Foundation
import Testing

/// Public test data that is not part of the repository: files of promqltest and rule files. Where it is absent the
/// tests that need it are skipped and say so.
enum ConformanceFolder {
    /// `MUSTER_CONFORMANCE_DIR`, else `../shared/conformance` beside the package.
    static let url: URL = {
        if let path = ProcessInfo.processInfo.environment["MUSTER_CONFORMANCE_DIR"] {
            return URL(fileURLWithPath: path, isDirectory: true)
        }
        let package = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return package.deletingLastPathComponent().appendingPathComponent("shared/conformance", isDirectory: true)
    }()

    static func has(_ part: String) -> Bool { FileManager.default.fileExists(atPath: url.path + "/" + part) }

    static func absence(of part: String) -> Comment {
        "there is no \(url.path)/\(part); set MUSTER_CONFORMANCE_DIR to a folder with promql/ and rules/"
    }

    /// Contents of the files below a folder, in the order of their names.
    static func files(
        in part: String, withExtension extensions: Set<String>
    ) throws -> [(name: String, bytes: [UInt8])] {
        let folder = url.appendingPathComponent(part, isDirectory: true)
        return try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
            .map { folder.appendingPathComponent($0) }
            .filter { extensions.contains($0.pathExtension) }
            .map { ($0.lastPathComponent, Array(try Data(contentsOf: $0))) }
    }
}
