/// Bytes of records that could not be read.
package struct RecordDamage: Equatable, Sendable {
    package var regions = 0
    package var bytes = 0

    package init(regions: Int = 0, bytes: Int = 0) {
        self.regions = regions
        self.bytes = bytes
    }

    static func += (a: inout RecordDamage, b: RecordDamage) {
        a.regions += b.regions
        a.bytes += b.bytes
    }
}

/// Files that are a preamble and checksummed records without a head: the manifests and the catalogue.
enum FrameFile {
    static func frame(_ payload: [UInt8], seed: UInt32, path: String) throws(StoreError) -> [UInt8] {
        guard payload.count <= FrameFormat.payloadBytes else {
            throw StoreError(
                .tooLarge, operation: "append to", path: path,
                detail: "a record of \(payload.count) bytes; at most \(FrameFormat.payloadBytes) are allowed")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(FrameFormat.size(head: 0, payload: payload.count))
        FrameFormat.append(head: [], payload: payload, seed: seed, to: &bytes)
        return bytes
    }

    /// The checksums' start; nil when the file is not what its name says. Throws `.newerFormat`.
    static func seed(
        _ file: OpenFile, _ kind: FilePreamble.Kind, number: UInt64, _ io: any FileIO
    ) throws(StoreError) -> UInt32? {
        guard let preamble = try SegmentLog.preamble(of: file, io), preamble.kind == kind, preamble.number == number
        else { return nil }
        return preamble.seed
    }

    /// Gives out every intact record from `start`, where one begins, up to `end`.
    static func scan(
        _ file: OpenFile, seed: UInt32, from start: Int = FilePreamble.bytes, to end: Int, _ io: any FileIO,
        _ body: (_ payload: [UInt8]) throws(StoreError) -> Void
    ) throws(StoreError) -> RecordDamage {
        let size = try io.size(file)
        var scanner = FrameScanner(
            io: io, file: file, seed: seed, mode: .frames, from: start, end: min(size, end))
        while let frame = try scanner.next() { try body(frame.payload) }
        let damage = scanner.damageToEnd
        let missing = max(0, end - max(start, size))
        return RecordDamage(regions: damage.regions + (missing > 0 ? 1 : 0), bytes: damage.bytes + missing)
    }
}
