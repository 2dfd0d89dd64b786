import Glibc

/// Events of watched directories. One descriptor, read in batches of 64 KiB.
struct InotifyQueue: ~Copyable {
    struct Event: Equatable {
        var watch: Int32
        var mask: UInt32
        /// The same for the two halves of a rename, else 0.
        var cookie: UInt32
        /// Of the entry in the directory; empty when the event is about the directory.
        var name: String

        func has(_ bits: UInt32) -> Bool { mask & bits != 0 }
    }

    static let modified: UInt32 = 0x2
    static let attributes: UInt32 = 0x4
    static let movedFrom: UInt32 = 0x40
    static let movedTo: UInt32 = 0x80
    static let created: UInt32 = 0x100
    static let deleted: UInt32 = 0x200
    static let selfDeleted: UInt32 = 0x400
    static let selfMoved: UInt32 = 0x800
    static let unmounted: UInt32 = 0x2000
    static let overflow: UInt32 = 0x4000
    static let ignored: UInt32 = 0x8000
    static let onlyDirectory: UInt32 = 0x0100_0000
    static let isDirectory: UInt32 = 0x4000_0000

    private static let batchBytes = 64 << 10

    let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: InotifyQueue.batchBytes)

    /// Nil when the kernel gives no queue.
    init?() {
        descriptor = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    /// The watch, or the error's code.
    func watch(directory: String) -> Result<Int32, FileFacts.Failure> {
        let mask =
            Self.modified | Self.attributes | Self.movedFrom | Self.movedTo | Self.created | Self.deleted
            | Self.selfDeleted | Self.selfMoved | Self.onlyDirectory
        let watch = unsafe inotify_add_watch(descriptor, directory, mask)
        return watch >= 0 ? .success(watch) : .failure(FileFacts.Failure(code: errno))
    }

    func unwatch(_ watch: Int32) { inotify_rm_watch(descriptor, watch) }

    /// The events of one read; empty when there are none.
    mutating func read() -> [Event] {
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe Glibc.read(descriptor, bytes.baseAddress, bytes.count)
        }
        guard count > 0 else { return [] }
        return unsafe buffer.withUnsafeBytes { bytes in
            unsafe Self.parse(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
    }

    /// struct inotify_event: watch, mask, cookie, length of the name, name padded with NULs.
    private static func parse(_ bytes: UnsafeRawBufferPointer) -> [Event] {
        var events: [Event] = []
        var index = 0
        while index + 16 <= bytes.count {
            let watch = unsafe bytes.loadUnaligned(fromByteOffset: index, as: Int32.self)
            let mask = unsafe bytes.loadUnaligned(fromByteOffset: index + 4, as: UInt32.self)
            let cookie = unsafe bytes.loadUnaligned(fromByteOffset: index + 8, as: UInt32.self)
            let length = unsafe Int(bytes.loadUnaligned(fromByteOffset: index + 12, as: UInt32.self))
            guard length <= bytes.count - index - 16 else { break }
            let name = unsafe bytes[(index + 16)..<(index + 16 + length)].prefix { $0 != 0 }
            let event = unsafe Event(
                watch: watch, mask: mask, cookie: cookie, name: String(decoding: name, as: UTF8.self))
            if events.last != event { events.append(event) }
            index += 16 + length
        }
        return events
    }
}
