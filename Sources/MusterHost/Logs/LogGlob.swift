/// An absolute path with wildcards: `*` any bytes within a name, `?` one character, `**` any directories.
///
/// Names that begin with a dot match only a pattern that does, and a wildcard in the last part never matches compressed
/// files, which hold no lines.
package struct LogGlob: Equatable {
    static let depthLimit = 8
    static let pathBytesLimit = 4_096
    private static let compressedSuffixes = [".gz", ".xz", ".bz2", ".zst", ".lz4", ".zip"]

    private enum Part: Equatable {
        case literal(String)
        case pattern([Unicode.Scalar])
        case anyDepth
    }

    let text: String
    private let parts: [Part]

    /// Nil when the text is no absolute path or ends with a directory.
    package init?(_ text: String) {
        guard text.hasPrefix("/"), text.utf8.count <= Self.pathBytesLimit, !text.utf8.contains(0) else { return nil }
        let names = text.split(separator: "/").filter { $0 != "." }
        guard let last = names.last, !text.hasSuffix("/"), last != "**", !names.contains("..") else { return nil }
        self.text = text
        parts = names.map { name in
            if name == "**" { return .anyDepth }
            guard name.contains("*") || name.contains("?") else { return .literal(String(name)) }
            return .pattern(Array(name.unicodeScalars))
        }
    }

    /// Files that match now, and every directory in which a match may come to be.
    struct Expansion {
        var files: [String] = []
        var directories: [String] = []
    }

    /// `list` gives the names in a directory, nil when there is none; `isDirectory` follows links.
    func expand(
        list: (String) -> [DirectoryListing.Entry]?, isDirectory: (String) -> Bool
    ) -> Expansion {
        var expansion = Expansion()
        descend(parts[...], in: "/", depth: 0, list: list, isDirectory: isDirectory, into: &expansion)
        return expansion
    }

    private func descend(
        _ parts: ArraySlice<Part>, in directory: String, depth: Int,
        list: (String) -> [DirectoryListing.Entry]?, isDirectory: (String) -> Bool, into expansion: inout Expansion
    ) {
        guard let part = parts.first else { return }
        let isLast = parts.count == 1
        if case .literal(let name) = part {
            let path = directory.appendingPath(name)
            if isLast {
                expansion.files.append(path)
                expansion.directories.append(directory)
            } else if isDirectory(path) {
                // A directory under a fixed name needs no watch on its parent: the periodic comparison finds it.
                descend(
                    parts.dropFirst(), in: path, depth: depth, list: list, isDirectory: isDirectory, into: &expansion)
            }
            return
        }
        guard let entries = list(directory) else { return }
        expansion.directories.append(directory)
        if case .anyDepth = part {
            descend(
                parts.dropFirst(), in: directory, depth: depth, list: list, isDirectory: isDirectory, into: &expansion)
        }
        for entry in entries where Self.isMatch(part, entry.name, isLast: isLast) {
            let path = directory.appendingPath(entry.name)
            let leads = entry.isDirectory ?? isDirectory(path)
            if case .anyDepth = part {
                guard leads, depth < Self.depthLimit else { continue }
                descend(parts, in: path, depth: depth + 1, list: list, isDirectory: isDirectory, into: &expansion)
            } else if isLast {
                if !leads { expansion.files.append(path) }
            } else if leads {
                descend(
                    parts.dropFirst(), in: path, depth: depth, list: list, isDirectory: isDirectory, into: &expansion)
            }
        }
    }

    package func matches(_ path: String) -> Bool {
        guard path.hasPrefix("/") else { return false }
        return Self.matches(parts[...], path.split(separator: "/").map(String.init)[...], depth: 0)
    }

    private static func matches(_ parts: ArraySlice<Part>, _ names: ArraySlice<String>, depth: Int) -> Bool {
        guard let part = parts.first else { return names.isEmpty }
        if case .anyDepth = part {
            if matches(parts.dropFirst(), names, depth: depth) { return true }
            guard depth < depthLimit, let name = names.first, isMatch(part, name, isLast: false) else { return false }
            return matches(parts, names.dropFirst(), depth: depth + 1)
        }
        guard let name = names.first, isMatch(part, name, isLast: parts.count == 1) else { return false }
        return matches(parts.dropFirst(), names.dropFirst(), depth: depth)
    }

    private static func isMatch(_ part: Part, _ name: String, isLast: Bool) -> Bool {
        switch part {
        case .literal(let wanted): return name == wanted
        case .anyDepth: return !name.hasPrefix(".")
        case .pattern(let pattern):
            guard !name.hasPrefix(".") || pattern.first == "." else { return false }
            if isLast, compressedSuffixes.contains(where: name.hasSuffix) { return false }
            return isMatch(pattern, Array(name.unicodeScalars))
        }
    }

    /// Remembers the last star and how far it has eaten, so the cost is bounded by pattern times name.
    private static func isMatch(_ pattern: [Unicode.Scalar], _ name: [Unicode.Scalar]) -> Bool {
        var p = 0
        var n = 0
        var star: (pattern: Int, name: Int)?
        while n < name.count {
            if p < pattern.count, pattern[p] == "*" {
                star = (p, n)
                p += 1
            } else if p < pattern.count, pattern[p] == "?" || pattern[p] == name[n] {
                p += 1
                n += 1
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                p = last.pattern + 1
                n = last.name + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }
}
