package import MusterSeries
import Synchronization

/// What a checkpoint tells the manifest besides the parts.
package struct Checkpoint: Sendable {
    /// The log is read again from here on.
    package var replayFrom: StoreManifest.LogPlace
    /// Samples up to this place of the log are in parts; never before `replayFrom`.
    package var appliedThrough: StoreManifest.LogPlace
    /// Numbers of groups below this one were given out.
    package var nextGroup: UInt32

    /// A commit refuses an `appliedThrough` before `replayFrom`.
    package init(replayFrom: StoreManifest.LogPlace, appliedThrough: StoreManifest.LogPlace, nextGroup: UInt32) {
        self.replayFrom = replayFrom
        self.appliedThrough = appliedThrough
        self.nextGroup = nextGroup
    }
}

extension PartDirectory {
    /// A checkpoint: the finished parts, everything appended to the catalogue and the new places count from here on.
    package func commit(_ checkpoint: Checkpoint, adding added: [Part]) throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            if writer.catalogue.isSuspect { try writer.catalogue.replace(number: try nextFile(), in: files) }
            try writer.catalogue.sync(in: files)
            let catalogue = writer.catalogue.stored
            try commit(&writer, adding: added) { manifest in
                manifest.replayFrom = checkpoint.replayFrom
                manifest.appliedThrough = checkpoint.appliedThrough
                manifest.nextGroup = checkpoint.nextGroup
                manifest.catalogue = catalogue
                manifest.parts += added.map(\.entry)
            }
        }
    }

    /// A merge: `merged` takes the place of the parts it was made of, or nothing does. Throws `.notFound` when one of
    /// them was dropped in the meantime.
    package func commit(replacing numbers: [UInt32], by merged: Part?) throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            let parts = writer.kept[0].manifest.parts
            guard let place = parts.firstIndex(where: { $0.number == numbers.first }),
                parts[place...].prefix(numbers.count).map(\.number) == numbers
            else {
                throw StoreError(
                    .notFound, operation: "merge parts in", path: files.directory,
                    detail: "one of the parts \(numbers) was dropped in the meantime")
            }
            try commit(&writer, adding: merged.map { [$0] } ?? []) { manifest in
                manifest.parts.replaceSubrange(
                    place..<(place + numbers.count), with: merged.map { [$0.entry] } ?? [])
            }
        }
    }

    /// Drops parts, for their age. Their bytes are free after the next commit.
    package func drop(_ numbers: Set<UInt32>) throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in try drop(numbers, &writer) }
    }

    private func drop(_ numbers: Set<UInt32>, _ writer: inout Writer) throws(StoreError) {
        try commit(&writer, adding: []) { $0.parts.removeAll { numbers.contains($0.number) } }
    }

    /// Makes room for `bytes` more below the limit; see `dropOldest(freeing:)`.
    package func dropOldest(toFit bytes: Int) throws(StoreError) -> [UInt32] {
        guard wouldExceed(bytes) else { return [] }
        return try dropOldest(freeing: saturatingSum(files.bytes, bytes) - files.maxBytes)
    }

    /// Makes the directory at least that much smaller: files set aside go first, then what only the older manifest
    /// names, then the oldest parts. Returns the numbers of those, which may be too few: where the disk fails on the
    /// way, or no part is left. Throws when none could be dropped, `.budget` when there is none. Works on a full disk.
    package func dropOldest(freeing bytes: Int) throws(StoreError) -> [UInt32] {
        try writer.withLock { writer throws(StoreError) in
            let goal = files.bytes - bytes
            for name in files.idleNames where name.hasSuffix(StoreFile.damagedSuffix) && files.bytes > goal {
                try files.unlink(name)
            }
            // Where there is no room for another manifest, dropping makes some.
            if files.bytes > goal { try? commit(&writer, adding: []) { _ in } }
            var dropped: [UInt32] = []
            do throws(StoreError) {
                while files.bytes > goal { try dropOldest(freeing: files.bytes - goal, &writer, &dropped) }
            } catch {
                guard !dropped.isEmpty else { throw error }
            }
            return dropped
        }
    }

    /// Here the files do not wait until no manifest names them: going back to one that does finds parts missing, which
    /// they are. Where not even a manifest fits, they go before it is written.
    private func dropOldest(
        freeing bytes: Int, _ writer: inout Writer, _ dropped: inout [UInt32]
    ) throws(StoreError) {
        let parts = writer.kept[0].manifest.parts
        var freed = 0
        var count = parts.prefix { part in
            defer { freed += Int(clamping: part.bytes) }
            return freed < bytes
        }.count
        var unlinked = 0
        while true {
            guard count > 0 else {
                throw StoreError(
                    .budget, operation: "make room in", path: files.directory,
                    detail: "\(bytes) bytes too many are left, and no part")
            }
            let numbers = parts.prefix(count).map(\.number)
            do throws(StoreError) {
                try drop(Set(numbers), &writer)
                dropped += numbers
                for number in numbers { try files.unlink(StoreFile.part(number).name) }
                return
            } catch  where error.cause == .diskFull || error.cause == .budget {
                guard unlinked < parts.count else { throw error }
                try files.unlink(StoreFile.part(parts[unlinked].number).name)
                unlinked += 1
                count = max(count, unlinked)
            }
        }
    }

    private func saturatingSum(_ a: Int, _ b: Int) -> Int {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : sum
    }
}

extension PartDirectory {
    private func commit(
        _ writer: inout Writer, adding added: [Part], _ change: (inout StoreManifest) -> Void
    ) throws(StoreError) {
        var manifest = writer.kept[0].manifest
        change(&manifest)
        manifest.nextFile = published.withLock { $0.nextFile }
        try write(manifest, &writer)
        publish(manifest, adding: added, writer)
        removeUnnamed(&writer)
    }

    private func write(_ manifest: StoreManifest, _ writer: inout Writer) throws(StoreError) {
        // The number is used up even when this fails.
        writer.generation += 1
        let kept = Kept(generation: writer.generation, manifest: manifest)
        try Self.write(kept, files) { writer.doubtful.append(kept) }
        writer.kept = [kept, writer.kept[0]]
        writer.doubtful.removeAll()
    }

    /// Calls `failedLate` before it throws where the manifest may be found after a loss of power.
    static func write(_ kept: Kept, _ files: StoreFiles, failedLate: () -> Void) throws(StoreError) {
        let payload: [UInt8]
        do throws(FormatError) {
            payload = try kept.manifest.encode()
        } catch {
            throw StoreError(error, operation: "write the manifest of", path: files.directory)
        }
        let stored = StoreFile.manifest(kept.generation)
        let staged = try StagedFile(stored, .manifest, number: kept.generation, in: files)
        try staged.append(try FrameFile.frame(payload, seed: staged.seed, path: files.path(staged.name)))
        do throws(StoreError) {
            _ = try staged.finish()
        } catch {
            if staged.mayBeNamed { failedLate() }
            throw error
        }
        files.end(staged.name)
    }

    private func publish(_ manifest: StoreManifest, adding added: [Part], _ writer: Writer) {
        for part in added { files.end(StoreFile.part(part.number).name) }
        let floor = writer.kept.map(\.manifest.replayFrom).min() ?? manifest.replayFrom
        published.withLock { published in
            var open: [UInt32: Part] = [:]
            for part in published.parts + added { open[part.number] = part }
            published.manifest = manifest
            published.parts = manifest.parts.compactMap { open.removeValue(forKey: $0.number) }
            published.dropped.removeAll { $0.part == nil }
            published.dropped += open.values.map { Dropped(part: $0) }
            published.replayFloor = floor
        }
    }

    /// Removes everything of ours that no manifest names and nobody is writing. What cannot be removed now is tried
    /// again at the next commit; it is counted until then.
    func removeUnnamed(_ writer: inout Writer) {
        var named: Set<String> = []
        for kept in writer.kept + writer.doubtful { named.formUnion(kept.files) }
        if let active = writer.catalogue.stored { named.insert(StoreFile.catalogue(active.number).name) }
        for name in files.idleNames where !named.contains(name) && Self.isOurs(name) { try? files.unlink(name) }
    }

    /// What may be removed when no manifest names it.
    static func isOurs(_ name: String) -> Bool {
        StoreFile(name: name) != nil
            || name.hasSuffix(StoreFile.temporarySuffix)
                && StoreFile(name: String(name.dropLast(StoreFile.temporarySuffix.utf8.count))) != nil
    }
}
