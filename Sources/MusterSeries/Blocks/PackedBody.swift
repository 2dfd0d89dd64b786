import MusterModel

/// Why a value cannot be written in a format of this folder, or bytes are none of it.
package enum FormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The value breaks the rules of its type; the caller's mistake.
    case unwritable(String)
    case newerFormat(what: String, version: UInt64, known: UInt64)
    case damaged(String)

    package var description: String {
        switch self {
        case .unwritable(let reason): "cannot be written: \(reason)"
        case .newerFormat(let what, let version, let known):
            "\(what) has format \(version), this version knows \(known): run the newer version again"
        case .damaged(let reason): "damaged: \(reason)"
        }
    }
}

/// The larger part of a format, deflated as a whole where that saves a tenth:
///
///     inflated bytes, or 0 when it is not deflated | bytes
enum PackedBody {
    private static let minDeflateBytes = 64

    static func append(_ body: [UInt8], to bytes: inout [UInt8], compressor: some Compressor, level: Int) {
        if body.count >= minDeflateBytes {
            let small = compressor.deflate(body, level: level)
            if small.count <= body.count - body.count / 10, canBeInflated(body.count, from: small.count) {
                Varint.append(UInt64(body.count), to: &bytes)
                bytes += small
                return
            }
        }
        bytes.append(0)
        bytes += body
    }

    /// A compressor refuses what looks like a bomb, so what it would refuse is not deflated.
    private static func canBeInflated(_ count: Int, from deflated: Int) -> Bool {
        count <= Limits.inflateRatioFloorBytes || count / Limits.inflateRatio < deflated
    }

    /// Everything behind the reader's position.
    static func read(
        _ reader: inout ByteReader, maxBytes: Int, compressor: some Compressor
    ) throws(FormatError) -> ArraySlice<UInt8> {
        guard let count = reader.count(upTo: maxBytes) else { throw .damaged("the body is too long") }
        guard count > 0 else { return reader.rest }
        do throws(CompressionError) {
            let body = try compressor.inflate(reader.rest, maxBytes: count)
            guard body.count == count else { throw .damaged("the body inflates to \(body.count), not \(count) bytes") }
            return body[...]
        } catch {
            throw .damaged("\(error)")
        }
    }
}
