import Foundation

/// One file of the repository, as the rules see it.
struct SourceFile: Sendable {
    /// From the root of the repository: `Sources/MusterWire/Frame.swift`.
    let path: String
    let text: String
    let lines: [Substring]
    /// The lines with comments and the contents of string literals blanked, so that a rule about code reads code only.
    let codeLines: [String]
    /// What the file imports, with the line.
    let imports: [(module: String, line: Int)]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let code = path.hasSuffix(".swift") ? CodeText.stripped(text) : text
        codeLines = code.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        imports = codeLines.enumerated().compactMap { index, line in
            line.range(of: "import ") != nil ? Self.imported(line).map { ($0, index + 1) } : nil
        }
    }

    /// Whether any of the words stands anywhere: what a rule asks before it looks at every line.
    func mentions(_ words: [String]) -> Bool { words.contains { text.range(of: $0) != nil } }

    /// `MusterWire` for a file below `Sources/MusterWire`; the folder's name for the executables.
    var module: String {
        let parts = path.split(separator: "/")
        return parts.first == "Sources" && parts.count > 2 ? String(parts[1]) : String(parts.first ?? "")
    }

    var isSwift: Bool { path.hasSuffix(".swift") }
    var isGenerated: Bool { path.contains("/Generated/") }

    /// The module a line imports.
    private static func imported(_ line: String) -> String? {
        let words = line.split(separator: " ")
        guard let position = words.firstIndex(of: "import"), words[..<position].allSatisfy(isImportPrefix),
            var name = words[(position + 1)...].first
        else { return nil }
        if ["struct", "class", "enum", "func", "protocol", "typealias", "var", "let"].contains(name) {
            guard words.count > position + 2 else { return nil }
            name = words[position + 2]
        }
        return String(name.split(separator: ".")[0])
    }

    private static func isImportPrefix(_ word: Substring) -> Bool {
        word.hasPrefix("@") || ["package", "public", "internal", "private", "fileprivate"].contains(word)
    }
}

/// Blanks what is not code.
enum CodeText {
    /// Comments go, literals become `""`, line ends stay.
    static func stripped(_ text: String) -> String {
        var scanner = Scanner(bytes: Array(text.utf8))
        return String(decoding: scanner.stripped(), as: UTF8.self)
    }

    /// Works on bytes: everything it looks for is ASCII.
    private struct Scanner {
        private static let lineEnd = UInt8(ascii: "\n")
        private static let quote = UInt8(ascii: "\"")
        private static let literals: [[UInt8]] = ["#\"\"\"", "\"\"\"", "##\"", "#\"", "\""].map { Array($0.utf8) }

        let bytes: [UInt8]
        var index = 0
        var output: [UInt8] = []

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func stripped() -> [UInt8] {
            output.reserveCapacity(bytes.count)
            while index < bytes.count {
                let byte = bytes[index]
                if byte == UInt8(ascii: "/"), starts(Array("//".utf8)) {
                    while index < bytes.count, bytes[index] != Self.lineEnd { index += 1 }
                } else if byte == UInt8(ascii: "/"), starts(Array("/*".utf8)) {
                    skip(until: Array("*/".utf8), hasEscapes: false)
                } else if byte == Self.quote || byte == UInt8(ascii: "#"),
                    let literal = Self.literals.first(where: starts)
                {
                    index += literal.count
                    let hashes = literal.filter { $0 != Self.quote }
                    skip(until: literal.filter { $0 == Self.quote } + hashes, hasEscapes: hashes.isEmpty)
                    output += [Self.quote, Self.quote]
                } else {
                    output.append(byte)
                    index += 1
                }
            }
            return output
        }

        private func starts(_ pattern: [UInt8]) -> Bool {
            guard bytes.count - index >= pattern.count else { return false }
            for offset in pattern.indices where bytes[index + offset] != pattern[offset] { return false }
            return true
        }

        private mutating func skip(until end: [UInt8], hasEscapes: Bool) {
            while index < bytes.count, !starts(end) {
                if hasEscapes, bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count { index += 1 }
                if bytes[index] == Self.lineEnd { output.append(Self.lineEnd) }
                index += 1
            }
            index = min(index + end.count, bytes.count)
        }
    }
}

/// The files of the repository this test was built from.
enum Repository {
    static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// Every text file below a folder; build products and hidden files are not the project's.
    static func files(below folder: String) -> [SourceFile] {
        let base = root.appending(path: folder).resolvingSymlinksInPath()
        guard let walk = FileManager.default.enumerator(at: base, includingPropertiesForKeys: [.isRegularFileKey])
        else { return [] }
        var files: [SourceFile] = []
        for case let url as URL in walk {
            if url.lastPathComponent.hasPrefix(".") {
                walk.skipDescendants()
                continue
            }
            guard (try? url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile) == true,
                let text = try? String(contentsOf: url, encoding: .utf8)
            else { continue }
            let path = folder + url.path.dropFirst(base.path.count)
            files.append(SourceFile(path: path, text: text))
        }
        return files.sorted { $0.path < $1.path }
    }

    static var manifest: String {
        (try? String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)) ?? ""
    }

    /// What ships: libraries and executables.
    static let sources = files(below: "Sources") + files(below: "agent") + files(below: "coordinator")
    /// Everything people write.
    static let everything =
        sources + files(below: "Tests") + files(below: "docs") + files(below: "certs") + files(below: "deploy-units")
}
