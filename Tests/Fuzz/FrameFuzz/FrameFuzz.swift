import MusterModel
import MusterWire

/// Bytes -> frames. Claims: no trap; the same frames and the same error whether the stream comes whole, in single bytes
/// or in pieces; what is read can be written and read again; no more than one frame is held.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzFrames(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let whole = Reading([bytes[...]])
    let singles = Reading(bytes.indices.map { bytes[$0...$0] })
    precondition(whole.frames == singles.frames && whole.error == singles.error, "single bytes read differently")
    let step = Int(bytes.first ?? 0) % 61 + 1
    let pieces = stride(from: 0, to: bytes.count, by: step).map { bytes[$0..<min(bytes.count, $0 + step)] }
    let split = Reading(pieces)
    precondition(whole.frames == split.frames && whole.error == split.error, "pieces read differently")
    for frame in whole.frames {
        guard let encoded = try? frame.encoded() else { preconditionFailure("a frame that was read cannot be written") }
        precondition(Reading([encoded[...]]).frames == [frame], "a frame changed on its way")
    }
    if let error = whole.error {
        precondition(!error.description.isEmpty)
        precondition(error.refusal.message.utf8.count <= WireLimits.refusalMessageBytes)
    }
    return 0
}

private struct Reading {
    var frames: [Frame] = []
    var error: WireError?

    init(_ pieces: [ArraySlice<UInt8>]) {
        var decoder = FrameDecoder()
        for piece in pieces {
            decoder.append(piece)
            do throws(WireError) {
                while let frame = try decoder.next() { frames.append(frame) }
            } catch {
                self.error = error
                precondition(decoder.bufferedBytes == 0)
                return
            }
            precondition(decoder.bufferedBytes < Limits.frameBytes)
        }
    }
}
