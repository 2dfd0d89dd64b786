import MusterModel

/// Turns a stream of bytes into frames, whatever the pieces it arrives in.
///
///     decoder.append(bytes)
///     while let frame = try decoder.next() { ... }
///
/// Frames in front of a damaged one are handed out before the error. After an error nothing more is read: `next` throws
/// the same error for ever. Memory: the bytes last appended and at most one unfinished frame; what a length field says
/// is never allocated ahead of the bytes.
package struct FrameDecoder: Sendable {
    /// The largest frame that is read, header included. May be changed between two frames.
    package var maxFrameBytes: Int
    /// While set, a frame of another kind is an error.
    private var onlyKind: FrameKind?
    /// The beginning of a frame whose end has not come.
    private var partial: [UInt8] = []
    /// Appended and not yet looked at.
    private var input: ArraySlice<UInt8> = []
    /// Where in the stream the next frame begins.
    private var frameOffset: UInt64 = 0
    private var failure: WireError?

    package init(maxFrameBytes: Int = Limits.frameBytes) {
        self.maxFrameBytes = maxFrameBytes
    }

    /// A decoder for a peer that has not been welcomed: it reads hello and nothing else, up to
    /// `WireLimits.helloFrameBytes`, until `admitted()`.
    package static func awaitingHello() -> FrameDecoder {
        var decoder = FrameDecoder(maxFrameBytes: WireLimits.helloFrameBytes)
        decoder.onlyKind = .hello
        return decoder
    }

    /// The peer was welcomed: from the next frame on every kind is read, up to `Limits.frameBytes`.
    package mutating func admitted() {
        maxFrameBytes = Limits.frameBytes
        onlyKind = nil
    }

    /// Bytes held: what was appended and not taken, and the unfinished frame.
    package var bufferedBytes: Int { partial.count + input.count }

    /// Call `next` until it returns nil before the next piece, so that at most one frame is held.
    package mutating func append(_ bytes: ArraySlice<UInt8>) {
        guard failure == nil else { return }
        if input.isEmpty { input = bytes } else { input.append(contentsOf: bytes) }
    }

    package mutating func append(_ bytes: [UInt8]) { append(bytes[...]) }

    /// The next whole frame; nil when more bytes are needed.
    package mutating func next() throws(WireError) -> Frame? {
        if let failure { throw failure }
        do {
            return try read()
        } catch {
            failure = error
            partial = []
            input = []
            throw error
        }
    }

    private mutating func read() throws(WireError) -> Frame? {
        guard partial.isEmpty else { return try readAcrossPieces() }
        // The common case: the frame lies whole in what was appended and is read where it lies.
        guard let size = try frameSize(input), input.count >= size else {
            partial = Array(input)
            input = []
            return nil
        }
        let frame = try decode(input.prefix(size))
        input = input.dropFirst(size)
        return frame
    }

    private mutating func readAcrossPieces() throws(WireError) -> Frame? {
        // First the header alone, so that nothing is kept of a frame that is refused by its header.
        fill(to: WireLimits.headerBytes)
        guard let size = try frameSize(partial[...]) else { return nil }
        fill(to: size)
        guard partial.count == size else { return nil }
        let frame = try decode(partial[...])
        partial = []
        return frame
    }

    private mutating func fill(to count: Int) {
        let missing = input.prefix(max(0, count - partial.count))
        partial.append(contentsOf: missing)
        input = input.dropFirst(missing.count)
    }

    /// The size of the frame that begins here, header included, as soon as its header is there.
    private func frameSize(_ bytes: ArraySlice<UInt8>) throws(WireError) -> Int? {
        var reader = ByteReader(bytes)
        guard let length = try? reader.fixed("length", as: UInt32.self) else { return nil }
        guard length > 0 else { throw .emptyFrame(offset: frameOffset) }
        let size = UInt64(length) + 4
        guard size <= UInt64(max(0, maxFrameBytes)) else {
            throw .frameTooLarge(bytes: size, limit: maxFrameBytes, offset: frameOffset)
        }
        guard let raw = try? reader.byte("kind") else { return nil }
        guard let kind = FrameKind(rawValue: raw) else { throw .unknownKind(raw, offset: frameOffset) }
        guard onlyKind == nil || onlyKind == kind else { throw .kindNotAllowed(kind, offset: frameOffset) }
        return Int(size)
    }

    private mutating func decode(_ bytes: ArraySlice<UInt8>) throws(WireError) -> Frame {
        var reader = ByteReader(bytes.dropFirst(4))
        guard let raw = try? reader.byte("kind"), let kind = FrameKind(rawValue: raw) else {
            throw .emptyFrame(offset: frameOffset)
        }
        do {
            let frame = try Frame.decode(kind, body: reader.rest())
            frameOffset &+= UInt64(bytes.count)
            return frame
        } catch {
            throw .malformed(
                kind, field: error.field, offset: frameOffset &+ UInt64(WireLimits.headerBytes + error.offset),
                problem: error.problem)
        }
    }
}
