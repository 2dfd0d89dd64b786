import Glibc
import MusterLogs
import MusterModel

/// What inotify says.
extension TailLoop {
    /// Reads at most this many batches in a turn, so that a storm of events does not keep files from being read.
    private static let batchesPerTurn = 16

    func takeEvents(now: Instant) {
        defer {
            moves = [:]
            renamedOrigins = [:]
        }
        for _ in 0..<Self.batchesPerTurn {
            guard let events = queue?.read(), !events.isEmpty else { return }
            for event in events { take(event, now: now) }
        }
    }

    /// What a name stood for before its file was renamed: the path it is labelled with. A file that was made and
    /// renamed between two turns was never seen under the name that the sources ask for.
    private func origin(of path: String) -> String? {
        if let id = names[path] { return files[id]?.origin }
        return renamedOrigins[path] ?? (sourceIndex(path) == nil ? nil : path)
    }

    private func take(_ event: InotifyQueue.Event, now: Instant) {
        if event.has(InotifyQueue.overflow) {
            fault(.eventOverflow)
            reconcileAt = now
            return
        }
        guard let directory = watches[event.watch] else { return }
        if event.has(InotifyQueue.ignored) {
            forgetWatch(event.watch)
            reconcileAt = now
            return
        }
        if event.has(InotifyQueue.selfMoved) {
            // The watch would report under a name that is no longer true.
            queue?.unwatch(event.watch)
            forgetWatch(event.watch)
            reconcileAt = now
            return
        }
        if event.has(InotifyQueue.selfDeleted | InotifyQueue.unmounted) || event.name.isEmpty { return }
        if event.has(InotifyQueue.isDirectory) {
            let isChange = event.has(
                InotifyQueue.created | InotifyQueue.deleted | InotifyQueue.movedFrom | InotifyQueue.movedTo
                    | InotifyQueue.attributes)
            if isChange { reconcileAt = now }
            return
        }
        take(event, path: directory.appendingPath(event.name), now: now)
    }

    private func take(_ event: InotifyQueue.Event, path: String, now: Instant) {
        if event.has(InotifyQueue.movedFrom) {
            moves[event.cookie] = origin(of: path)
            renamedOrigins[path] = nil
            if let id = names[path] { displaced(id, now: now) }
        } else if event.has(InotifyQueue.movedTo) {
            let origin = sourceIndex(path) == nil ? moves[event.cookie] : path
            renamedOrigins[path] = origin
            examine(path, source: origin.flatMap(sourceIndex), origin: origin, startsAtEnd: false, now: now)
        } else if event.has(InotifyQueue.deleted) {
            guard let id = names[path] else { return }
            if files[id]?.isOpen == true { displaced(id, now: now) } else { endUnreadable(id) }
        } else if event.has(InotifyQueue.modified), let id = names[path] {
            touch(id, now: now)
        } else if event.has(InotifyQueue.attributes), names[path] != nil {
            return
        } else {
            examine(path, source: sourceIndex(path), startsAtEnd: false, now: now)
        }
    }
}
