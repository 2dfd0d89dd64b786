import MusterModel
import MusterTransport
import Testing

@Suite struct CertificateTests {
    let fleet: TestFleet
    let authority: CertificateAuthority

    init() throws {
        fleet = try TestFleet()
        authority = fleet.authority
    }

    @Test func `an authority is read back from what was stored`() throws {
        let read = try CertificateAuthority(
            certificatePEM: try authority.certificate.pem, privatePEM: authority.privatePEM)
        #expect(read.certificate == authority.certificate)
        #expect(read.pin == authority.pin)
        #expect(authority.certificate.isAuthority)
        #expect(authority.certificate.identity == nil)
        #expect(authority.certificate.notAfter == Instant(seconds: (TestFleet.now + .hours(87_600)).seconds))
    }

    @Test func `an authority with another's key, or a host's certificate, is refused`() throws {
        let other = try CertificateAuthority.create(now: TestFleet.now)
        let host = try fleet.credentials(.agent, "web-1")
        #expect(throws: CertificateError.cannotIssue("the private key does not belong to the authority's certificate"))
        {
            try CertificateAuthority(certificatePEM: try authority.certificate.pem, privatePEM: other.privatePEM)
        }
        #expect(throws: CertificateError.cannotIssue("the certificate is not an authority's")) {
            try CertificateAuthority(certificatePEM: try host.chain[0].pem, privatePEM: host.key.privatePEM)
        }
    }

    @Test func `a certificate says who, from when, until when`() throws {
        let key = try KeyPair.generate()
        let identity = try TestFleet.identity(.agent, "web-1")
        let certificate = try authority.issue(to: key.publicKey, identity: identity, now: TestFleet.now)
        #expect(certificate.identity == identity)
        #expect(certificate.notBefore == Instant(seconds: (TestFleet.now - .minutes(5)).seconds))
        #expect(certificate.notAfter == Instant(seconds: (TestFleet.now + .hours(24)).seconds))
        #expect(certificate.serial.count == 32)
        #expect(!certificate.isAuthority)
        #expect(try Certificate(pem: try certificate.pem) == certificate)
        #expect(try Certificate(der: certificate.der) == certificate)
        #expect(certificate.pin.hex == SHA256.hex(certificate.der))
    }

    @Test func `serial numbers are never the same`() throws {
        let key = try KeyPair.generate()
        let identity = try TestFleet.identity(.agent, "web-1")
        let serials = try (0..<20).map { _ in
            try authority.issue(to: key.publicKey, identity: identity, now: TestFleet.now).serial
        }
        #expect(Set(serials).count == 20)
    }

    @Test func `the longest host id fits into a certificate`() throws {
        let id = String(repeating: "a", count: Limits.nameBytes)
        #expect(try fleet.credentials(.agent, id).chain[0].identity?.id == id)
    }

    @Test func `a certificate never outlives its authority`() throws {
        let key = try KeyPair.generate()
        let identity = try TestFleet.identity(.coordinator, "main")
        let long = try authority.issue(
            to: key.publicKey, identity: identity, now: TestFleet.now, lifetime: .hours(24 * 10_000))
        #expect(long.notAfter == authority.certificate.notAfter)
        #expect(throws: CertificateError.self) {
            try authority.issue(to: key.publicKey, identity: identity, now: authority.certificate.notAfter)
        }
        #expect(throws: CertificateError.self) {
            try authority.issue(to: key.publicKey, identity: identity, now: TestFleet.now, lifetime: .zero)
        }
    }

    @Test func `only a coordinator gets DNS names and addresses`() throws {
        let server = try fleet.credentials(
            .coordinator, "main", dnsNames: ["muster.example"], addresses: ["127.0.0.1", "::1"])
        #expect(server.chain[0].identity == (try TestFleet.identity(.coordinator, "main")))
        #expect(throws: CertificateError.self) { try fleet.credentials(.agent, "web-1", dnsNames: ["muster.example"]) }
        #expect(throws: CertificateError.self) { try fleet.credentials(.operator, "ada", addresses: ["127.0.0.1"]) }
    }

    @Test(arguments: ["a,URI:muster://agent/x", "a b", "", "-a", ".a", "a\nb", "ä"])
    func `a name cannot add another one`(_ name: String) {
        #expect(throws: CertificateError.badName(name)) { try fleet.credentials(.coordinator, "c", dnsNames: [name]) }
        #expect(throws: CertificateError.badName(name)) { try fleet.credentials(.coordinator, "c", addresses: [name]) }
    }

    @Test func `a chain is read in order and within its limit`() throws {
        let host = try fleet.credentials(.agent, "web-1").chain[0]
        let text = try host.pem + authority.certificate.pem
        #expect(try Certificate.chain(pem: text) == [host, authority.certificate])
        let many = String(repeating: try host.pem, count: TransportLimits.pemCertificates + 1)
        #expect(throws: CertificateError.self) { try Certificate.chain(pem: many) }
    }

    @Test func `what is no certificate is a typed error`() throws {
        let pem = try authority.certificate.pem
        for text in ["", "hello", String(pem.dropLast(60)), pem.replacing("MII", with: "AII")] {
            #expect(throws: CertificateError.self) { try Certificate(pem: text) }
        }
        #expect(throws: CertificateError.tooLarge("the certificate", maxBytes: TransportLimits.pemBytes)) {
            try Certificate(pem: String(repeating: "x", count: TransportLimits.pemBytes + 1))
        }
        for count in [0, 1, 10, authority.certificate.der.count - 1] {
            #expect(throws: CertificateError.self) {
                try Certificate(der: Array(authority.certificate.der.prefix(count)))
            }
        }
    }

    @Test func `a certificate with any byte changed is read or refused, never a trap`() throws {
        let der = try fleet.credentials(.agent, "web-1").chain[0].der
        for index in der.indices {
            var changed = der
            changed[index] ^= 0x41
            _ = try? Certificate(der: changed)
        }
    }
}

@Suite struct KeyTests {
    @Test func `a key is read back and shows only its public half`() throws {
        let key = try KeyPair.generate()
        #expect(try KeyPair(privatePEM: key.privatePEM).publicKey == key.publicKey)
        #expect(try KeyPair.generate().publicKey != key.publicKey)
        #expect(!"\(key)".contains("PRIVATE"))
        var dumped = ""
        dump(key, to: &dumped)
        #expect(!dumped.contains("BEGIN"))
    }

    @Test func `other text is no key`() {
        #expect(throws: CertificateError.self) { try KeyPair(privatePEM: "hello") }
        #expect(throws: CertificateError.tooLarge("the private key", maxBytes: TransportLimits.pemBytes)) {
            try KeyPair(privatePEM: String(repeating: "x", count: TransportLimits.pemBytes + 1))
        }
    }

    @Test(
        .enabled(if: OpenSSLTool.isUsable, "the openssl program is not installed"),
        arguments: [["-algorithm", "ED25519"], ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]])
    func `another kind of key is refused by its name`(_ arguments: [String]) async throws {
        let pem = try await OpenSSLTool.run(["genpkey"] + arguments)
        let error = #expect(throws: CertificateError.self) { try KeyPair(privatePEM: pem) }
        #expect(error?.description.contains("P-256 only") == true)
    }

    @Test func `a request gives its public key and nothing else`() throws {
        let fleet = try TestFleet()
        let key = try KeyPair.generate()
        #expect(try SigningRequest.publicKey(pem: try SigningRequest.make(for: key)) == key.publicKey)
        let greedy = try SigningRequest.make(for: key, asking: "URI:muster://coordinator/main,DNS:bank.example")
        let publicKey = try SigningRequest.publicKey(pem: greedy)
        #expect(publicKey == key.publicKey)
        let certificate = try fleet.authority.issue(
            to: publicKey, identity: try TestFleet.identity(.agent, "web-1"), now: TestFleet.now)
        #expect(certificate.identity?.uri == "muster://agent/web-1")
        #expect(!String(decoding: certificate.der, as: UTF8.self).contains("bank.example"))
    }

    @Test func `a request that was changed is refused`() throws {
        let pem = try SigningRequest.make(for: try KeyPair.generate())
        let lines = pem.split(separator: "\n").map(String.init)
        let der = try #require(Base64Lines.decode(lines.dropFirst().dropLast().joined()))
        var refused = 0
        for index in der.indices {
            var changed = der
            changed[index] ^= 1
            let text = ([lines[0], Base64Lines.encode(changed), lines[lines.count - 1]]).joined(separator: "\n") + "\n"
            do { _ = try SigningRequest.publicKey(pem: text) } catch { refused += 1 }
        }
        #expect(refused == der.count)
        #expect(throws: CertificateError.self) { try SigningRequest.publicKey(pem: "") }
    }
}
