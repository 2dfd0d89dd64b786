package import MusterModel
package import MusterStore
import MusterTransport
package import MusterWire

/// What is wrong with starting or joining, and the way out.
package struct AgentError: Error, Equatable, CustomStringConvertible {
    package var message: String
    package var hint: String

    package init(_ message: String, hint: String = "") {
        self.message = message
        self.hint = hint
    }

    package var description: String { hint.isEmpty ? message : "\(message)\nTry: \(hint)" }
}

/// The agent's state directory. One process owns it at a time.
///
///     identity/host.pem   the host's private key and certificate chain, replaced as one file
///     identity/ca.crt     the coordinator's authority
///     boot                boot id and sequence ceilings, two slots
///     logs.journal        cursors and blocks in flight
///     steps.journal       rollout steps
///     spool/              frames that cannot be made again
package final class AgentState: Sendable {
    let directory: String
    let io: SystemFileIO
    private let lock: DirectoryLock
    private let slots: TwoSlotState
    private let found: [UInt8]?

    /// Throws when another process owns the directory or it cannot be written.
    package init(directory: String) throws(StoreError) {
        self.directory = directory
        io = SystemFileIO()
        try io.makeDirectories(directory)
        lock = try DirectoryLock(directory: directory, io: io)
        let (slots, recovery) = try TwoSlotState.open(path: directory + "/boot", io: io)
        self.slots = slots
        found = recovery.value
    }

    /// The lineage and how far its sequences may have been used; a new one when there is none that can be read.
    package func boot(using generator: inout some RandomNumberGenerator) throws(StoreError) -> Boot {
        if let found, let known = Boot(found) { return known }
        let new = Boot(id: BootID(using: &generator))
        try persist(new)
        return new
    }

    /// Durable when it returns.
    package func persist(_ boot: Boot) throws(StoreError) { try slots.write(boot.bytes) }

    /// Boot id and, for each class, the ceiling of the sequences that may have been used.
    package struct Boot: Equatable, Sendable {
        package var id: BootID
        package var ceilings = PerClass<UInt64>(repeating: 0)

        package init(id: BootID) { self.id = id }

        package init?(_ bytes: [UInt8]) {
            guard bytes.count == 8 * 6 else { return nil }
            let words = stride(from: 0, to: bytes.count, by: 8).map { start in
                (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << (8 * $1) }
            }
            id = BootID(high: words[0], low: words[1])
            ceilings = PerClass(control: words[2], health: words[3], metrics: words[4], logs: words[5])
        }

        package var bytes: [UInt8] {
            ([id.high, id.low] + TrafficClass.allCases.map { ceilings[$0] }).flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
            }
        }
    }
}

/// Who this host is: key, certificate, authority.
struct HostIdentity: Sendable {
    let host: HostID
    let credentials: TLSCredentials
    let authority: [Certificate]

    var certificate: Certificate? { credentials.chain.first }

    static func load(_ directory: String, io: SystemFileIO) throws -> HostIdentity {
        let bundle: String
        let authority: String
        do throws(StoreError) {
            bundle = String(decoding: try WholeFile.read(directory + "/identity/host.pem", io: io), as: UTF8.self)
            authority = String(decoding: try WholeFile.read(directory + "/identity/ca.crt", io: io), as: UTF8.self)
        } catch {
            throw AgentError(
                "this host has no identity in \(directory)/identity: \(error)",
                hint: "muster token create --host NAME on the coordinator, then muster-agent enroll here")
        }
        let credentials = try TLSCredentials(chainPEM: bundle, privatePEM: bundle)
        guard let host = credentials.chain.first?.identity?.host else {
            throw AgentError(
                "the certificate in \(directory)/identity/host.pem names no host", hint: "enrol this host again")
        }
        return HostIdentity(host: host, credentials: credentials, authority: try Certificate.chain(pem: authority))
    }

    static func save(
        key: KeyPair, chain: String, authority: String?, in directory: String, io: SystemFileIO
    ) throws(StoreError) {
        try io.makeDirectories(directory + "/identity")
        if let authority { try WholeFile.write(authority, to: directory + "/identity/ca.crt", io: io) }
        try WholeFile.write(key.privatePEM + chain, to: directory + "/identity/host.pem", io: io)
    }

    func context() throws(TLSError) -> TLSContext {
        try TLSContext.client(credentials, trust: .certificates(authority), expecting: .coordinator)
    }
}
