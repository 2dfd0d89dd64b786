import Foundation
import MusterHost
import MusterTestKit

/// A directory of real journal files, written by systemd's own tool from its export format.
struct JournalFiles {
    /// One entry: seconds after an arbitrary moment, and fields in order.
    struct Entry {
        var second: UInt64
        var fields: [(name: String, value: [UInt8])]

        init(_ second: UInt64, _ fields: [(String, String)]) {
            self.second = second
            self.fields = fields.map { ($0.0, Array($0.1.utf8)) }
        }

        init(_ second: UInt64, message: String) { self.init(second, [("MESSAGE", message), ("PRIORITY", "6")]) }
        init(_ second: UInt64, bytes: [(String, [UInt8])]) {
            self.second = second
            fields = bytes.map { (name: $0.0, value: $0.1) }
        }
    }

    private static let tool = Peers.path(of: "systemd-journal-remote", in: ["/lib/systemd", "/usr/lib/systemd"])
    static let obstacle = Peers.obstacle(programs: [(tool, "systemd-journal-remote")])

    static let firstSecond: UInt64 = 1_772_712_000
    static let bootID = "00112233445566778899aabbccddeeff"

    private let scratch: Scratch
    let path: String

    init() throws {
        scratch = try Scratch("journal")
        path = try scratch.folder("files")
    }

    var place: JournalPlace { .directory(path) }

    /// Appends to a file, which is made when it is not there.
    func append(_ entries: [Entry], to file: String) async throws {
        let input = scratch("export")
        try Data(entries.flatMap(Self.exported)).write(to: URL(fileURLWithPath: input))
        let finished = try await Finished.run(.init(Self.tool, ["-o", "\(path)/\(file).journal", input]))
        guard finished.exitCode == 0 else { throw NeverHappened("no journal was written: \(finished)") }
    }

    func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(file).journal") }

    /// Journal export format: each field as its name, its length in 8 bytes and its bytes, which is right for any but
    /// an empty one.
    private static func exported(_ entry: Entry) -> [UInt8] {
        let realtime = (firstSecond + entry.second) * 1_000_000
        var bytes = Array("__REALTIME_TIMESTAMP=\(realtime)\n".utf8)
        bytes += Array("__MONOTONIC_TIMESTAMP=\((entry.second + 100) * 1_000_000)\n_BOOT_ID=\(bootID)\n".utf8)
        for (name, value) in entry.fields {
            guard !value.isEmpty else {
                bytes += Array("\(name)=\n".utf8)
                continue
            }
            bytes += Array("\(name)\n".utf8)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: UInt64(value.count) >> (8 * $0)) }
            bytes += value + [0x0a]
        }
        return bytes + [0x0a]
    }
}

extension JournalReader {
    /// The messages of all entries there are.
    mutating func messages() throws -> [String] {
        var messages: [String] = []
        while let entry = try read() { messages.append(entry.text("MESSAGE") ?? "none") }
        return messages
    }
}
