/// Every limit that more than one module has to know, with its unit in the name. A limit that only one module applies
/// stands in that module, under the same rule: it has a name, and a test reaches it.
package enum Limits {
    /// A host id, service name, file name from the network.
    package static let nameBytes = 128

    // The link.
    /// A frame on the wire, header included.
    package static let frameBytes = 1 << 20
    /// What one deflated payload may inflate to.
    package static let inflatedBytes = 8 << 20
    /// Inflated bytes for each deflated byte, once `inflateRatioFloorBytes` have come out.
    package static let inflateRatio = 100
    package static let inflateRatioFloorBytes = 1 << 20
    /// Frames of one class that may be unacknowledged.
    package static let windowFrames = 64
    /// Bytes of one class that may be unacknowledged.
    package static let windowBytes = 8 << 20
    /// A TLS handshake, from accept to finished.
    package static let handshakeDeadline = Duration.seconds(5)
    /// From the finished handshake to the welcome.
    package static let welcomeDeadline = Duration.seconds(5)
    /// Without one byte from the peer the connection counts as half open and is closed.
    package static let silenceDeadline = Duration.seconds(15)
    package static let heartbeatInterval = Duration.milliseconds(500)
    package static let reconnectFloor = Duration.milliseconds(500)
    package static let reconnectCeiling = Duration.seconds(30)
    /// Appended records wait at most this long for company before they are synced.
    package static let groupCommitDelay = Duration.milliseconds(20)

    // Telemetry.
    package static let labelNameBytes = 256
    package static let labelValueBytes = 4_096
    package static let labelsPerSet = 64
    package static let seriesPerHost = 50_000
    package static let logBlockBytes = 256 << 10
    package static let logLineBytes = 64 << 10

    // The catalogue.
    package static let containersPerHost = 2_000
    package static let instancesPerHost = 4_000
    package static let snapshotBytes = 4 << 20

    // Documents people write.
    package static let documentBytes = 1 << 20
    package static let documentDepth = 32
}
