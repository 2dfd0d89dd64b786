import Glibc
import MusterLogs
import MusterModel

/// From bytes to blocks.
extension TailLoop {
    /// One slab of every due file in turn, so that a file at full speed does not keep the slow ones waiting.
    func visitDueFiles(now: Instant) {
        let due = dueFiles.compactMap { id in files[id]?.due.map { (due: $0, id: id) } }
        for (_, id) in due.filter({ $0.due <= now }).sorted(by: { ($0.due, $0.id) < ($1.due, $1.id) }) {
            guard hasRoom else { return }
            visit(id, now: now)
        }
    }

    private func visit(_ id: TailedSource.ID, now: Instant) {
        schedule(id, at: nil)
        guard openIfNeeded(id, now: now), check(id, now: now), let file = files[id] else {
            return visitFailed(id, now: now)
        }
        let keep = file.tail.count
        // Never more than `slabBytes` behind the offset: a range has to fit when it is read again.
        let buffer = unsafe UnsafeMutableRawBufferPointer(rebasing: slab[..<(keep + options.slabBytes)])
        let count: Int
        do throws(FileFacts.Failure) {
            count = try unsafe Descriptor.read(file.descriptor, into: buffer, at: file.offset - UInt64(keep))
        } catch {
            fault(.readFailed)
            schedule(id, at: now + options.retryInterval)
            return
        }
        counters.bytesRead += max(0, count - keep)
        guard count >= keep, unsafe slab[..<keep].elementsEqual(file.tail) else { return truncated(id, now: now) }
        noteHead(id, count: count)
        let reachedEnd = count < keep + options.slabBytes
        let consumed = cutBlocks(id, keep: keep, count: count, reachedEnd: reachedEnd, now: now)
        settle(id, left: count - keep - consumed, consumed: consumed, reachedEnd: reachedEnd, now: now)
    }

    /// The file could not be opened under its name, or is not what it was.
    private func visitFailed(_ id: TailedSource.ID, now: Instant) {
        guard let file = files[id], !file.isOpen else { return }
        if let facts = try? FileFacts.at(file.path), Self.isSame(facts.identity, file.identity) {
            schedule(id, at: now + options.retryInterval)
        } else {
            displaced(id, now: now)
        }
    }

    /// A file of an earlier run: does it still hold what was read? False when it became a new source.
    private func check(_ id: TailedSource.ID, now: Instant) -> Bool {
        guard let file = files[id], file.needsCheck else { return true }
        files[id]?.needsCheck = false
        guard let source = ledger.sources[id] else { return false }
        var head: [UInt8] = []
        if source.head.length > 0 {
            head = tailBytes(file.descriptor, before: UInt64(source.head.length), length: source.head.length)
        }
        let tail = tailBytes(file.descriptor, before: source.read, length: source.tail.length)
        guard ContentMarker(tail) == source.tail, source.head.length == 0 || ContentMarker(head) == source.head else {
            truncated(id, now: now)
            return false
        }
        files[id]?.tail = tail
        return true
    }

    private func noteHead(_ id: TailedSource.ID, count: Int) {
        guard let file = files[id], !file.hasHead, file.offset == UInt64(file.tail.count), count > 0 else { return }
        let head = unsafe UnsafeRawBufferPointer(rebasing: slab[..<min(count, LogLimits.headMarkerBytes)])
        files[id]?.hasHead = true
        record(ledger.sourceChanged(id, head: unsafe ContentMarker(head)))
    }

    /// Cuts the slab's bytes behind `keep` into blocks while there is room. Gives back the bytes dealt with.
    private func cutBlocks(
        _ id: TailedSource.ID, keep: Int, count: Int, reachedEnd: Bool, now: Instant
    ) -> Int {
        guard let file = files[id] else { return 0 }
        let base = file.offset - UInt64(keep)
        var position = 0
        files[id]?.holdsEvent = false
        let isFinal = isPartialDue(file, bytes: count - keep, now: now)
        while hasRoom, keep + position < count {
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: slab[(keep + position)..<count])
            var parse = unsafe parse(bytes, end: reachedEnd && isFinal ? .closed : .open, id, arrival: now)
            if parse.consumed == 0, position == 0, !reachedEnd {
                parse = unsafe self.parse(bytes, end: .forced, id, arrival: now)
                if parse.consumed == 0 { parse = unsafe self.parse(bytes, end: .closed, id, arrival: now) }
            }
            let held = parse.heldLines > 0 && !parse.isFull
            files[id]?.holdsEvent = unsafe held && bytes.last == 0x0a
            guard parse.consumed > 0 else { break }
            // A range begins behind the NULs of a hole, so that reading it again does not depend on where it stands.
            let start = keep + position + (file.kind == .plain && !builder.isEmpty ? parse.skippedNULs : 0)
            tally(parse)
            guard cut(id, base: base, start: start, end: keep + position + parse.consumed, now: now) else { break }
            position += parse.consumed
            if !parse.isFull { break }
        }
        return position
    }

    /// Parses with the parser of the file's kind, and puts the lines through the pipeline of its source if that has
    /// one, into the empty builder. `isReread`: a range that was cut before.
    func parse(
        _ bytes: UnsafeRawBufferPointer, end: ParseEnd, _ id: TailedSource.ID, arrival: Instant, isReread: Bool = false
    ) -> LineParse {
        builder.reset()
        guard let file = files[id] else { return LineParse() }
        let processing = file.source.map { sources[$0].source.processing }
        guard let source = file.source, pipelines[source] != nil else {
            builder.findsLevels = processing?.findsLevel ?? true
            return unsafe parse(bytes, end: end, file, arrival: arrival, into: &builder)
        }
        parsed.reset()
        builder.findsLevels = false
        let parse = unsafe parse(bytes, end: end, file, arrival: arrival, into: &parsed)
        guard parse.consumed > 0, var pipeline = pipelines[source] else { return parse }
        // Taken out while it works, so that it is not copied.
        pipelines[source] = nil
        defer { pipelines[source] = pipeline }
        return edgePass.run(
            parsed, parse, end: end, &pipeline, now: arrival, keepsRate: !isReread, into: &builder)
    }

    private func parse(
        _ bytes: UnsafeRawBufferPointer, end: ParseEnd, _ file: TailedFile, arrival: Instant,
        into builder: inout LogBlockBuilder
    ) -> LineParse {
        switch file.kind {
        case .plain:
            return unsafe PlainLines.parse(
                bytes, end: end, skipsNULs: file.isAtHead, arrival: arrival.nanoseconds, into: &builder)
        case .dockerJSON:
            return unsafe dockerLines.parse(bytes, end: end, arrival: arrival.nanoseconds, into: &builder)
        }
    }

    func tally(_ parse: LineParse) {
        counters.splitLines += parse.splitLines
        counters.damagedRecords += parse.damagedRecords
        counters.skippedNULs += parse.skippedNULs
    }

    /// Makes a block of what is in the builder; `start` and `end` are places in the slab, which begins at `base` of the
    /// file. Moves the file's offset. False when the ledger refused.
    private func cut(_ id: TailedSource.ID, base: UInt64, start: Int, end: Int, now: Instant) -> Bool {
        guard var file = files[id] else { return false }
        let tail = unsafe Array(slab[max(0, end - LogLimits.tailMarkerBytes)..<end])
        if !builder.isEmpty {
            file.isAtHead = false
            let lines = builder.lineCount
            guard
                let cut = ledger.blockCut(
                    id, start: base + UInt64(start), end: base + UInt64(end), lineCount: lines, arrival: now,
                    tail: ContentMarker(tail)),
                let payload = builder.finish(labels: file.labels, compressor: compressor)
            else {
                fault(.ledgerRefused)
                return false
            }
            record([cut.record])
            batch.append(
                TailedBlock(sequence: cut.sequence, labels: file.labels, lineCount: lines, payload: payload))
            counters.lines += lines
            counters.blocks += 1
            counters.bytesCut += end - start
        }
        file.offset = base + UInt64(end)
        file.tail = tail
        files[id] = file
        return true
    }

    /// How soon to come back, and what to do with a file that has ended.
    private func settle(_ id: TailedSource.ID, left: Int, consumed: Int, reachedEnd: Bool, now: Instant) {
        guard var file = files[id] else { return }
        if consumed > 0 || left != file.partialBytes { file.lastGrowth = now }
        file.partialBytes = left
        file.lastVisit = now
        files[id] = file
        if !reachedEnd || !hasRoom && left > 0 {
            // More is waiting; come back in the next turn, or when there is room. Without progress, not at once.
            return schedule(id, at: consumed > 0 || !hasRoom ? now : now + options.retryInterval)
        }
        let idle = now - file.lastGrowth
        switch file.place {
        case .named:
            if left == 0, file.isRetired { closeDescriptor(id) }
            let grace = file.holdsEvent ? options.eventFlush : options.partialFlush
            if left > 0 { schedule(id, at: max(file.lastGrowth + grace, now + options.flushInterval)) }
        case .unlinked:
            guard left == 0, idle >= options.deletedGrace else {
                return schedule(id, at: now + min(options.retryInterval, options.deletedGrace))
            }
            end(id)
        case .detached:
            if let facts = try? FileFacts.of(file.descriptor), facts.links == 0 { files[id]?.place = .unlinked }
            guard left == 0, idle >= options.detachedGrace else { return schedule(id, at: now + options.retryInterval) }
            closeDescriptor(id)
            ledger.sourceVanished(id, now: now)
        }
    }

    /// Is it time to take an unfinished last line as it is?
    private func isPartialDue(_ file: TailedFile, bytes: Int, now: Instant) -> Bool {
        guard bytes == file.partialBytes, bytes > 0 else { return false }
        let wait = file.holdsEvent ? options.eventFlush : options.partialFlush
        let grace = file.place == .unlinked ? min(options.deletedGrace, wait) : wait
        return now - file.lastGrowth >= grace
    }

    /// The content is not what was read: from here on it is a new file. What was written and not read before the
    /// truncation is lost, and how much that was nobody knows.
    private func truncated(_ id: TailedSource.ID, now: Instant) {
        guard let old = files[id] else { return }
        counters.truncations += 1
        record(ledger.sourceEnded(id))
        let found = ledger.sourceFound(
            old.identity, kind: old.kind, path: old.path, labels: old.labels, at: 0)
        record(found.records)
        files[id] = nil
        dueFiles.remove(id)
        guard let new = found.source else {
            fault(.tooManyFiles)
            files[id] = old
            return removeFile(id)
        }
        files[new] = TailedFile(
            id: new, identity: old.identity, kind: old.kind, origin: old.origin, path: old.path, labels: old.labels,
            place: old.place, descriptor: old.descriptor, offset: 0, isAtHead: true, hasHead: false,
            isRetired: old.isRetired, source: old.source, lastGrowth: now)
        byInode[InodeKey(old.identity)] = new
        if names[old.path] == id { names[old.path] = new }
        schedule(new, at: now)
    }
}
