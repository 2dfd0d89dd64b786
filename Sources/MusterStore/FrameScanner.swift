/// Walks over the frames of one file with bounded memory. A damaged payload costs that frame; behind a damaged head the
/// scanner looks for the next frame whose head and payload are both intact. No length is followed or allocated before
/// its checksum, the limit and the end of the file have allowed it.
struct FrameScanner {
    struct Frame {
        var offset: Int
        /// Offset of the byte behind the frame.
        var end: Int
        var head: [UInt8]
        /// Empty when the scan reads heads only.
        var payload: [UInt8]
        var payloadBytes: Int
    }

    enum Mode: Sendable {
        case heads
        case frames
        /// Only the frame at the starting offset: nil when it is damaged.
        case exactFrame

        /// What one read fetches: a payload that is skipped should not be read along with its head, and nothing should
        /// be read behind the only frame that is wanted.
        var windowBytes: Int {
            switch self {
            case .heads: 16 << 10
            case .frames: 256 << 10
            case .exactFrame: FrameFormat.fixedBytes + FrameFormat.headBytes
            }
        }
    }

    private let io: any FileIO
    private let file: OpenFile
    private let seed: UInt32
    private let mode: Mode
    private var window: [UInt8] = []
    private var windowStart = 0
    private var windowCount = 0
    private var regionStart: Int?

    private(set) var offset: Int
    /// Offset behind the last byte to read; may grow between calls while the file is written.
    var end: Int
    /// Offset behind the last intact frame.
    private(set) var intactEnd: Int
    /// Places in front of `intactEnd` that held no intact frame: one for each frame with a damaged payload, one for
    /// each stretch without a readable head.
    private(set) var damage = Damage()
    private var pendingDamage = Damage()

    struct Damage: Equatable, Sendable {
        var regions = 0
        var bytes = 0
        static func += (a: inout Damage, b: Damage) {
            a.regions += b.regions
            a.bytes += b.bytes
        }
    }

    /// `seed` is the preamble's; `offset` is where a frame begins.
    init(io: any FileIO, file: OpenFile, seed: UInt32, mode: Mode, from offset: Int, end: Int) {
        self.io = io
        self.file = file
        self.seed = seed
        self.mode = mode
        self.offset = offset
        self.end = end
        intactEnd = offset
    }

    /// Bytes the window holds now; never more than one frame or one read, whichever is larger.
    var windowBytes: Int { window.count }

    /// The next intact frame, nil at the end.
    mutating func next() throws(StoreError) -> Frame? {
        while offset < end {
            switch try parse(at: offset, checkPayload: mode != .heads || regionStart != nil) {
            case .intact(let frame):
                closeRegion(at: frame.offset)
                damage += pendingDamage
                pendingDamage = Damage()
                offset = frame.end
                intactEnd = frame.end
                return frame
            case .payloadDamaged where mode == .exactFrame, .headDamaged where mode == .exactFrame:
                return nil
            case .payloadDamaged(let frameEnd):
                closeRegion(at: offset)
                pendingDamage += Damage(regions: 1, bytes: frameEnd - offset)
                offset = frameEnd
            case .headDamaged:
                if regionStart == nil { regionStart = offset }
                offset = try nextMagic(after: offset)
            }
        }
        closeRegion(at: end)
        return nil
    }

    /// Damage including what lies behind the last intact frame: for a file that nobody will append to.
    var damageToEnd: Damage {
        var all = damage
        all += pendingDamage
        return all
    }

    private mutating func closeRegion(at offset: Int) {
        guard let start = regionStart else { return }
        pendingDamage += Damage(regions: 1, bytes: offset - start)
        regionStart = nil
    }

    private enum Parsed {
        case intact(Frame)
        case payloadDamaged(end: Int)
        case headDamaged
    }

    private mutating func parse(at offset: Int, checkPayload: Bool) throws(StoreError) -> Parsed {
        guard end - offset >= FrameFormat.fixedBytes else { return .headDamaged }
        var base = try load(offset, FrameFormat.fixedBytes)
        guard base >= 0, window.littleEndian(UInt32.self, at: base) == FrameFormat.magic else { return .headDamaged }
        let headBytes = Int(window.littleEndian(UInt16.self, at: base + 16))
        let payloadBytes = Int(window.littleEndian(UInt32.self, at: base + 8))
        let size = FrameFormat.size(head: headBytes, payload: payloadBytes)
        guard headBytes <= FrameFormat.headBytes, payloadBytes <= FrameFormat.payloadBytes, size <= end - offset,
            window.littleEndian(UInt16.self, at: base + 18) == FrameFormat.format
        else { return .headDamaged }
        let headEnd = FrameFormat.fixedBytes + headBytes
        base = try load(offset, headEnd)
        guard base >= 0,
            CRC32C.checksum(window, in: (base + 8)..<(base + headEnd), seed: seed)
                == window.littleEndian(UInt32.self, at: base + 4)
        else { return .headDamaged }
        var frame = Frame(
            offset: offset, end: offset + size, head: Array(window[(base + FrameFormat.fixedBytes)..<(base + headEnd)]),
            payload: [], payloadBytes: payloadBytes)
        guard checkPayload else { return .intact(frame) }
        let expected = window.littleEndian(UInt32.self, at: base + 12)
        base = try load(offset, size)
        guard base >= 0, CRC32C.checksum(window, in: (base + headEnd)..<(base + size), seed: seed) == expected else {
            return .payloadDamaged(end: offset + size)
        }
        if mode != .heads { frame.payload = Array(window[(base + headEnd)..<(base + size)]) }
        return .intact(frame)
    }

    /// Offset of the next magic behind `offset`, or the end.
    private mutating func nextMagic(after offset: Int) throws(StoreError) -> Int {
        var candidate = offset + 1
        let first = UInt8(truncatingIfNeeded: FrameFormat.magic)
        while end - candidate >= 4 {
            let base = try load(candidate, 4)
            guard base >= 0 else { break }
            let last = windowCount - 4
            var index = base
            while index <= last {
                if window[index] == first, window.littleEndian(UInt32.self, at: index) == FrameFormat.magic {
                    return windowStart + index
                }
                index += 1
            }
            candidate = windowStart + last + 1
        }
        return end
    }

    /// Makes `count` bytes at `offset` available and returns their index in the window; -1 when the file is shorter
    /// than it should be.
    private mutating func load(_ offset: Int, _ count: Int) throws(StoreError) -> Int {
        if offset >= windowStart, offset + count <= windowStart + windowCount { return offset - windowStart }
        let wanted = min(max(count, mode.windowBytes), end - offset)
        if window.count < wanted { window = [UInt8](repeating: 0, count: wanted) }
        windowCount = 0
        windowStart = offset
        windowCount = try io.read(file, at: offset, count: wanted, into: &window)
        return windowCount >= count ? 0 : -1
    }
}
