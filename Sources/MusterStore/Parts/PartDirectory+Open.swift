import MusterSeries

/// What `PartDirectory.open` found and did, besides the manifest and the parts that are then there.
package struct PartRecovery: Equatable, Sendable {
    /// Files that could not be read, and why; each was renamed to `*.damaged`. A catalogue that is missing as well.
    package var setAside: [StoreError] = []
    /// Numbers of parts that the manifest names and the directory has not.
    package var missing: [UInt32] = []
    /// True when the newest manifest was damaged and the one before counts.
    package var fellBack = false
    /// What a crash left behind and was removed.
    package var removed: [String] = []
    /// Names that are not ours; left alone, and counted.
    package var ignored: [String] = []
    /// Bytes behind the end of the catalogue that no checkpoint confirmed; they were cut off.
    package var cutBytes = 0

    package init() {}
}

extension PartDirectory {
    /// Opens the store in `directory`, or begins one there. Throws `.newerFormat`, with nothing changed, when a newer
    /// Muster wrote in it, and `.damaged` when there are files but no manifest that can be read.
    package static func open(
        directory: String, io: any FileIO, settings: Settings
    ) throws(StoreError) -> (store: PartDirectory, recovery: PartRecovery) {
        var report = PartRecovery()
        try io.makeDirectories(directory)
        let files = StoreFiles(directory: directory, io: io, maxBytes: settings.maxBytes)
        try count(files, &report)
        var found = try manifests(in: files, &report)
        if found.kept.isEmpty { try begin(&found, files) }
        var published = Published(
            manifest: found.kept[0].manifest, parts: [],
            replayFloor: found.kept.map(\.manifest.replayFrom).min() ?? found.kept[0].manifest.replayFrom,
            nextFile: 1)
        published.parts = try openParts(&published.manifest, files, &found.damaged, &report)
        let catalogue = try openCatalogue(&published.manifest, files, &found.damaged, &report)
        // Only from here on is anything changed.
        for (name, error) in found.damaged {
            try files.rename(name, to: name + StoreFile.damagedSuffix)
            report.setAside.append(error)
        }
        found.kept[0].manifest = published.manifest
        published.nextFile = max(published.manifest.nextFile, highestNumber(files) + 1)
        var writer = Writer(kept: found.kept, generation: found.generation, catalogue: catalogue)
        let store = PartDirectory(files, writer, published)
        let before = Set(files.names)
        store.removeUnnamed(&writer)
        report.removed = before.subtracting(files.names).sorted()
        try io.syncDirectory(directory)
        return (store, report)
    }

    /// Takes stock of every name in the directory.
    private static func count(_ files: StoreFiles, _ report: inout PartRecovery) throws(StoreError) {
        for name in try files.io.list(files.directory) {
            let isOurs = isOurs(name) || name.hasSuffix(StoreFile.damagedSuffix)
            if !isOurs { report.ignored.append(name) }
            do throws(StoreError) {
                files.set(name, bytes: try files.io.size(try files.io.open(files.path(name), .read)))
            } catch {
                // A directory or a link of somebody else takes nothing of ours.
                if isOurs { throw error }
            }
        }
    }

    private struct Found {
        /// Newest first, at most two.
        var kept: [Kept] = []
        var generation: UInt64 = 0
        /// To be set aside, and why.
        var damaged: [(name: String, error: StoreError)] = []
    }

    private static func manifests(
        in files: StoreFiles, _ report: inout PartRecovery
    ) throws(StoreError) -> Found {
        var found = Found()
        var generations: [UInt64] = []
        var others: [String] = []
        for name in files.names {
            switch StoreFile(name: name) {
            case .manifest(let generation) where generation < .max: generations.append(generation)
            case .part, .catalogue: others.append(name)
            default: break
            }
        }
        found.generation = generations.max() ?? 0
        for generation in generations.sorted(by: >) where found.kept.count < 2 {
            do throws(StoreError) {
                let manifest = try twice { () throws(StoreError) in try readManifest(generation, files) }
                found.kept.append(Kept(generation: generation, manifest: manifest))
            } catch  where error.cause == .damaged || error.cause == .inputOutput {
                found.damaged.append((StoreFile.manifest(generation).name, error))
                report.fellBack = report.fellBack || found.kept.isEmpty
            }
        }
        if found.kept.isEmpty, !generations.isEmpty || !others.isEmpty {
            throw StoreError(
                .damaged, operation: "open the metric store in", path: files.directory,
                detail: "there are \(others.count) data files and \(generations.count) manifests, none of which can be "
                    + "read: restore a manifest, or move the directory away to begin a new store")
        }
        return found
    }

    private static func readManifest(_ generation: UInt64, _ files: StoreFiles) throws(StoreError) -> StoreManifest {
        let file = try files.io.open(files.path(StoreFile.manifest(generation).name), .read)
        let damaged = StoreError(.damaged, operation: "read", path: file.path, detail: "it is no intact manifest")
        guard let seed = try FrameFile.seed(file, .manifest, number: generation, files.io) else { throw damaged }
        var manifests: [StoreManifest] = []
        let damage = try FrameFile.scan(file, seed: seed, to: try files.io.size(file), files.io) {
            payload throws(StoreError) in
            do throws(FormatError) {
                manifests.append(try StoreManifest(decoding: payload[...]))
            } catch {
                throw StoreError(error, operation: "read", path: file.path)
            }
        }
        guard damage.regions == 0, manifests.count == 1 else { throw damaged }
        return manifests[0]
    }

    /// The first manifest, which says that there is nothing: from here on files without one are a fault.
    private static func begin(_ found: inout Found, _ files: StoreFiles) throws(StoreError) {
        let kept = Kept(generation: 1, manifest: StoreManifest())
        // A crash may have left one half written.
        try files.unlink(StoreFile.manifest(1).name + StoreFile.temporarySuffix)
        try write(kept, files) {}
        found.kept = [kept]
        found.generation = 1
    }

    /// A disk may give at the second time what it did not give at the first.
    private static func twice<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        do throws(StoreError) {
            return try body()
        } catch  where error.cause == .inputOutput {
            return try body()
        }
    }

    private static func openParts(
        _ manifest: inout StoreManifest, _ files: StoreFiles, _ damaged: inout [(name: String, error: StoreError)],
        _ report: inout PartRecovery
    ) throws(StoreError) -> [Part] {
        var parts: [Part] = []
        for entry in manifest.parts {
            do throws(StoreError) {
                parts.append(try twice { () throws(StoreError) in try Part(entry, in: files) })
            } catch  where error.cause == .notFound {
                report.missing.append(entry.number)
            } catch  where error.cause == .damaged || error.cause == .inputOutput {
                damaged.append((StoreFile.part(entry.number).name, error))
            }
        }
        manifest.parts = parts.map(\.entry)
        return parts
    }

    private static func openCatalogue(
        _ manifest: inout StoreManifest, _ files: StoreFiles, _ damaged: inout [(name: String, error: StoreError)],
        _ report: inout PartRecovery
    ) throws(StoreError) -> CatalogueFile {
        guard let stored = manifest.catalogue else { return CatalogueFile() }
        let name = StoreFile.catalogue(stored.number).name
        let end = Int(clamping: stored.bytes)
        do throws(StoreError) {
            let size = files.bytes(of: name) ?? 0
            let opened = try twice { () throws(StoreError) in
                try CatalogueFile(opening: stored.number, end: end, in: files)
            }
            if let opened {
                report.cutBytes = max(0, size - end)
                return opened
            }
            let error = StoreError(.damaged, operation: "read", path: files.path(name), detail: "it is no catalogue")
            damaged.append((name, error))
        } catch  where error.cause == .inputOutput {
            damaged.append((name, error))
        } catch  where error.cause == .notFound {
            report.setAside.append(error)
        }
        manifest.catalogue = nil
        return CatalogueFile()
    }

    private static func highestNumber(_ files: StoreFiles) -> UInt32 {
        files.names.reduce(0) { highest, name in
            switch StoreFile(name: name) {
            case .part(let number), .catalogue(let number): max(highest, min(number, .max - 1))
            default: highest
            }
        }
    }
}
