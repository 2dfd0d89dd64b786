import Testing

/// A rule, the path a sample pretends to have, lines that break it and lines that keep it.
struct Planted: Sendable, CustomTestStringConvertible {
    var rule: TidyRule
    var path: String
    var broken: [String]
    var kept: [String]

    var testDescription: String { rule.name }
}

private let core = "Sources/MusterWire/Sample.swift"
private let driver = "Sources/MusterHost/Sample.swift"
private let wiring = "Sources/MusterAgent/Sample.swift"

@Suite struct TidyRepository {
    @Test(arguments: CodeRules.all) func `code that ships keeps the rule`(rule: TidyRule) {
        let found = rule.report(Repository.sources)
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test(arguments: TextRules.all) func `everything keeps the rule`(rule: TidyRule) {
        let found = rule.report(Repository.everything)
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test func `the files are found`() {
        #expect(Repository.sources.count > 50)
        #expect(Repository.sources.contains { $0.path == "Sources/MusterModel/Labels.swift" })
        #expect(Repository.everything.contains { $0.path == "Tests/TidyTests/TidyTests.swift" })
    }

    @Test func `the manifest keeps the directions of the architecture`() {
        let table = ModuleTable(manifest: Repository.manifest)
        #expect(table.wrongDirections.isEmpty, "\(table.wrongDirections)")
        #expect(Set(table.kinds.filter { $0.value == .core }.keys) == CodeRules.cores)
        #expect(table.kinds["MusterHost"] == .driver && table.kinds["MusterAgent"] == .wiring)
        #expect(table.kinds["CMusterYAML"] == .system)
        #expect(table.dependencies["MusterYAML"] == ["MusterModel", "CMusterYAML"])
        #expect(
            table.dependencies["MusterSeries"] == ["MusterModel", "DequeModule", "HeapModule", "swift-collections"])
        #expect(table.dependencies["MusterTransport"]?.isSuperset(of: ["NIOCore", "Logging", "CMusterZlib"]) == true)
    }

    @Test func `every module opens with a page of words`() {
        for module in Set(Repository.sources.filter { $0.path.hasPrefix("Sources/Muster") }.map(\.module)).sorted() {
            let first = Repository.sources.first { $0.path == "Sources/\(module)/\(module).swift" }
            #expect(first?.text.hasPrefix("// \(module)") == true, "Sources/\(module)/\(module).swift")
        }
    }
}

@Suite struct TidyRulesThemselves {
    static let planted: [Planted] = [
        Planted(
            rule: CodeRules.coreImport, path: core,
            broken: [
                "import Foundation", "package import NIOCore", "import Glibc", "import Logging",
                "import Synchronization",
                "@preconcurrency import Dispatch", "import struct Foundation.Data", "import MusterHealth",
                "internal import FoundationEssentials",
            ],
            kept: [
                "import MusterModel", "package import DequeModule", "// import Foundation", "let text = \"import NIO\"",
            ]),
        Planted(
            rule: CodeRules.coreEffects, path: core,
            broken: [
                "let now = ContinuousClock.now", "Int.random(in: 0..<5)", "Bool.random()", "list.randomElement()",
                "list.shuffled()", "Task { }", "await Task.yield()", "print(1)", "SystemRandomNumberGenerator()",
                "let lock = Mutex(0)", "package actor Box {}", "let x = SuspendingClock()",
            ],
            kept: [
                "Int.random(in: 0..<5, using: &generator)", "list.shuffled(using: &g)", "// a Task here", "\"print(\"",
                "blueprint(1)", "let taskCount = 1",
            ]),
        Planted(
            rule: CodeRules.foundationInAgent, path: driver,
            broken: ["import Foundation", "package import Foundation", "import class Foundation.FileManager"],
            kept: ["import FoundationEssentials", "// import Foundation", "import Glibc"]),
        Planted(
            rule: CodeRules.escapeHatches, path: wiring,
            broken: [
                "final class A: @unchecked Sendable {}", "nonisolated(unsafe) var x = 1", "let x = try! f()",
                "fatalError(\"x\")", "let x = y as! Int",
            ], kept: ["try? f()", "// try! is banned", "let text = \"fatalError(\"", "let x = y as? Int"]),
        Planted(
            rule: CodeRules.unfinished, path: core,
            broken: ["// TO" + "DO: later", "let x = 1 // FIX" + "ME", "/* XX" + "X */"],
            kept: ["// done", "let toDoList = 1", "XX" + "XX"]),
        Planted(
            rule: CodeRules.unstructuredTask, path: driver,
            broken: [
                "Task { await run() }", "Task.detached { }", "Task(priority: .low) { }",
                "let t = Task<Void, Never> { }",
            ],
            kept: ["group.addTask { }", "Task.isCancelled", "try await Task.sleep(for: x)", "// Task { }"]),
        Planted(
            rule: CodeRules.unsafeKeyword, path: core,
            broken: [
                "let x = unsafe y", "@unsafe struct A {}", "var p: UnsafePointer<Int>",
                "UnsafeMutableRawBufferPointer(p)".replacing("Buffer", with: ""),
            ],
            kept: ["// unsafe in words", "let unsafely = 1", "\"unsafe\""]),
        Planted(
            rule: CodeRules.lineLength, path: core,
            broken: [String(repeating: "x", count: 121), "// " + String(repeating: "é", count: 118)],
            kept: [String(repeating: "x", count: 120), String(repeating: "é", count: 120)]),
        Planted(
            rule: CodeRules.documentedTypes, path: core,
            broken: [
                "package struct A {", "\npackage final class B {", "// words\npackage enum C {", "package protocol D {",
                "/// Doc.\n\npackage struct E {", "@safe\npackage struct F {",
            ],
            kept: [
                "/// Doc.\npackage struct A {", "/// Doc.\n@safe\npackage struct A {", "package enum AError: Error {",
                "struct A {",
                "package func f() {}", "package extension A {",
            ]),
        Planted(
            rule: CodeRules.packageAccess, path: wiring,
            broken: [
                "public struct A {}", "    public func f() {}", "public import Foo", "open class A {}",
                "@testable import A",
            ],
            kept: ["package struct A {}", "// public struct", "let publicKey = 1", "open(file)"]),
        Planted(
            rule: TextRules.homePaths, path: "docs/page.md",
            broken: ["/ho" + "me/someone/x", "/Us" + "ers/someone", "see /ro" + "ot/x", "\"/wo" + "rk/x\""],
            kept: ["/var/lib/muster", "https://example.com/ro" + "ot/x", "/home", "net/wo" + "rk/x"]),
        Planted(
            rule: TextRules.keyMaterial, path: "certs/a.pem",
            broken: ["-----BEGIN EC PRIVATE " + "KEY-----\n" + String(repeating: "A", count: 64)],
            kept: [
                "-----BEGIN PRIVATE " + "KEY-----", "-----BEGIN CERTIFICATE-----\n" + String(repeating: "A", count: 64),
            ]),
        Planted(
            rule: TextRules.trackerNumbers, path: "docs/page.md", broken: ["see iss" + "ue 7", "Iss" + "ue #12"],
            kept: ["the issue is known", "issues 1 and 2".replacing("issues", with: "points")]),
    ]

    @Test(arguments: planted) func `the rule finds what is planted and nothing else`(planted: Planted) {
        for text in planted.broken {
            #expect(!planted.rule.violations(SourceFile(path: planted.path, text: text)).isEmpty, "missed: \(text)")
        }
        for text in planted.kept {
            #expect(
                planted.rule.violations(SourceFile(path: planted.path, text: text)).isEmpty, "wrongly found: \(text)")
        }
    }

    @Test func `every rule is planted`() {
        let planted = Set(Self.planted.map(\.rule.name)).union([
            CodeRules.fileSize.name, CodeRules.moduleDirections.name,
        ])
        #expect(planted == Set((CodeRules.all + TextRules.all).map(\.name)))
    }

    @Test func `a violation is reported with its place`() {
        let file = SourceFile(path: core, text: "import MusterModel\n\nimport Foundation\n")
        #expect(CodeRules.coreImport.report([file]) == ["\(core):3: a core imports only MusterModel and collections"])
    }

    @Test func `rules hold where they should`() {
        func finds(_ rule: TidyRule, _ path: String, _ text: String) -> Bool {
            !rule.violations(SourceFile(path: path, text: text)).isEmpty
        }
        #expect(!finds(CodeRules.foundationInAgent, "Sources/MusterCLI/A.swift", "import Foundation"))
        #expect(finds(CodeRules.foundationInAgent, "agent/main.swift", "import Foundation"))
        #expect(finds(CodeRules.foundationInAgent, "Sources/MusterAgent/A.swift", "import Foundation"))
        #expect(!finds(CodeRules.unstructuredTask, wiring, "Task { }"))
        #expect(!finds(CodeRules.unsafeKeyword, driver, "unsafe x"))
        #expect(!finds(CodeRules.coreEffects, driver, "ContinuousClock.now"))
        #expect(finds(CodeRules.unsafeKeyword, "Sources/MusterLogs/LogSearches.swift", "unsafe x"))
        #expect(!finds(CodeRules.unsafeKeyword, "Sources/MusterLogs/LogSearch.swift", "unsafe x"))
    }

    @Test func `the size of a file is counted`() {
        let lines = { (count: Int) in String(repeating: "x\n", count: count) }
        let rule = CodeRules.fileSize
        #expect(rule.violations(SourceFile(path: core, text: lines(500))).isEmpty)
        #expect(rule.violations(SourceFile(path: core, text: lines(501))) == [501])
        #expect(rule.violations(SourceFile(path: "Sources/MusterProtocol/Generated/a.swift", text: lines(501))).isEmpty)
    }

    @Test func `a wrong direction is found in a file and in the manifest`() {
        let manifest = """
            let collections = [
                .product(name: "DequeModule"),
            ]
            let nio = [
                .product(name: "NIOCore"),
            ]
            targets: [
                core("MusterModel"), core("MusterWire", collections), core("MusterLogs", ["MusterWire"]),
                driver("MusterStore", nio + ["MusterWire"]), driver("MusterHost", ["MusterStore"]),
                wiring("MusterAgent", ["MusterStore"]), wiring("MusterCLI", ["MusterAgent"]),
            ]
            """
        let table = ModuleTable(manifest: manifest)
        #expect(
            table.wrongDirections == [
                "MusterCLI -> MusterAgent", "MusterHost -> MusterStore", "MusterLogs -> MusterWire",
            ])
        func violations(_ path: String, _ text: String) -> [Int] {
            CodeRules.directionViolations(SourceFile(path: path, text: text), table: table)
        }
        #expect(
            violations("Sources/MusterStore/A.swift", "import MusterModel\nimport MusterWire\nimport NIOCore") == [])
        #expect(violations("Sources/MusterStore/A.swift", "import MusterLogs") == [1])
        #expect(violations("Sources/MusterWire/A.swift", "import MusterStore\nimport DequeModule") == [1])
        #expect(violations("Sources/MusterModel/A.swift", "import MusterWire") == [1])
    }
}

@Suite struct CodeTexts {
    @Test(arguments: [
        ("a // b", "a "), ("a /* b\nc */ d", "a \n d"), ("x = \"// no\" + y", "x = \"\" + y"),
        (##"x = #"a\"# + y"##, "x = \"\" + y"),
        ("x = \"a\\\"b\" // c", "x = \"\" "), ("x = \"\"\"\n  a \"b\" // c\n  \"\"\" y", "x = \n\n\"\" y"),
        ("\"open", "\"\""),
    ])
    func `comments and literals are blanked and lines keep their numbers`(text: String, code: String) {
        #expect(CodeText.stripped(text) == code)
        #expect(CodeText.stripped(text).count { $0 == "\n" } == text.count { $0 == "\n" })
    }
}
