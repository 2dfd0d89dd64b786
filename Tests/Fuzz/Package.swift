// swift-tools-version: 6.2
import PackageDescription

// Fuzz targets. A package of its own because everything in it, the cores too, is compiled with the sanitizers; the cores
// are links into the main package, so what is fuzzed is what ships.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-sanitize=fuzzer,address", "-parse-as-library"]),
]

func core(_ name: String, _ more: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: more, path: "Sources/\(name)", swiftSettings: settings)
}

/// One libFuzzer executable, in a folder of its name.
func fuzzer(_ name: String) -> Target {
    .executableTarget(
        name: name, dependencies: ["CFuzzMain", "MusterModel", "MusterWire"], path: name, swiftSettings: settings,
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])])
}

let package = Package(
    name: "muster-fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0")],
    targets: [
        core("MusterModel", []),
        core(
            "MusterWire",
            [
                "MusterModel", .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ]),
        .target(name: "CFuzzMain", path: "CFuzzMain"),
        fuzzer("FrameFuzz"),
        fuzzer("SessionFuzz"),
    ]
)
