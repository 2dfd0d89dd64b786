internal import CMusterZlib
package import MusterModel
import Synchronization

/// The system's libz behind the model's `Compressor`, in zlib's or gzip's format.
///
/// Deflating keeps one stream (some 270 KiB) from call to call, because setting it up costs as much as a small block;
/// a second caller at the same moment gets a stream of its own. Inflating makes a stream per call, which is cheap.
package final class ZlibCompressor: Compressor {
    /// The frame around the deflated bytes.
    package enum Format: Sendable {
        /// RFC 1950.
        case zlib
        /// RFC 1952, HTTP's `Content-Encoding: gzip`; one member.
        case gzip

        fileprivate var windowBits: Int32 { self == .zlib ? 15 : 31 }
    }

    private let format: Format
    private let kept: Mutex<Deflater>

    package init(_ format: Format = .zlib) {
        self.format = format
        kept = Mutex(Deflater(format))
    }

    package func deflate(_ bytes: [UInt8], level: Int) -> [UInt8] {
        let level = Int32(clamping: min(9, max(1, level)))
        let output = kept.withLockIfAvailable { deflater in deflater.deflate(bytes, level: level) }
        if let output { return output }
        var own = Deflater(format)
        return own.deflate(bytes, level: level)
    }

    package func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8] {
        var inflater = try Inflater(format)
        return try inflater.inflate(bytes, maxBytes: maxBytes)
    }
}

/// One deflate stream, made at its first use.
@safe private struct Deflater: ~Copyable {
    private var stream: UnsafeMutablePointer<z_stream>?
    private var level: Int32 = 0
    private let windowBits: Int32

    init(_ format: ZlibCompressor.Format) {
        unsafe stream = nil
        windowBits = format.windowBits
    }

    deinit {
        guard let stream = unsafe stream else { return }
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    mutating func deflate(_ bytes: [UInt8], level: Int32) -> [UInt8] {
        let stream = unsafe prepared(level: level)
        let bound = Int(unsafe deflateBound(stream, UInt(bytes.count)))
        return unsafe [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            unsafe bytes.withUnsafeBufferPointer { input in
                // zlib does not write through `next_in`; its declaration is older than const.
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
                unsafe stream.pointee.next_out = output.baseAddress
                unsafe stream.pointee.avail_out = UInt32(clamping: bound)
                let status = unsafe CMusterZlib.deflate(stream, Z_FINISH)
                // `deflateBound` is enough for one call, and the sizes here are far below 4 GiB.
                precondition(status == Z_STREAM_END, "deflate ended with \(status)")
            }
            count = unsafe bound - Int(stream.pointee.avail_out)
        }
    }

    private mutating func prepared(level: Int32) -> UnsafeMutablePointer<z_stream> {
        if let stream = unsafe stream, self.level == level {
            unsafe deflateReset(stream)
            return unsafe stream
        }
        if let stream = unsafe stream { unsafe deflateEnd(stream) }
        let fresh = unsafe stream ?? UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        unsafe fresh.initialize(to: z_stream())
        let status = unsafe muster_deflate_init(fresh, level, windowBits)
        precondition(status == Z_OK, "deflateInit ended with \(status): out of memory")
        unsafe stream = fresh
        self.level = level
        return unsafe fresh
    }
}

/// One inflate stream.
@safe private struct Inflater: ~Copyable {
    private let stream: UnsafeMutablePointer<z_stream>

    init(_ format: ZlibCompressor.Format) throws(CompressionError) {
        let fresh = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        unsafe fresh.initialize(to: z_stream())
        unsafe stream = fresh
        guard unsafe muster_inflate_init(fresh, format.windowBits) == Z_OK else { throw .damaged("zlib has no memory") }
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Output grows by doubling from four times the input, so a bomb is given up long before its size is reserved.
    mutating func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8] {
        let limit = max(0, maxBytes)
        var output: [UInt8] = []
        var room = min(limit, max(4_096, bytes.count * 4))
        return try unsafe bytes.withUnsafeBufferPointer { input throws(CompressionError) in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
            while true {
                // One byte more than is allowed is asked for: only getting it proves that there is too much.
                let status = step(into: &output, room: min(room, limit - output.count) + 1)
                guard output.count <= limit else { throw .tooLarge(maxBytes: maxBytes) }
                if output.count > Limits.inflateRatioFloorBytes,
                    output.count / Limits.inflateRatio >= max(1, input.count)
                {
                    throw .suspiciousRatio(compressed: input.count)
                }
                switch status {
                case Z_STREAM_END:
                    let left = Int(unsafe stream.pointee.avail_in)
                    guard left == 0 else { throw .trailingBytes(left) }
                    return output
                case Z_OK, Z_BUF_ERROR:
                    // With room left over and nothing more to read the stream ends too early.
                    let isStarved = unsafe stream.pointee.avail_out > 0 && stream.pointee.avail_in == 0
                    guard !isStarved else { throw .damaged("the stream ends after \(input.count) bytes, unfinished") }
                    room = output.count
                case Z_NEED_DICT: throw .damaged("it needs a dictionary, which Muster never uses")
                default: throw .damaged(message(status))
                }
            }
        }
    }

    /// Appends at most `room` bytes and gives zlib's status.
    private func step(into output: inout [UInt8], room: Int) -> Int32 {
        var status: Int32 = Z_OK
        let piece = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            unsafe stream.pointee.next_out = buffer.baseAddress
            unsafe stream.pointee.avail_out = UInt32(clamping: room)
            unsafe status = CMusterZlib.inflate(stream, Z_NO_FLUSH)
            count = unsafe room - Int(stream.pointee.avail_out)
        }
        if output.isEmpty { output = piece } else { output += piece }
        return status
    }

    private func message(_ status: Int32) -> String {
        guard let text = unsafe stream.pointee.msg else { return "zlib says \(status)" }
        return unsafe String(cString: text)
    }
}
