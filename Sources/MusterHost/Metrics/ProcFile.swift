import Glibc
import Synchronization

/// A file descriptor that is closed with its last owner.
final class KeptDescriptor: Sendable {
    let number: Int32
    private let budget: DescriptorBudget?

    init(_ number: Int32, budget: DescriptorBudget? = nil) {
        self.number = number
        self.budget = budget
        budget?.kept.add(1, ordering: .relaxed)
    }

    deinit {
        _ = close(number)
        budget?.kept.subtract(1, ordering: .relaxed)
    }
}

/// How many descriptors all collectors together keep open between ticks. Above it a file is opened for each reading.
final class DescriptorBudget: Sendable {
    /// Half of the 1,024 a process may have open by default.
    static let keptMax = 512
    let kept = Atomic<Int>(0)
    let max: Int

    init(max: Int = DescriptorBudget.keptMax) { self.max = max }

    var hasRoom: Bool { kept.load(ordering: .relaxed) < max }
}

/// Where files are read into: one buffer for all collectors of a host, grown to what the largest file needs.
struct ReadBuffer: Sendable {
    /// The longest file a collector reads. `/proc/stat` of a machine with 4,096 CPUs has about 1 MiB.
    static let bytesMax = 4 << 20

    var bytes: [UInt8]
    /// How many of the bytes the last reading filled.
    var count = 0
    let budget: DescriptorBudget

    init(budget: DescriptorBudget = DescriptorBudget()) {
        bytes = [UInt8](repeating: 0, count: 16 << 10)
        self.budget = budget
    }

    /// A scanner over what the last reading filled.
    var scanner: ByteScanner { ByteScanner(at: 0, end: count) }

    /// The whole of what was read, as text. Not for the steady path.
    var text: String { String(decoding: bytes[..<count], as: UTF8.self) }
}

/// A file that is opened once and read from its beginning every tick. After an error it is opened again, once.
struct ProcFile: Sendable {
    let path: String
    private var descriptor: KeptDescriptor?

    init(_ path: String) { self.path = path }

    /// Reads the whole file.
    mutating func read(into buffer: inout ReadBuffer) throws(CollectError) {
        if let kept = descriptor {
            do {
                return try Self.read(kept.number, path, into: &buffer)
            } catch {
                if case .tooLarge = error { throw error }
                descriptor = nil
            }
        }
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw .system(call: "open", path: path, code: errno) }
        let hasRoom = buffer.budget.hasRoom
        let opened = KeptDescriptor(number, budget: hasRoom ? buffer.budget : nil)
        try Self.read(number, path, into: &buffer)
        if hasRoom { descriptor = opened }
    }

    /// Reads the whole file, or returns false when it does not exist, as for a feature the kernel was built without.
    mutating func readIfPresent(into buffer: inout ReadBuffer) throws(CollectError) -> Bool {
        do {
            try read(into: &buffer)
            return true
        } catch {
            // The kernel answers EOPNOTSUPP for pressure files when the feature is switched off at boot.
            if error.isGone { return false }
            if case .system(_, _, EOPNOTSUPP) = error { return false }
            throw error
        }
    }

    /// Reads a file without keeping it open.
    static func readOnce(_ path: String, into buffer: inout ReadBuffer) throws(CollectError) {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw .system(call: "open", path: path, code: errno) }
        defer { _ = close(number) }
        try read(number, path, into: &buffer)
    }

    private static func read(_ number: Int32, _ path: String, into buffer: inout ReadBuffer) throws(CollectError) {
        buffer.count = 0
        while true {
            if buffer.count == buffer.bytes.count {
                guard buffer.count < ReadBuffer.bytesMax else {
                    throw .tooLarge(path: path, maxBytes: ReadBuffer.bytesMax)
                }
                buffer.bytes += [UInt8](repeating: 0, count: buffer.bytes.count)
            }
            let filled = buffer.count
            let got = unsafe buffer.bytes.withUnsafeMutableBytes { all in
                unsafe pread(number, all.baseAddress.map { unsafe $0 + filled }, all.count - filled, off_t(filled))
            }
            if got == 0 { return }
            if got < 0 {
                if errno == EINTR { continue }
                throw .system(call: "read", path: path, code: errno)
            }
            buffer.count += got
        }
    }
}
