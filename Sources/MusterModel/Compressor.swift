/// Deflate and inflate in zlib's format (RFC 1950). MusterTransport makes it from the system's libz and hands it to the
/// cores that hold compressed bytes.
package protocol Compressor: Sendable {
    /// `level` 1 (fast) to 9 (small).
    func deflate(_ bytes: [UInt8], level: Int) -> [UInt8]

    /// Throws instead of giving out more than `maxBytes`, more than `Limits.inflateRatio` times the input, or bytes
    /// after the end of the stream.
    func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8]
}

package enum CompressionError: Error, Equatable, CustomStringConvertible {
    case damaged(String)
    case tooLarge(maxBytes: Int)
    case suspiciousRatio(compressed: Int)
    case trailingBytes(Int)

    package var description: String {
        switch self {
        case .damaged(let reason): "the compressed bytes are damaged: \(reason)"
        case .tooLarge(let maxBytes): "the bytes inflate to more than the \(maxBytes) allowed"
        case .suspiciousRatio(let compressed):
            "\(compressed) bytes inflate to more than \(Limits.inflateRatio) times as much"
        case .trailingBytes(let count): "\(count) bytes follow the end of the compressed bytes"
        }
    }
}
