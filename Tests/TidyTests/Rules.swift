import Testing

/// One rule of the house: what it says and where a file breaks it.
struct TidyRule: Sendable, CustomTestStringConvertible {
    var name: String
    /// The lines that break it, from 1.
    var violations: @Sendable (SourceFile) -> [Int]

    var testDescription: String { name }

    /// `path:line: rule` for every violation.
    func report(_ files: [SourceFile]) -> [String] {
        files.flatMap { file in violations(file).map { "\(file.path):\($0): \(name)" } }
    }
}

/// The rules for code that ships.
enum CodeRules {
    static let cores: Set<String> = [
        "MusterModel", "MusterWire", "MusterSeries", "MusterLogs", "MusterLogQL", "MusterQuery", "MusterHealth",
        "MusterCatalog",
        "MusterRouting", "MusterAlerts", "MusterRollouts", "MusterConfig", "MusterInterchange",
    ]
    static let wiring: Set<String> = ["MusterAgent", "MusterCoordinator", "MusterCLI", "agent", "coordinator"]
    /// The only places for full Foundation: nothing of them is linked into the agent.
    static let foundation: Set<String> = ["MusterControlStore", "MusterCoordinator", "MusterCLI", "coordinator"]
    static let unsafeModules: Set<String> = [
        "MusterTransport", "MusterStore", "MusterHost", "MusterPattern", "MusterYAML", "CMusterRE2", "CMusterYAML",
        "CMusterOpenSSL", "CMusterZlib", "MusterSnappy", "CMusterSnappy",
    ]
    /// Elsewhere: hot paths in cores that work on raw buffers, and two system calls for which a driver of their own
    /// would be more code than the call (`ioctl` for the terminal's width and `write` to it; `open` of a lock file).
    static let unsafeFiles: Set<String> = [
        "Sources/MusterCLI/Terminal.swift", "Sources/MusterControlStore/ProcessLock.swift",
        "Sources/MusterLogs/ByteScan.swift", "Sources/MusterLogs/DockerLines.swift",
        "Sources/MusterLogs/DockerRecord.swift", "Sources/MusterLogs/FileIdentity.swift",
        "Sources/MusterLogs/LineParse.swift", "Sources/MusterLogs/Blocks/LogBlockBuilder.swift",
        "Sources/MusterLogs/Blocks/WordFilter.swift", "Sources/MusterLogs/Columns/LineColumns.swift",
        "Sources/MusterLogs/Columns/LineShapes.swift", "Sources/MusterLogs/Columns/Piece.swift",
        "Sources/MusterLogs/Columns/SlotPlan.swift",
        "Sources/MusterLogs/Columns/StringColumn.swift", "Sources/MusterLogs/Columns/TemplateList.swift",
        "Sources/MusterLogs/Columns/TextArena.swift", "Sources/MusterLogs/Columns/TextColumn.swift",
        "Sources/MusterLogs/Columns/TextTemplates.swift", "Sources/MusterLogs/Columns/WordCollector.swift",
        "Sources/MusterLogs/LineFilter.swift", "Sources/MusterLogs/Edge/EdgePass.swift",
        "Sources/MusterLogs/LogSearch.swift",
        "Sources/MusterLogs/TimestampText.swift",
        "Sources/MusterInterchange/Exposition/ExpositionParser.swift",
        "Sources/MusterInterchange/Inputs/KnownSeries.swift", "Sources/MusterInterchange/Protobuf/ProtobufReader.swift",
        "Sources/MusterSeries/Hot/KeyedHash.swift",
        "Sources/MusterSeries/Hot/RowChunk.swift",
    ]
    static let coreImports: Set<String> = ["MusterModel", "DequeModule", "HeapModule", "RealModule"]
    static let maxLines = 500
    static let maxColumns = 120

    static let all = [
        coreImport, coreEffects, foundationInAgent, escapeHatches, unfinished, unstructuredTask, unsafeKeyword,
        fileSize,
        lineLength, documentedTypes, packageAccess, moduleDirections,
    ]

    static let coreImport = TidyRule(name: "a core imports only MusterModel and collections") { file in
        guard cores.contains(file.module) else { return [] }
        // LogQL is a language over log entries: the one core that knows another.
        return file.imports.filter { entry in
            !coreImports.contains(entry.module) && (file.module, entry.module) != ("MusterLogQL", "MusterLogs")
        }.map(\.line)
    }

    static let coreEffects = TidyRule(name: "a core has no clock, chance, task, thread or output") { file in
        guard
            file.mentions([
                "Task", "Clock", "andom", "shuffle", "print(", "readLine", "getenv", "clock_gettime", "Mutex", "actor ",
            ])
        else { return [] }
        guard cores.contains(file.module), file.isSwift else { return [] }
        return matches(file) { line in
            line.has(/\bTask\b/) || line.has(/\b(Continuous|Suspending)Clock\b/)
                || line.has(/\bSystemRandomNumberGenerator\b/) || line.contains(/\.random\(in: [^,()]*\)/)
                || line.contains(/\.random\(\)/) || line.contains(/\.(randomElement|shuffled?)\(\)/)
                || line.has(/\b(print|debugPrint|readLine|getenv|clock_gettime)\(/) || line.has(/\bMutex\b/)
                || line.has(/\bactor [A-Z]/)
        }
    }

    static let foundationInAgent = TidyRule(name: "full Foundation stays out of the agent") { file in
        guard !foundation.contains(file.module) else { return [] }
        return file.imports.filter { $0.module == "Foundation" }.map(\.line)
    }

    static let escapeHatches = TidyRule(name: "no unchecked, forced or trapping escape") { file in
        guard file.mentions(["@unchecked", "nonisolated", "try!", "fatalError", "as!"]) else { return [] }
        guard file.isSwift, !file.isGenerated else { return [] }
        return matches(file) { line in
            line.contains(/@unchecked\s+Sendable/) || line.contains(/nonisolated\(unsafe\)/) || line.has(/\btry!/)
                || line.has(/\bfatalError\(/) || line.has(/\bas!\s/)
        }
    }

    /// Comments too: an open end belongs into the tracker.
    static let unfinished = TidyRule(name: "nothing is left open") { file in
        let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
        guard file.mentions(words) else { return [] }
        return file.lines.enumerated().filter { _, line in
            line.split { !$0.isLetter }.contains { words.contains(String($0)) }
        }.map { $0.offset + 1 }
    }

    static let unstructuredTask = TidyRule(name: "unstructured tasks only in wiring") { file in
        guard file.mentions(["Task"]) else { return [] }
        guard file.isSwift, !wiring.contains(file.module) else { return [] }
        return matches(file) { $0.has(/\bTask(\.detached)?(<[^>]*>)?\s*(\(|\{)/) }
    }

    static let unsafeKeyword = TidyRule(name: "unsafe code only in its modules and named hot paths") { file in
        guard file.mentions(["nsafe"]) else { return [] }
        guard file.isSwift, !unsafeModules.contains(file.module), !unsafeFiles.contains(file.path) else { return [] }
        return matches(file) {
            $0.has(/\bunsafe\b/) || $0.has(/@unsafe\b/) || $0.has(/\bUnsafe\w*Pointer\b/)
        }
    }

    static let fileSize = TidyRule(name: "a file has at most \(maxLines) lines") { file in
        !file.isGenerated && file.lines.count > maxLines + 1 ? [maxLines + 1] : []
    }

    static let lineLength = TidyRule(name: "a line has at most \(maxColumns) columns") { file in
        guard !file.isGenerated else { return [] }
        return file.lines.enumerated().filter { $0.element.utf8.count > maxColumns && $0.element.count > maxColumns }
            .map { $0.offset + 1 }
    }

    /// Top-level types; an error's cases and a verb's abstract already speak for themselves.
    static let documentedTypes = TidyRule(name: "a package type says what it is") { file in
        guard file.isSwift, !file.isGenerated else { return [] }
        let lines = file.lines
        return lines.indices.filter { index in
            guard lines[index].hasPrefix("package "),
                let match = lines[index].firstMatch(
                    of: /^package (?:(?:final|indirect) )*(?:struct|enum|class|protocol|actor) (\w+)/)
            else { return false }
            guard !match.1.hasSuffix("Error"), !match.1.hasSuffix("Verb") else { return false }
            var above = index - 1
            while above >= 0, lines[above].hasPrefix("@") { above -= 1 }
            return above < 0 || !lines[above].hasPrefix("///")
        }.map { $0 + 1 }
    }

    static let packageAccess = TidyRule(name: "access is package or less, and no test import") { file in
        guard file.mentions(["public", "open ", "@testable"]) else { return [] }
        guard file.isSwift, !file.isGenerated else { return [] }
        return matches(file) {
            $0.contains(
                /^\s*(public|open) (import|final|static|struct|class|enum|func|var|let|init|protocol|extension)\b/)
                || $0.contains(/@testable/)
        }
    }

    /// The compiler holds what the manifest says; this holds what a file says against the table itself.
    static let moduleDirections = TidyRule(name: "imports follow the manifest's table") { file in
        directionViolations(file, table: manifestTable)
    }

    private static let manifestTable = ModuleTable(manifest: Repository.manifest)

    static func directionViolations(_ file: SourceFile, table: ModuleTable) -> [Int] {
        guard file.isSwift, let allowed = table.dependencies[file.module] else { return [] }
        return file.imports.filter { name, _ in
            table.kinds[name] != nil && !allowed.contains(name)
        }.map(\.line)
    }

    private static func matches(_ file: SourceFile, _ isBroken: (String) -> Bool) -> [Int] {
        file.codeLines.enumerated().filter { isBroken($0.element) }.map { $0.offset + 1 }
    }
}

/// The rules for everything people write, tests and pages included.
enum TextRules {
    static let all = [homePaths, keyMaterial, trackerNumbers]

    static let homePaths = TidyRule(name: "no path of one machine") { file in
        guard file.mentions(["/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/", "/wo" + "rk"]) else { return [] }
        return file.lines.enumerated().filter { _, line in
            line.contains(/\/(home|Users)\/[a-z]/) || line.contains(/(^|["' =(:`])\/(root|work|workspace|workspaces)\//)
        }.map { $0.offset + 1 }
    }

    static let keyMaterial = TidyRule(name: "no key material") { file in
        guard file.mentions(["PRIVATE " + "KEY"]) else { return [] }
        let lines = file.lines
        return lines.indices.filter { index in
            guard lines[index].contains(/-----BEGIN [A-Z ]*PRIVATE KEY-----/) else { return false }
            let next = lines.index(after: index) < lines.count ? lines[index + 1] : ""
            return next.contains(/[A-Za-z0-9+\/=]{32}/) || lines[index].contains(/KEY-----\\n[A-Za-z0-9+\/=]{32}/)
        }.map { $0 + 1 }
    }

    static let trackerNumbers = TidyRule(name: "no number of a tracker's entry") { file in
        guard file.mentions(["ssue "]) else { return [] }
        return file.lines.enumerated().filter { $0.element.contains(/(?i)\bissue #?[0-9]+\b/) }.map { $0.offset + 1 }
    }
}

extension StringProtocol where SubSequence == Substring {
    /// `contains` with the plain meaning of `\b`: Unicode sees no boundary in `Task.yield`.
    fileprivate func has<Output>(_ pattern: Regex<Output>) -> Bool { contains(pattern.wordBoundaryKind(.simple)) }
}
