import Glibc
import MusterLogs
import MusterModel

/// Which files there are and under which names.
extension TailLoop {
    /// Compares everything known with what is there: at the start, after lost events, when sources or directories
    /// change, and now and then.
    func reconcile(now: Instant) {
        var searched: Set<String> = []
        if !hasReconciled { adoptRecovered(now: now, searched: &searched) }
        checkNames(now: now, searched: &searched)
        for index in sources.indices {
            let expansion = sources[index].glob.expand(list: DirectoryListing.entries) { path in
                (try? FileFacts.at(path))?.isDirectory ?? false
            }
            for directory in expansion.directories { watch(directory) }
            let isFirstLook = seenGlobs.insert(sources[index].source.glob).inserted
            for path in expansion.files {
                examine(path, source: index, startsAtEnd: isFirstLook && startsAtEnd(index), now: now)
            }
        }
        if !hasReconciled { finishRecovery(now: now) }
        for file in files.values where file.place != .named && file.isOpen { touch(file.id, now: now) }
        reconcileAt = now + (isPolling ? options.pollInterval : options.reconcileInterval)
        if !isPolling, hasMissingDirectory { reconcileAt = now + options.pollInterval }
    }

    private func startsAtEnd(_ index: Int) -> Bool { isFirstStart && sources[index].source.startAt == .end }

    /// A glob whose directories are not there yet has nothing to watch.
    private var hasMissingDirectory: Bool {
        sources.contains { entry in
            !watchOf.keys.contains { entry.source.glob.hasPrefix($0 == "/" ? $0 : $0 + "/") }
        }
    }

    /// Makes the ledger's files known to the loop and looks for them in the directories where they were last seen.
    private func adoptRecovered(now: Instant, searched: inout Set<String>) {
        for source in ledger.sources.values where source.presence != .gone {
            let origin = source.labels["path"] ?? source.path
            files[source.id] = TailedFile(
                id: source.id, identity: source.identity, kind: source.kind, origin: origin, path: source.path,
                labels: source.labels, place: .detached(since: now), offset: source.read, isAtHead: source.read == 0,
                hasHead: source.head.length > 0, needsCheck: true, lastGrowth: now)
            byInode[InodeKey(source.identity)] = source.id
            assignSource(source.id, now: now)
        }
        for directory in Set(files.values.map(\.path.parentDirectory)) {
            watch(directory)
            search(directory, searched: &searched, now: now)
        }
    }

    private func finishRecovery(now: Instant) {
        hasReconciled = true
        for file in files.values where file.place != .named && !file.isOpen {
            ledger.sourceVanished(file.id, now: now)
        }
    }

    /// Do the names still lead to the same files?
    private func checkNames(now: Instant, searched: inout Set<String>) {
        for (path, id) in names {
            guard let file = files[id] else { continue }
            let facts = try? FileFacts.at(path)
            if let facts, Self.isSame(facts.identity, file.identity) {
                if facts.size != file.offset { touch(id, now: now) }
            } else {
                displaced(id, now: now)
                search(path.parentDirectory, searched: &searched, now: now)
            }
        }
    }

    /// Looks in a directory for known files under new names.
    private func search(_ directory: String, searched: inout Set<String>, now: Instant) {
        guard searched.insert(directory).inserted, let entries = DirectoryListing.entries(directory) else { return }
        let known = Set(byInode.keys.map(\.inode))
        for entry in entries where entry.isDirectory != true && known.contains(entry.inode) {
            examine(directory.appendingPath(entry.name), source: nil, startsAtEnd: false, now: now)
        }
    }

    /// Watches a directory; turns to polling when the kernel has no more watches.
    func watch(_ directory: String) {
        guard watchOf[directory] == nil, watches.count < options.maxWatchedDirectories else {
            if watchOf[directory] == nil { turnToPolling() }
            return
        }
        guard let result = queue?.watch(directory: directory) else { return }
        switch result {
        case .success(let watch):
            // One directory under two names has one watch: the first name stays.
            guard watches[watch] == nil else { return }
            watches[watch] = directory
            watchOf[directory] = watch
        case .failure(let failure):
            if failure.code == ENOSPC || failure.code == ENOMEM { turnToPolling() }
        }
    }

    private func turnToPolling() {
        guard !isPolling else { return }
        isPolling = true
        fault(.watchLimit)
    }

    func forgetWatch(_ watch: Int32) {
        guard let directory = watches.removeValue(forKey: watch) else { return }
        watchOf[directory] = nil
    }

    /// Which source wants a path.
    func sourceIndex(_ path: String) -> Int? { sources.firstIndex { $0.glob.matches(path) } }

    /// A path that may lead to a known file, a new one, or none. `source` is nil for a path that nobody asked for.
    /// `origin` is the path to label with when it is another one.
    func examine(_ path: String, source: Int?, origin: String? = nil, startsAtEnd: Bool, now: Instant) {
        let real = resolved(path)
        guard let facts = try? FileFacts.at(real), facts.isRegular else { return }
        if let id = byInode[InodeKey(facts.identity)], let file = files[id] {
            if Self.isSame(facts.identity, file.identity) {
                attach(id, path: real, size: facts.size, now: now)
                return
            }
            // The inode was given to another file: ours is deleted, and we held no descriptor on it.
            endUnreadable(id)
        }
        guard let source else { return }
        discover(real, origin: origin ?? path, source: source, startsAtEnd: startsAtEnd, now: now)
    }

    /// The file behind a symbolic link, whose directory is then watched as well.
    private func resolved(_ path: String) -> String {
        guard let facts = try? FileFacts.at(path, followsLinks: false), facts.isSymbolicLink,
            let pointer = unsafe realpath(path, nil)
        else { return path }
        defer { unsafe free(pointer) }
        let real = unsafe String(cString: pointer)
        watch(real.parentDirectory)
        return real
    }

    /// A file that no one knew: opened at once, so that its deletion cannot take it away.
    private func discover(_ path: String, origin: String, source: Int, startsAtEnd: Bool, now: Instant) {
        let wanted = sources[source].source
        let descriptor: Int32
        do throws(FileFacts.Failure) {
            descriptor = try Descriptor.open(path)
        } catch {
            guard error.code != ENOENT, refusedPaths.count < LogLimits.tailedFiles else { return }
            if refusedPaths.insert(path).inserted {
                fault(error.code == EACCES || error.code == EPERM ? .permissionDenied : .openFailed)
            }
            return
        }
        refusedPaths.remove(path)
        guard let facts = try? FileFacts.of(descriptor), facts.isRegular, byInode[InodeKey(facts.identity)] == nil
        else {
            close(descriptor)
            return
        }
        let offset = startsAtEnd ? facts.size : 0
        let labels = wanted.labels.merging(["path": origin])
        let tail = tailBytes(descriptor, before: offset, length: LogLimits.tailMarkerBytes)
        let found = ledger.sourceFound(
            facts.identity, kind: wanted.kind, path: path, labels: labels, at: offset, tail: ContentMarker(tail))
        record(found.records)
        hasNewSources = true
        guard let id = found.source else {
            close(descriptor)
            fault(.tooManyFiles)
            return
        }
        files[id] = TailedFile(
            id: id, identity: facts.identity, kind: wanted.kind, origin: origin, path: path, labels: labels,
            place: .named, descriptor: descriptor, offset: offset, tail: tail, isAtHead: offset == 0, hasHead: false,
            source: source, lastGrowth: now)
        openCount += 1
        byInode[InodeKey(facts.identity)] = id
        claim(path, for: id, now: now)
        schedule(id, at: now)
        closeLeastUsed(except: id)
    }

    /// A known file was seen under a path.
    private func attach(_ id: TailedSource.ID, path: String, size: UInt64, now: Instant) {
        guard let file = files[id] else { return }
        let isElsewhere = file.path != path
        // A second hard link to a file that is still under its own name changes nothing.
        if isElsewhere, file.place == .named, names[file.path] == id,
            let facts = try? FileFacts.at(file.path), Self.isSame(facts.identity, file.identity)
        {
            return
        }
        if isElsewhere {
            if names[file.path] == id { names[file.path] = nil }
            counters.rotations += 1
        }
        files[id]?.path = path
        files[id]?.place = .named
        record(ledger.sourceChanged(id, path: path))
        claim(path, for: id, now: now)
        if file.needsCheck {
            schedule(id, at: now)
        } else if size != file.offset {
            touch(id, now: now)
        }
    }

    /// The path is this file's now; whoever had it is elsewhere or gone.
    private func claim(_ path: String, for id: TailedSource.ID, now: Instant) {
        if let other = names[path], other != id {
            names[path] = nil
            displaced(other, now: now)
        }
        names[path] = id
    }

    /// The file's name leads to something else, or to nothing.
    func displaced(_ id: TailedSource.ID, now: Instant) {
        guard let file = files[id] else { return }
        if names[file.path] == id { names[file.path] = nil }
        files[id]?.place = .detached(since: now)
        if file.isOpen {
            if let facts = try? FileFacts.of(file.descriptor), facts.links == 0 { files[id]?.place = .unlinked }
            files[id]?.lastGrowth = max(file.lastGrowth, now)
            schedule(id, at: now)
        } else {
            ledger.sourceVanished(id, now: now)
        }
    }

    /// The file is gone and there is no descriptor to read the rest from.
    func endUnreadable(_ id: TailedSource.ID) {
        guard let file = files[id] else { return }
        if file.partialBytes > 0 || file.due != nil { counters.gaps += 1 }
        end(id)
    }

    /// Labels and retirement follow the sources that are wanted now.
    func assignSource(_ id: TailedSource.ID, now: Instant) {
        guard let file = files[id] else { return }
        guard let index = sourceIndex(file.origin) else {
            files[id]?.isRetired = true
            files[id]?.source = nil
            if !file.isRetired, file.isOpen { schedule(id, at: now) }
            return
        }
        let labels = sources[index].source.labels.merging(["path": file.origin])
        files[id]?.isRetired = false
        files[id]?.source = index
        files[id]?.labels = labels
        record(ledger.sourceChanged(id, labels: labels))
        if file.isRetired { touch(id, now: now) }
    }

    /// Up to `length` bytes before an offset.
    func tailBytes(_ descriptor: Int32, before offset: UInt64, length: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(min(UInt64(length), offset)))
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe (try? Descriptor.read(descriptor, into: buffer, at: offset - UInt64(buffer.count))) ?? 0
        }
        return count == bytes.count ? bytes : []
    }
}
