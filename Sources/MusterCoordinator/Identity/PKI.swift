import Foundation
import Logging
import MusterControlStore
import MusterModel
import MusterStore
import MusterTransport

/// `muster pki init`: the authority, the first configuration, and the first operator's context.
package enum PKI {
    package struct Request: Sendable {
        package var dataDirectory: String
        package var link: String
        package var api: String

        package init(dataDirectory: String, link: String, api: String) {
            self.dataDirectory = dataDirectory
            self.link = link
            self.api = api
        }
    }

    package struct Made: Sendable {
        package var configPath: String
        package var contextPath: String
        package var pin: String
    }

    /// The control store beside the authority: its tokens and identities belong to that one.
    private static let storeName = "control.sqlite"

    /// Throws when there is an authority already, or part of one, or the store of one: making another would cut off
    /// every host, and a key that is replaced is lost for ever.
    package static func initialize(_ request: Request) async throws -> Made {
        let directory = absolute(request.dataDirectory)
        let pki = directory + "/pki"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let io = SystemFileIO()
        // Neither beside a coordinator nor beside another one of these.
        let lock = try DirectoryLock(directory: directory, io: io)
        defer { withExtendedLifetime(lock) {} }
        try requireNoAuthority(directory, pki)
        try FileManager.default.createDirectory(
            atPath: pki, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let clock = MachineClock()
        let authority = try CertificateAuthority.create(now: clock.now)
        try WholeFile.write(authority.privatePEM, to: pki + "/ca.key", io: io)
        let store = try await SQLiteControlStore(path: "\(directory)/\(storeName)")
        let token = try await TokenBook.open(store).create(
            name: "pki-init", role: .admin, lifetime: TokenBook.lifetimeMax, now: clock.now)
        try store.close()
        let contextPath = directory + "/context.json"
        try WholeFile.write(
            try context(address: dialable(request.api), authority: try authority.certificate.pem, token: token.token),
            to: contextPath, io: io)
        let configPath = directory + "/muster.yaml"
        if !FileManager.default.fileExists(atPath: configPath) {
            try WholeFile.write(configuration(request, directory), to: configPath, io: io)
        }
        // Last, because its presence says that everything before it is there.
        try WholeFile.write(try authority.certificate.pem, to: pki + "/ca.crt", io: io)
        return Made(configPath: configPath, contextPath: contextPath, pin: authority.pin.hex)
    }

    static func loadAuthority(_ dataDirectory: String) throws -> CertificateAuthority {
        let pki = dataDirectory + "/pki"
        let there = try present(["ca.crt", "ca.key"], in: pki)
        guard !there.isEmpty else {
            guard try present([storeName], in: dataDirectory).isEmpty else {
                throw CoordinatorError(
                    "\(pki) is gone, but \(dataDirectory)/\(storeName) is there",
                    hint: "put \(pki) back from a backup; for a new fleet move \(storeName) away and run: "
                        + "muster pki init --data \(dataDirectory)")
            }
            throw CoordinatorError(
                "there is no certificate authority in \(pki)", hint: "muster pki init --data \(dataDirectory)")
        }
        for name in ["ca.crt", "ca.key"] where !there.contains(name) {
            throw CoordinatorError("\(pki)/\(name) is missing", hint: "put it back from a backup of \(pki)")
        }
        guard let certificate = FileManager.default.contents(atPath: pki + "/ca.crt"),
            let key = FileManager.default.contents(atPath: pki + "/ca.key")
        else {
            throw CoordinatorError(
                "\(pki)/ca.crt and \(pki)/ca.key are there and cannot both be read",
                hint: "they have to belong to the user this runs as: ls -l \(pki)")
        }
        let mode = (try FileManager.default.attributesOfItem(atPath: pki + "/ca.key")[.posixPermissions] as? Int) ?? 0
        guard mode & 0o077 == 0 else {
            throw CoordinatorError("others may read \(pki)/ca.key", hint: "chmod 600 \(pki)/ca.key")
        }
        return try CertificateAuthority(
            certificatePEM: String(decoding: certificate, as: UTF8.self),
            privatePEM: String(decoding: key, as: UTF8.self))
    }

    private static func requireNoAuthority(_ directory: String, _ pki: String) throws(CoordinatorError) {
        let there = try present(["ca.crt", "ca.key"], in: pki)
        if there.count == 2 {
            throw CoordinatorError(
                "\(pki) holds an authority already",
                hint: "keep it, or move \(pki) and \(directory)/\(storeName) away: hosts of the old authority must "
                    + "then be enrolled again")
        }
        if let name = there.first {
            throw CoordinatorError(
                "\(pki) holds \(name) and not the other half of an authority; it is not touched",
                hint: "put the other file back from a backup; if an init stopped half way and no host was enrolled, "
                    + "move \(pki) and \(directory)/\(storeName) away and run it again")
        }
        guard try present([storeName], in: directory).isEmpty else {
            throw CoordinatorError(
                "\(directory)/\(storeName) belongs to an authority that is not in \(pki)",
                hint: "put \(pki) back from a backup, or move \(storeName) away: hosts must then be enrolled again")
        }
    }

    /// Which of these are there. Throws when that cannot be told: what cannot be seen is not missing.
    private static func present(_ names: [String], in directory: String) throws(CoordinatorError) -> [String] {
        do throws(StoreError) {
            let all = try SystemFileIO().list(directory)
            return names.filter { all.contains($0) }
        } catch {
            if error.cause == .notFound { return [] }
            throw CoordinatorError("cannot see what is in \(directory): \(error.detail)", hint: error.wayOut)
        }
    }

    private static func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }

    /// An address that listens everywhere is dialled on this machine.
    private static func dialable(_ address: String) -> String {
        for anywhere in ["0.0.0.0:", "[::]:"] where address.hasPrefix(anywhere) {
            return "127.0.0.1:" + address.dropFirst(anywhere.count)
        }
        return address
    }

    private static func context(address: String, authority: String, token: String) throws -> String {
        struct Context: Encodable {
            var address: String
            var authority: String
            var token: String
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let context = Context(address: address, authority: authority, token: token)
        return String(decoding: try encoder.encode(context), as: UTF8.self) + "\n"
    }

    private static func configuration(_ request: Request, _ directory: String) -> String {
        """
        # The coordinator. docs/reference/configuration.md lists every key.
        listen:
          link: "\(request.link)"
          api: "\(request.api)"
        dataDirectory: "\(directory)"
        rules: ["\(directory)/rules/*.yaml"]

        """
    }
}

/// The coordinator's own certificate: made at start, never on disk, renewed at half its life for new connections.
final class CoordinatorIdentity: Sendable {
    private static let retryAfter = Duration.minutes(1)

    /// For agents: a client certificate is required.
    let link: LiveTLSContext
    /// For operators: bearer tokens instead of certificates.
    let api: LiveTLSContext
    private let authority: HostAuthority
    private let clock: MachineClock

    init(_ authority: HostAuthority, clock: MachineClock) throws {
        self.authority = authority
        self.clock = clock
        let (link, api) = try Self.contexts(authority, clock)
        self.link = LiveTLSContext(link)
        self.api = LiveTLSContext(api)
    }

    private static func contexts(
        _ authority: HostAuthority, _ clock: MachineClock
    ) throws -> (link: TLSContext, api: TLSContext) {
        let name = HostID(ProcessInfo.processInfo.hostName)?.text ?? "coordinator"
        guard let identity = PeerIdentity(role: .coordinator, id: name) else {
            throw CoordinatorError("\"\(name)\" cannot name a coordinator")
        }
        let key = try KeyPair.generate()
        let certificate = try authority.authority.issue(
            to: key.publicKey, identity: identity, dnsNames: ["localhost"], addresses: ["127.0.0.1", "::1"],
            now: clock.now)
        // The authority travels along, so that a host that joins can check its pin.
        let credentials = TLSCredentials(chain: [certificate, authority.authority.certificate], key: key)
        let agents = PeerExpectation.identity(roles: [.agent]) { certificate in
            guard let host = certificate.identity?.host, authority.isRevoked(host) else { return nil }
            return "host \(host) is revoked"
        }
        return (
            try TLSContext.server(
                credentials, clients: .required(.certificates([authority.authority.certificate]), agents)),
            try TLSContext.server(credentials, clients: .none, protocols: ["http/1.1"])
        )
    }

    /// Renews until the task is cancelled.
    func renewing(_ logger: Logger) async {
        var generator = SecureRandom()
        var issuedAt = clock.now
        while !Task.isCancelled {
            let due = Renewal.dueAt(
                notBefore: issuedAt, notAfter: issuedAt + CertificateAuthority.certificateLifetime, using: &generator)
            while clock.now < due, !Task.isCancelled { try? await Task.sleep(for: .seconds(5)) }
            guard !Task.isCancelled else { return }
            do {
                let (link, api) = try Self.contexts(authority, clock)
                self.link.replace(with: link)
                self.api.replace(with: api)
                issuedAt = clock.now
                logger.info("coordinator certificate renewed")
            } catch {
                logger.error("coordinator certificate not renewed", metadata: ["reason": "\(error)"])
                try? await Task.sleep(for: Self.retryAfter)
            }
        }
    }
}
