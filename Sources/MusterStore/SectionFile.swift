/// A file of sections that is written as a whole and read section by section, each under its checksums.
///
/// After the preamble a frame with the directory (for each section its first byte, its last and its own size, each
/// u64), then every section in frames of at most `FrameFormat.payloadBytes`.
package struct SectionFile: Sendable {
    private struct Section {
        /// Bytes of the file.
        var place: Range<Int>
        var size: Int
    }

    package let path: String
    /// Bytes of the file.
    package let size: Int
    private let sections: [Section]
    private let seed: UInt32
    private let io: any FileIO

    package var count: Int { sections.count }

    /// Durable when it returns; a crash leaves no file, or all of it. `number` is checked when the file is opened.
    package static func write(
        _ sections: [[UInt8]], to path: String, number: UInt64, io: some FileIO
    ) throws(StoreError) -> SectionFile {
        let preamble = FilePreamble(kind: .sections, number: number, salt: io.randomWord())
        let directoryBytes = FrameFormat.size(head: 0, payload: sections.count * 24)
        var places: [Section] = []
        var body: [UInt8] = []
        for section in sections {
            let start = FilePreamble.bytes + directoryBytes + body.count
            var rest = section[...]
            repeat {
                let piece = rest.prefix(FrameFormat.payloadBytes)
                FrameFormat.append(head: [], payload: Array(piece), seed: preamble.seed, to: &body)
                rest = rest.dropFirst(piece.count)
            } while !rest.isEmpty
            let end = FilePreamble.bytes + directoryBytes + body.count
            places.append(Section(place: start..<end, size: section.count))
        }
        var directory: [UInt8] = []
        for section in places {
            for number in [section.place.lowerBound, section.place.upperBound, section.size] {
                directory.append(littleEndian: UInt64(number))
            }
        }
        var bytes = preamble.encoded
        bytes += try FrameFile.frame(directory, seed: preamble.seed, path: path)
        bytes += body
        let temporary = path + ".new"
        try? io.unlink(temporary)
        let file = try io.open(temporary, .create)
        try io.write(file, at: 0, bytes)
        try io.syncData(file)
        try io.rename(temporary, to: path)
        try io.syncDirectory(directoryOf(path, io))
        return SectionFile(path: path, size: bytes.count, sections: places, seed: preamble.seed, io: io)
    }

    private static func directoryOf<IO: FileIO>(_ path: String, _ io: IO) -> String { IO.parent(of: path) }

    private init(path: String, size: Int, sections: [Section], seed: UInt32, io: any FileIO) {
        self.path = path
        self.size = size
        self.sections = sections
        self.seed = seed
        self.io = io
    }

    /// Reads the directory. Throws `.damaged` when the file is not what it should be, `.newerFormat` when a newer
    /// version wrote it.
    package init(opening path: String, number: UInt64, io: any FileIO) throws(StoreError) {
        let file = try io.open(path, .read)
        let size = try io.size(file)
        guard let seed = try FrameFile.seed(file, .sections, number: number, io) else { throw Self.damaged(path) }
        var scanner = FrameScanner(
            io: io, file: file, seed: seed, mode: .exactFrame, from: FilePreamble.bytes, end: size)
        guard let frame = try scanner.next(), frame.payload.count % 24 == 0 else { throw Self.damaged(path) }
        var sections: [Section] = []
        for start in stride(from: 0, to: frame.payload.count, by: 24) {
            let numbers = [0, 8, 16].map { frame.payload.littleEndian(UInt64.self, at: start + $0) }
            guard numbers[0] >= UInt64(frame.end), numbers[0] <= numbers[1], numbers[1] <= UInt64(size),
                numbers[2] <= numbers[1] - numbers[0]
            else { throw Self.damaged(path) }
            sections.append(Section(place: Int(numbers[0])..<Int(numbers[1]), size: Int(numbers[2])))
        }
        self.init(path: path, size: size, sections: sections, seed: seed, io: io)
    }

    private static func damaged(_ path: String) -> StoreError {
        StoreError(.damaged, operation: "read", path: path, detail: "its sections cannot be read")
    }

    /// The bytes of a section. Throws `.damaged` when they are not all intact.
    package func read(_ number: Int) throws(StoreError) -> [UInt8] {
        let section = sections[number]
        let file = try io.open(path, .read)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(section.size)
        var offset = section.place.lowerBound
        while offset < section.place.upperBound {
            var scanner = FrameScanner(
                io: io, file: file, seed: seed, mode: .exactFrame, from: offset, end: section.place.upperBound)
            guard let frame = try scanner.next(), frame.offset == offset else { throw Self.damaged(path) }
            bytes += frame.payload
            offset = frame.end
        }
        guard bytes.count == section.size else { throw Self.damaged(path) }
        return bytes
    }
}
