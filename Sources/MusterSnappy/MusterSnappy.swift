// MusterSnappy: snappy's block format through the system's libsnappy.
//
// Remote write knows no other compression. A block begins with the length it uncompresses to, written by whoever sent
// it; that number is compared with the caller's limit before any memory is taken, which is all the protection against
// a compression bomb that is needed. What follows is checked by libsnappy, byte by byte.

internal import CMusterSnappy

/// Compresses and uncompresses whole blocks.
package enum Snappy {
    package static func compress(_ bytes: [UInt8]) -> [UInt8] {
        let bound = snappy_max_compressed_length(bytes.count)
        return unsafe [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            var length = bound
            let status = unsafe bytes.withUnsafeBytes { input in
                unsafe snappy_compress(
                    input.assumingMemoryBound(to: CChar.self).baseAddress, input.count,
                    UnsafeMutableRawBufferPointer(output).assumingMemoryBound(to: CChar.self).baseAddress, &length)
            }
            // The only failure there is: an output smaller than the bound.
            precondition(status == SNAPPY_OK, "snappy_compress ended with \(status.rawValue)")
            count = length
        }
    }

    /// Throws `tooLarge` before memory is taken when the block declares more than `limit` bytes.
    package static func uncompress(_ block: [UInt8], limit: Int) throws(SnappyError) -> [UInt8] {
        let declared = try declaredLength(block)
        guard declared <= UInt(max(0, limit)) else { throw .tooLarge(declared: declared, limit: limit) }
        var status = SNAPPY_OK
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(declared)) { output, count in
            var length = Int(declared)
            status = unsafe block.withUnsafeBytes { input in
                unsafe snappy_uncompress(
                    input.assumingMemoryBound(to: CChar.self).baseAddress, input.count,
                    UnsafeMutableRawBufferPointer(output).assumingMemoryBound(to: CChar.self).baseAddress, &length)
            }
            count = status == SNAPPY_OK ? length : 0
        }
        guard status == SNAPPY_OK, bytes.count == Int(declared) else { throw .damaged(bytes: block.count) }
        return bytes
    }

    /// What a block says it uncompresses to; nothing but its first bytes are looked at.
    private static func declaredLength(_ block: [UInt8]) throws(SnappyError) -> UInt {
        var length = 0
        let status = unsafe block.withUnsafeBytes { input in
            unsafe snappy_uncompressed_length(
                input.assumingMemoryBound(to: CChar.self).baseAddress, input.count, &length)
        }
        guard status == SNAPPY_OK else { throw .damaged(bytes: block.count) }
        return UInt(bitPattern: length)
    }
}

package enum SnappyError: Error, Equatable, CustomStringConvertible {
    case damaged(bytes: Int)
    case tooLarge(declared: UInt, limit: Int)

    package var description: String {
        switch self {
        case .damaged(let bytes):
            "the \(bytes) bytes are no snappy block; send the block format, not the framing format"
        case .tooLarge(let declared, let limit):
            "the snappy block declares \(declared) bytes, \(limit) are allowed; send smaller requests"
        }
    }
}
