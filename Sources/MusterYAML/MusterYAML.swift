// MusterYAML: documents people write, as `ConfigNode`s that know where they stand.
//
// libyaml reads the text and reports events; this module puts them together. It takes the part of YAML that a reader
// can hold in the head: mappings with unique text keys, lists, scalars. What makes two readers see two documents is
// refused with the place and the way out: anchors and aliases (also the way a small file grows to gigabytes), tags,
// several documents in one file, keys that are lists, the same key twice.
//
// Scalars stay text. What `10s`, `true` or `8080` means is decided by `ConfigReader`, for the key that is being read.

package import MusterModel

/// Reads documents; there is nothing to write.
package enum YAML {
    /// The document in `bytes` (UTF-8); `file` is the name errors use. An empty document is a null scalar.
    /// Refuses more than `Limits.documentBytes` and more than `Limits.documentDepth` levels.
    package static func parse(_ bytes: [UInt8], file: String) throws(ConfigError) -> ConfigNode {
        guard bytes.count <= Limits.documentBytes else {
            throw ConfigError(
                position: SourcePosition(file: file, line: 1, column: 1), key: "",
                problem: "has \(bytes.count) bytes", allowed: "at most \(Limits.documentBytes) bytes")
        }
        return try YAMLEvents.withEvents(of: bytes, file: file) { events throws(ConfigError) in
            var builder = YAMLDocumentBuilder()
            return try builder.document(from: &events)
        }
    }

    package static func parse(_ text: String, file: String) throws(ConfigError) -> ConfigNode {
        try parse(Array(text.utf8), file: file)
    }
}
