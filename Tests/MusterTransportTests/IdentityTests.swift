import MusterModel
import MusterTransport
import Testing

@Suite struct IdentityTests {
    @Test(arguments: [
        ("muster://agent/web-1", PeerRole.agent, "web-1"), ("muster://coordinator/main", .coordinator, "main"),
        ("muster://operator/ada", .operator, "ada"),
    ]) func `an identity reads what it writes`(_ uri: String, _ role: PeerRole, _ id: String) throws {
        let identity = try #require(PeerIdentity(uri: uri))
        #expect(identity.role == role)
        #expect(identity.id == id)
        #expect(identity.uri == uri)
    }

    @Test(arguments: [
        "", "muster://", "muster://agent", "muster://agent/", "muster://agent/a/b", "muster://root/web-1",
        "https://agent/web-1", "muster://agent/..", "muster://agent/a b", "muster://agent/a\0b", "MUSTER://agent/a",
        "muster://agent/" + String(repeating: "a", count: 129),
    ]) func `anything else is no identity`(_ uri: String) {
        #expect(PeerIdentity(uri: uri) == nil)
    }

    @Test func `only an agent is a host`() throws {
        let host = try #require(HostID("web-1"))
        #expect(PeerIdentity(agent: host).host == host)
        #expect(try TestFleet.identity(.operator, "web-1").host == nil)
    }

    @Test func `digests are those of the standards`() {
        #expect(SHA256.hex(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(SHA256.hex([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        // RFC 4231, test case 2.
        let code = HMACSHA256.authenticate(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
        #expect(Hex.encode(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }

    @Test func `equal means equal in constant time too`() {
        #expect(ConstantTime.isEqual([1, 2], [1, 2]))
        #expect(!ConstantTime.isEqual([1, 2], [1, 3]))
        #expect(!ConstantTime.isEqual([1, 2], [1]))
        #expect(ConstantTime.isEqual([], []))
    }

    @Test func `hexadecimal goes both ways and refuses the rest`() {
        #expect(Hex.encode([0, 0x0f, 0xff]) == "000fff")
        #expect(Hex.decode("000FfF") == [0, 0x0f, 0xff])
        #expect(Hex.decode("0") == nil)
        #expect(Hex.decode("0g") == nil)
    }

    @Test func `base64 for URLs goes both ways for every length`() {
        #expect(Base64URL.encode(Array("foobar".utf8)) == "Zm9vYmFy")
        #expect(Base64URL.encode([0xfb, 0xff]) == "-_8")
        for count in 0..<70 {
            let bytes = SecureRandom.bytes(count)
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
        }
    }

    @Test(arguments: ["A", "AB=", "A+", "A/", "AB", "AAB", "Zg==", "Z g"])
    func `base64 with another spelling is refused`(_ text: String) {
        #expect(Base64URL.decode(text) == nil)
    }

    @Test func `random bytes differ`() {
        var random = SecureRandom()
        #expect(SecureRandom.bytes(16) != SecureRandom.bytes(16))
        #expect(random.next() != random.next())
        #expect(SecureRandom.bytes(0).isEmpty)
    }

    @Test func `the library is new enough and says its name`() throws {
        try OpenSSLLibrary.requireSupported()
        #expect(OpenSSLLibrary.version.hasPrefix("OpenSSL 3"))
        #expect(OpenSSLLibrary.isSupported(versionNumber: 0x3000_0000))
        #expect(!OpenSSLLibrary.isSupported(versionNumber: 0x1010_117f))
    }
}

@Suite struct JoinTokenTests {
    let pin = CertificatePin(der: [1, 2, 3])

    @Test func `a token reads what it writes`() throws {
        let token = JoinToken(pin: pin)
        #expect(token.secret.count == 32)
        #expect(try JoinToken(text: token.text) == token)
        #expect(token.secretHash == SHA256.hex(token.secret))
        #expect(JoinToken(pin: pin) != token)
    }

    @Test func `a token's description keeps the secret`() {
        let token = JoinToken(pin: pin)
        #expect(!"\(token)".contains(Base64URL.encode(token.secret)))
        #expect("\(token)".contains(pin.hex))
    }

    @Test func `what is wrong with a token is told without repeating it`() {
        let secret = Base64URL.encode(SecureRandom.bytes(32))
        let wrong: [(String, String)] = [
            ("", "form"), ("muster2.\(secret).\(pin)", "form"), ("muster1.\(secret)", "form"),
            ("muster1.\(secret).\(pin).x", "form"), ("muster1.AAAA.\(pin)", "second part"),
            ("muster1.\(Base64URL.encode(SecureRandom.bytes(65))).\(pin)", "second part"),
            ("muster1.***.\(pin)", "second part"), ("muster1.\(secret).abc", "third part"),
            ("muster1.\(secret).\(String(repeating: "z", count: 64))", "third part"),
            ("muster1.\(secret).\(pin)" + String(repeating: " ", count: 300), "form"),
        ]
        for (text, part) in wrong {
            let error = #expect(throws: CertificateError.self) { try JoinToken(text: text) }
            #expect(error?.description.contains(part) == true, "\(text)")
            #expect(error?.description.contains(secret) == false)
        }
    }
}

@Suite struct RenewalTests {
    @Test func `renewal is due between two and three fifths of the life, spread out`() {
        let start = Instant(seconds: 1_000_000)
        let end = start + .hours(24)
        var random = SystemRandomNumberGenerator()
        var dues: Set<Instant> = []
        for _ in 0..<200 {
            let due = Renewal.dueAt(notBefore: start, notAfter: end, using: &random)
            #expect(due >= start + .minutes(24 * 24) && due <= start + .minutes(24 * 36))
            dues.insert(due)
        }
        #expect(dues.count > 150)
    }

    @Test func `a life that is empty is due at its end`() {
        var random = SystemRandomNumberGenerator()
        let end = Instant(seconds: 5)
        #expect(Renewal.dueAt(notBefore: end, notAfter: end, using: &random) == end)
        #expect(Renewal.dueAt(notBefore: end + .seconds(9), notAfter: end, using: &random) == end)
    }
}
