// swift-tools-version: 6.2
import PackageDescription

// The manifest reads as docs/architecture.md: cores are pure, drivers touch the world, wiring joins them,
// executables parse arguments. A target may import only what it declares here
// (`swift build --explicit-target-dependency-import-check error`).

let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let settings: [SwiftSetting] =
    common + [
        .strictMemorySafety(),
        // A section for each function, so that the linker can follow agent/Generated/functions.order.
        .unsafeFlags(["-Xfrontend", "-function-sections"], .when(configuration: .release)),
    ]

/// The code an agent needs once it runs lies together, so that few of its pages are resident (decision 0016).
let inFunctionOrder = [
    "-use-ld=lld", "-Xlinker", "--no-warn-symbol-ordering",
    "-Xlinker", "--symbol-ordering-file=\(Context.packageDirectory)/agent/Generated/functions.order",
]

/// Tests may reach into C without saying `unsafe` at every step.
let testSettings = common

let collections: [Target.Dependency] = [
    .product(name: "DequeModule", package: "swift-collections"),
    .product(name: "HeapModule", package: "swift-collections"),
]
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")

/// A pure module: values and functions, no I/O, no clock, no chance.
func core(_ name: String, _ more: [Target.Dependency] = []) -> Target {
    let model: [Target.Dependency] = name == "MusterModel" ? [] : ["MusterModel"]
    return .target(name: name, dependencies: model + more, path: "Sources/\(name)", swiftSettings: settings)
}

/// A module that touches the world. Drivers never import each other.
func driver(_ name: String, _ more: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(
        name: name, dependencies: ["MusterModel"] + more, path: "Sources/\(name)", exclude: exclude,
        swiftSettings: settings)
}

/// A module that joins cores and drivers; only executables and tests import it.
func wiring(_ name: String, _ more: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: ["MusterModel"] + more, path: "Sources/\(name)", swiftSettings: settings)
}

/// A system library, found by pkg-config and named by its Debian package.
func system(_ name: String, pkgConfig: String, debian: String) -> Target {
    .systemLibrary(name: name, path: "Sources/\(name)", pkgConfig: pkgConfig, providers: [.apt([debian])])
}

func tests(_ name: String, _ more: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: ["MusterModel"] + more, path: "Tests/\(name)", swiftSettings: testSettings)
}

let package = Package(
    name: "muster",
    products: [
        .executable(name: "muster", targets: ["muster"]),
        .executable(name: "muster-agent", targets: ["muster-agent"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        // Elementary functions for a core that may not import the C library.
        .package(url: "https://github.com/apple/swift-numerics.git", from: "1.1.1"),
        // Without its default traits: stream support is what would make the agent link full Foundation.
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        core("MusterModel"),
        core("MusterWire", collections),
        core("MusterSeries", collections),
        core("MusterLogs", collections),
        core("MusterLogQL", ["MusterLogs"]),
        core("MusterQuery", [.product(name: "RealModule", package: "swift-numerics")]),
        core("MusterHealth", collections),
        core("MusterCatalog", collections),
        core("MusterRouting"),
        core("MusterAlerts", collections),
        core("MusterRollouts", collections),
        core("MusterConfig"),
        core("MusterInterchange"),

        system("CMusterOpenSSL", pkgConfig: "openssl", debian: "libssl-dev"),
        system("CMusterZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),
        system("CMusterYAML", pkgConfig: "yaml-0.1", debian: "libyaml-dev"),
        .target(
            name: "CMusterRE2", path: "Sources/CMusterRE2", linkerSettings: [.linkedLibrary("re2")]),

        driver("MusterTransport", nio + [log, "CMusterOpenSSL", "CMusterZlib"]),
        driver("MusterStore", ["MusterSeries"]),
        driver("MusterControlStore", [.product(name: "GRDB", package: "GRDB.swift")]),
        driver("MusterHost", nio + [log, "MusterLogs", "MusterHealth", "MusterInterchange", "MusterRollouts"]),
        system("CMusterSnappy", pkgConfig: "snappy", debian: "libsnappy-dev"),
        driver("MusterSnappy", ["CMusterSnappy"]),
        driver("MusterYAML", ["CMusterYAML"]),
        driver("MusterPattern", ["CMusterRE2"]),
        driver(
            "MusterProtocol", ["MusterRollouts", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["muster.proto", "Generated/README.md"]),

        wiring(
            "MusterAgent",
            nio + [
                log, "MusterWire", "MusterSeries", "MusterLogs", "MusterHealth", "MusterRollouts", "MusterConfig",
                "MusterInterchange", "MusterTransport", "MusterStore", "MusterHost", "MusterYAML", "MusterProtocol",
                "MusterPattern",
            ]),
        wiring(
            "MusterCoordinator",
            nio + [
                log, "MusterWire", "MusterSeries", "MusterLogs", "MusterLogQL", "MusterQuery", "MusterHealth",
                "MusterCatalog",
                "MusterRouting", "MusterAlerts", "MusterRollouts", "MusterConfig", "MusterTransport", "MusterStore",
                "MusterControlStore", "MusterYAML", "MusterPattern", "MusterProtocol", "MusterInterchange",
                "MusterSnappy",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
            ]),
        wiring(
            "MusterCLI",
            nio + ["MusterTransport", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

        .executableTarget(
            name: "muster-agent",
            dependencies: [
                "MusterAgent", "MusterModel", log, .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "agent", exclude: ["Generated/functions.order"], swiftSettings: settings,
            linkerSettings: [.unsafeFlags(inFunctionOrder, .when(configuration: .release))]),
        .executableTarget(
            name: "muster",
            dependencies: [
                "MusterCoordinator", "MusterCLI", "MusterModel", log,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "coordinator", swiftSettings: settings),

        tests("MusterModelTests", []),
        tests("MusterWireTests", ["MusterWire"]),
        tests("MusterSeriesTests", ["MusterSeries", "MusterTransport"]),
        tests("MusterLogsTests", ["MusterLogs"]),
        tests("MusterLogQLTests", ["MusterLogQL", "MusterLogs"]),
        tests("MusterQueryTests", ["MusterQuery", "MusterPattern"]),
        tests("MusterInterchangeTests", ["MusterInterchange", "MusterSnappy"]),
        tests("ConformanceTests", ["MusterQuery", "MusterPattern", "MusterYAML"]),
        tests("MusterHealthTests", ["MusterHealth"]),
        tests("MusterCatalogTests", ["MusterCatalog"]),
        tests("MusterRoutingTests", ["MusterRouting"]),
        tests("MusterAlertsTests", ["MusterAlerts"]),
        tests("MusterRolloutsTests", ["MusterRollouts"]),
        tests("MusterConfigTests", ["MusterAlerts", "MusterConfig", "MusterPattern", "MusterRollouts", "MusterYAML"]),
        tests("MusterTransportTests", nio + ["MusterTransport", "MusterTestKit"]),
        tests("MusterStoreTests", ["MusterStore", "MusterSeries", "MusterTransport", "MusterTestKit"]),
        tests("MusterControlStoreTests", ["MusterControlStore", "MusterTestKit"]),
        tests(
            "MusterHostTests",
            nio + [
                "MusterHost", "MusterInterchange", "MusterLogs", "MusterRollouts", "MusterTransport", "MusterTestKit",
            ]),
        tests("MusterYAMLTests", ["MusterYAML"]),
        tests("MusterPatternTests", ["MusterPattern"]),
        tests("MusterProtocolTests", ["MusterProtocol", "MusterRollouts"]),
        tests("TidyTests", []),
        .target(
            name: "MusterTestKit", dependencies: ["MusterModel", "MusterTransport"], path: "Tests/MusterTestKit",
            swiftSettings: testSettings),
        tests("AcceptanceTests", nio + ["MusterTestKit", "MusterTransport"]),
        tests("MusterCLITests", ["MusterCLI", "MusterTestKit"]),
        tests(
            "MusterCoordinatorTests",
            nio + [
                log, "MusterCoordinator", "MusterWire", "MusterSeries", "MusterLogs", "MusterQuery", "MusterHealth",
                "MusterRouting", "MusterAlerts", "MusterRollouts", "MusterStore", "MusterControlStore",
                "MusterProtocol", "MusterInterchange", "MusterSnappy", "MusterPattern",
                "MusterTransport", "MusterTestKit",
            ]),
        tests(
            "MusterAgentTests",
            nio + [
                log, "MusterAgent", "MusterCoordinator", "MusterWire", "MusterConfig", "MusterSeries", "MusterStore",
                "MusterProtocol", "MusterTransport", "MusterTestKit",
            ]),
        tests("MusterSimulation", ["MusterWire", "MusterStore", "MusterRollouts", "MusterLogs"]),
    ]
)
