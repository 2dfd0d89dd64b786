/// What every file of checksummed frames begins with, twice over, so that one damaged byte does not cost the file:
///
///     magic u64 | version u16 | kind u16 | reserved u32 | number u64 | salt u64 | crc32c u32 | reserved u32
///
/// All integers are little-endian. The preamble is durable before the first frame is written and never written again.
struct FilePreamble: Equatable, Sendable {
    enum Kind: UInt16, Sendable {
        case segment = 1
        case journal = 2
        case state = 3
        case part = 4
        case catalogue = 5
        case manifest = 6
        case sections = 7
    }

    static let version: UInt16 = 1
    static let copyBytes = 40
    static let bytes = 2 * copyBytes
    private static let magic: UInt64 = 0x3145_4C49_4654_534D  // "MSTFILE1"

    var kind: Kind
    var number: UInt64
    var salt: UInt64

    /// Where the checksums of this file's frames start.
    var seed: UInt32 { UInt32(truncatingIfNeeded: salt) ^ UInt32(truncatingIfNeeded: salt >> 32) }

    var encoded: [UInt8] {
        var copy: [UInt8] = []
        copy.append(littleEndian: Self.magic)
        copy.append(littleEndian: Self.version)
        copy.append(littleEndian: kind.rawValue)
        copy.append(littleEndian: UInt32(0))
        copy.append(littleEndian: number)
        copy.append(littleEndian: salt)
        copy.append(littleEndian: CRC32C.checksum(copy))
        copy.append(littleEndian: UInt32(0))
        return copy + copy
    }

    enum Parsed: Equatable {
        case intact(FilePreamble)
        /// Intact, and written by a version that this one does not know.
        case newer(version: UInt16)
        case damaged
    }

    /// `bytes` may be shorter or longer than a preamble.
    static func parse(_ bytes: [UInt8]) -> Parsed {
        for start in [0, copyBytes] where bytes.count >= start + copyBytes {
            let crc = CRC32C.checksum(bytes, in: start..<(start + 32))
            guard bytes.littleEndian(UInt64.self, at: start) == magic,
                bytes.littleEndian(UInt32.self, at: start + 32) == crc
            else { continue }
            let found = bytes.littleEndian(UInt16.self, at: start + 8)
            guard found <= version else { return .newer(version: found) }
            guard let kind = Kind(rawValue: bytes.littleEndian(UInt16.self, at: start + 10)) else { continue }
            return .intact(
                FilePreamble(
                    kind: kind, number: bytes.littleEndian(UInt64.self, at: start + 16),
                    salt: bytes.littleEndian(UInt64.self, at: start + 24)))
        }
        return .damaged
    }
}

/// One frame of a file, little-endian:
///
///     magic u32 | head crc u32 | payload length u32 | payload crc u32 | head length u16 | format u16 | head | payload
///
/// The head has its own checksum (from `payload length` to the end of the head), so that a scan of heads can skip the
/// payloads and still trusts every length it follows.
enum FrameFormat {
    static let magic: UInt32 = 0x5254_534D  // "MSTR"
    static let fixedBytes = 20
    static let headBytes = 256
    /// The longest payload of one record; a frame of the link is shorter (`Limits.frameBytes`).
    static let payloadBytes = 8 << 20
    static let format: UInt16 = 1

    static func size(head: Int, payload: Int) -> Int { fixedBytes + head + payload }

    static func append(head: [UInt8], payload: [UInt8], seed: UInt32, to buffer: inout [UInt8]) {
        let start = buffer.count
        buffer.append(littleEndian: magic)
        buffer.append(littleEndian: UInt32(0))
        buffer.append(littleEndian: UInt32(truncatingIfNeeded: payload.count))
        buffer.append(littleEndian: CRC32C.checksum(payload, seed: seed))
        buffer.append(littleEndian: UInt16(truncatingIfNeeded: head.count))
        buffer.append(littleEndian: format)
        buffer.append(contentsOf: head)
        let crc = CRC32C.checksum(buffer, in: (start + 8)..<buffer.count, seed: seed)
        buffer.set(littleEndian: crc, at: start + 4)
        buffer.append(contentsOf: payload)
    }
}
