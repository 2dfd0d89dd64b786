import MusterModel
import Synchronization

extension SegmentLog {
    func append(_ records: [SegmentRecord], _ writer: inout Writer) throws(StoreError) -> Appended {
        guard !records.isEmpty else { return Appended(positions: [], removed: []) }
        let bytes = records.reduce(0) { $0 + Self.storedBytes($1) }
        try check(records, bytes)
        let isFull = writer.end + bytes > settings.segmentBytes || isOfAnotherDay(records[0])
        if writer.active != nil, isFull, writer.end > FilePreamble.bytes { try seal(&writer) }
        // A new segment's preamble is counted even where the active one goes on: making room may end it.
        let removed = try makeRoom(for: bytes + FilePreamble.bytes, &writer)
        if writer.active == nil { try createSegment(&writer) }
        guard let file = writer.active, let seed = index.withLock({ $0.segments.last?.seed }) else {
            throw StoreError(.closed, operation: "append to", path: directory, detail: "no segment is active")
        }
        var buffer: [UInt8] = []
        buffer.reserveCapacity(bytes)
        var positions: [SegmentPosition] = []
        positions.reserveCapacity(records.count)
        for record in records {
            positions.append(SegmentPosition(segment: writer.activeNumber, offset: writer.end + buffer.count))
            FrameFormat.append(head: RecordHead.encode(record), payload: record.payload, seed: seed, to: &buffer)
        }
        do throws(StoreError) {
            try io.write(file, at: writer.end, buffer)
        } catch {
            undoWrite(file, &writer)
            throw error
        }
        writer.end += buffer.count
        let end = writer.end
        index.withLock { index in
            let last = index.segments.count - 1
            index.segments[last].end = end
            index.segments[last].diskBytes = end
            if index.segments[last].first == nil {
                index.segments[last].first = Segment.First(
                    sequence: records[0].id.sequence, received: records[0].received)
            }
        }
        return Appended(positions: positions, removed: removed)
    }

    private func isOfAnotherDay(_ record: SegmentRecord) -> Bool {
        guard settings.isDaily, let first = index.withLock({ $0.segments.last?.first }) else { return false }
        // Only forward: a clock that was set back must not begin a segment with every record.
        return record.received.nanoseconds / 86_400_000_000_000 > first.received.nanoseconds / 86_400_000_000_000
    }

    private func check(_ records: [SegmentRecord], _ bytes: Int) throws(StoreError) {
        if let large = records.first(where: { $0.payload.count > Self.payloadBytes }) {
            throw StoreError(
                .tooLarge, operation: "append to", path: directory,
                detail: "a payload of \(large.payload.count) bytes; at most \(Self.payloadBytes) are allowed")
        }
        guard bytes + FilePreamble.bytes <= settings.maxBytes else {
            throw StoreError(
                .tooLarge, operation: "append to", path: directory,
                detail: "a batch of \(bytes) bytes; the budget is \(settings.maxBytes)")
        }
    }

    /// Cuts off what a failed write left behind; when even that fails the segment is given up.
    private func undoWrite(_ file: OpenFile, _ writer: inout Writer) {
        do throws(StoreError) {
            try io.truncate(file, to: writer.end)
        } catch {
            let disk = (try? io.size(file)) ?? writer.end
            index.withLock { index in index.segments[index.segments.count - 1].diskBytes = max(disk, writer.end) }
            writer.uncut = Writer.Uncut(file: file, number: writer.activeNumber, end: writer.end)
            do throws(StoreError) {
                try sync(&writer)
                writer.active = nil
            } catch {
                writer.failure = error
            }
        }
    }

    func sync(_ writer: inout Writer) throws(StoreError) {
        guard let file = writer.active, writer.durableEnd < writer.end else { return }
        do throws(StoreError) {
            try io.syncData(file)
            writer.durableEnd = writer.end
        } catch {
            giveUp(file, &writer)
            throw error
        }
    }

    /// After a failed sync: the segment keeps what was durable before and takes nothing more.
    private func giveUp(_ file: OpenFile, _ writer: inout Writer) {
        let durable = writer.durableEnd
        index.withLock { $0.segments[$0.segments.count - 1].end = durable }
        writer.active = nil
        writer.uncut = Writer.Uncut(file: file, number: writer.activeNumber, end: durable)
        // The next append tries again and says what is wrong.
        try? cut(&writer)
    }

    /// Cuts off what a segment that was given up shows beyond its durable records. Only the last segment may show such:
    /// a restart makes what that one shows durable, and takes the others for durable as they are.
    private func cut(_ writer: inout Writer) throws(StoreError) {
        guard let uncut = writer.uncut else { return }
        try io.truncate(uncut.file, to: uncut.end)
        writer.uncut = nil
        index.withLock { index in
            guard let place = index.segments.firstIndex(where: { $0.number == uncut.number }) else { return }
            index.segments[place].diskBytes = uncut.end
        }
    }

    /// Ends the active segment; what it holds is durable afterwards, or the error is kept for the next `sync()` as
    /// well.
    private func seal(_ writer: inout Writer) throws(StoreError) {
        do throws(StoreError) {
            try sync(&writer)
            writer.active = nil
        } catch {
            writer.failure = error
            throw error
        }
    }

    private func makeRoom(for growth: Int, _ writer: inout Writer) throws(StoreError) -> [Removed] {
        var removed: [Removed] = []
        while true {
            let (bytes, oldest) = index.withLock { ($0.bytes, $0.segments.first?.number) }
            guard bytes + growth > settings.maxBytes, let oldest else { break }
            if writer.active != nil, oldest == writer.activeNumber { try seal(&writer) }
            removed += try remove([oldest])
        }
        return removed
    }

    func remove(_ numbers: [UInt64]) throws(StoreError) -> [Removed] {
        var removed: [Removed] = []
        for number in numbers {
            do throws(StoreError) {
                try io.unlink(path(number))
            } catch  where error.cause == .notFound {
                // Somebody else removed it: the outcome is the same.
            }
            index.withLock { index in
                guard let place = index.segments.firstIndex(where: { $0.number == number }) else { return }
                removed.append(Removed(segment: number, bytes: index.segments[place].diskBytes))
                index.segments.remove(at: place)
            }
        }
        // Where this fails the names may be back after a loss of power. What was removed is gone all the same: to throw
        // would hide it from whoever counts.
        if !removed.isEmpty { try? io.syncDirectory(directory) }
        return removed
    }

    /// A new segment exists, with its preamble and its name durable, before the first record goes into it.
    private func createSegment(_ writer: inout Writer) throws(StoreError) {
        try cut(&writer)
        if !writer.directoryIsDurable {
            try io.makeDirectories(directory)
            writer.directoryIsDurable = true
        }
        let number = writer.nextNumber
        guard number < UInt64.max else {
            throw StoreError(
                .damaged, operation: "append to", path: directory, detail: "the segment numbers are used up")
        }
        let preamble = FilePreamble(kind: .segment, number: number, salt: io.randomWord())
        // The number is used up even when this fails: a name is never given to two files.
        writer.nextNumber += 1
        let file = try io.open(path(number), .create)
        do throws(StoreError) {
            try io.write(file, at: 0, preamble.encoded)
            try io.syncData(file)
            try io.syncDirectory(directory)
        } catch {
            try? io.unlink(path(number))
            throw error
        }
        writer.active = file
        writer.activeNumber = number
        writer.end = FilePreamble.bytes
        writer.durableEnd = FilePreamble.bytes
        index.withLock { index in
            index.segments.append(
                Segment(number: number, end: writer.end, diskBytes: writer.end, seed: preamble.seed, first: nil))
        }
    }
}
