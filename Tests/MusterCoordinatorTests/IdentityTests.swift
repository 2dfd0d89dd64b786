import Foundation
import MusterControlStore
import MusterCoordinator
import MusterModel
import MusterTestKit
import MusterTransport
import Testing

/// Who may be an agent.
struct HostAuthorityTests {
    private let scratch: Scratch
    private let authority: CertificateAuthority
    private let now = MachineClock.wall

    init() throws {
        scratch = try Scratch("authority")
        authority = try CertificateAuthority.create(now: MachineClock.wall)
    }

    private func store() async throws -> SQLiteControlStore { try await SQLiteControlStore(path: scratch("db")) }

    private func request() throws -> String { try SigningRequest.make(for: try KeyPair.generate()) }

    @Test
    func aTokenWorksOnceForItsHost() async throws {
        let hosts = try await HostAuthority.open(authority, store: try await store())
        let token = try await hosts.createToken(hostName: "web-1", lifetime: .minutes(10), now: now).token
        let request = try request()
        await #expect(throws: JoinError.otherHost(expected: "web-1", actual: "web-2")) {
            try await hosts.enroll(token: token.text, hostName: "web-2", signingRequest: request, now: now)
        }
        let (host, certificate) = try await hosts.enroll(
            token: token.text, hostName: "web-1", signingRequest: request, now: now)
        #expect(host == Thing.host("web-1"))
        #expect(certificate.identity == PeerIdentity(agent: host))
        #expect(certificate.notAfter.milliseconds <= (now + .hours(24)).milliseconds)
        await #expect(throws: JoinError.unknownToken) {
            try await hosts.enroll(token: token.text, hostName: "web-1", signingRequest: request, now: now)
        }
    }

    @Test
    func ofTwoThatUseATokenAtOnceOneWins() async throws {
        let hosts = try await HostAuthority.open(authority, store: try await store())
        let token = try await hosts.createToken(hostName: "a", lifetime: .minutes(10), now: now).token.text
        let requests = try (0..<8).map { _ in try request() }
        let outcomes = await withTaskGroup(of: Result<HostID, JoinError>.self) { group in
            for request in requests {
                group.addTask {
                    do throws(JoinError) {
                        return .success(
                            try await hosts.enroll(token: token, hostName: "a", signingRequest: request, now: now).host)
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { (try? $0.get()) != nil }.count == 1)
        #expect(outcomes.filter { $0 == .failure(.unknownToken) }.count == 7)
    }

    @Test
    func aTokenEndsWithItsTimeAndIsNeverLongerThanADay() async throws {
        let hosts = try await HostAuthority.open(authority, store: try await store())
        let request = try request()
        let short = try await hosts.createToken(hostName: "a", lifetime: .seconds(10), now: now)
        #expect(short.expires == now + .seconds(10))
        await #expect(throws: JoinError.unknownToken) {
            try await hosts.enroll(
                token: short.token.text, hostName: "a", signingRequest: request, now: now + .seconds(10))
        }
        _ = try await hosts.enroll(
            token: short.token.text, hostName: "a", signingRequest: request, now: now + .milliseconds(9_900))
        let long = try await hosts.createToken(hostName: "a", lifetime: .hours(1_000), now: now)
        #expect(long.expires == now + HostAuthority.tokenLifetimeMax)
    }

    @Test
    func whatIsNoTokenAndWhatIsNoRequestIsSaid() async throws {
        let hosts = try await HostAuthority.open(authority, store: try await store())
        let request = try request()
        await #expect {
            try await hosts.enroll(token: "hunter2", hostName: "a", signingRequest: request, now: now)
        } throws: { "\($0)".contains("not one of muster's") }
        let token = try await hosts.createToken(hostName: "a", lifetime: .minutes(1), now: now).token.text
        await #expect {
            try await hosts.enroll(token: token, hostName: "a", signingRequest: "mine", now: now)
        } throws: { "\($0)".contains("signing request cannot be used") }
        // What was wrong with the request has not used the token up.
        _ = try await hosts.enroll(token: token, hostName: "a", signingRequest: request, now: now)
        let stranger = JoinToken(pin: authority.pin).text
        await #expect(throws: JoinError.unknownToken) {
            try await hosts.enroll(token: stranger, hostName: "a", signingRequest: request, now: now)
        }
    }

    @Test
    func aHostIDIsNeverGivenOutAgain() async throws {
        let store = try await store()
        let hosts = try await HostAuthority.open(authority, store: store)
        var ids: [String] = []
        for _ in 0..<3 {
            let token = try await hosts.createToken(hostName: "db", lifetime: .minutes(1), now: now).token.text
            let host = try await hosts.enroll(
                token: token, hostName: "db", signingRequest: try request(), now: now
            ).host
            try await hosts.revoke(host, now: now)
            ids.append(host.text)
        }
        #expect(ids == ["db", "db-2", "db-3"])
    }

    @Test
    func aRevokedHostStaysRevokedWhenTheStoreIsOpenedAgain() async throws {
        let request = try request()
        let host = Thing.host("a")
        do {
            let store = try await store()
            let hosts = try await HostAuthority.open(authority, store: store)
            let token = try await hosts.createToken(hostName: "a", lifetime: .minutes(1), now: now).token.text
            _ = try await hosts.enroll(token: token, hostName: "a", signingRequest: request, now: now)
            #expect(try Certificate(pem: hosts.renew(host, signingRequest: request, now: now)).identity?.host == host)
            #expect(!hosts.isRevoked(host))
            try await hosts.revoke(host, now: now)
            try await hosts.revoke(host, now: now)
            await #expect(throws: JoinError.unknownHost(Thing.host("b"))) {
                try await hosts.revoke(Thing.host("b"), now: now)
            }
            try store.close()
        }
        let store = try await store()
        let hosts = try await HostAuthority.open(authority, store: store)
        #expect(hosts.isRevoked(host))
        #expect(throws: JoinError.revoked(host)) {
            try hosts.renew(host, signingRequest: request, now: now)
        }
        // The token and the secret behind it are not in the store.
        #expect(try await store.list(prefix: "join/").entries.isEmpty)
    }
}

struct JoinGateTests {
    private let now = Instant(seconds: 1_000)

    @Test
    func oneAttemptASecondFromOneAddress() {
        let gate = JoinGate()
        #expect(gate.admits("10.0.0.1", now: now))
        #expect(!gate.admits("10.0.0.1", now: now + .milliseconds(999)))
        #expect(gate.admits("10.0.0.2", now: now + .milliseconds(999)))
        #expect(gate.admits("10.0.0.1", now: now + .seconds(1)))
    }

    @Test
    func moreAddressesThanTheLimitWaitForRoom() {
        let gate = JoinGate()
        for number in 0..<JoinGate.addressesMax { #expect(gate.admits("a\(number)", now: now)) }
        #expect(!gate.admits("late", now: now))
        #expect(gate.admits("late", now: now + .seconds(1)))
    }
}

/// Tokens for the API.
struct TokenBookTests {
    private let scratch: Scratch
    private let now = Instant(seconds: 1_800_000_000)

    init() throws { scratch = try Scratch("tokens") }

    private func store() async throws -> SQLiteControlStore { try await SQLiteControlStore(path: scratch("db")) }

    @Test
    func onlyTheHashIsStored() async throws {
        let store = try await store()
        let book = try await TokenBook.open(store)
        let made = try await book.create(name: "wall", role: .viewer, lifetime: .hours(1), now: now)
        #expect(book.role(of: made.token, now: now) == .viewer)
        // The secret's own text may hold the character that parts it from what surrounds it.
        let body = made.token.dropFirst("muster_".count).dropLast(7)
        let secret = try #require(Base64URL.decode(body))
        #expect(secret.count == 32)
        try store.close()
        for name in ["db", "db-wal"] {
            let bytes = FileManager.default.contents(atPath: scratch(name)) ?? Data()
            #expect(bytes.range(of: Data(secret)) == nil)
            #expect(bytes.range(of: Data(body.utf8)) == nil)
            #expect(bytes.range(of: Data(Hex.encode(secret).utf8)) == nil)
        }
        let whole = ["db", "db-wal"].reduce(into: Data()) {
            $0 += FileManager.default.contents(atPath: scratch($1)) ?? Data()
        }
        #expect(whole.range(of: Data(SHA256.hex(secret).utf8)) != nil)
    }

    @Test
    func tokensAreKnownAgainAndTheirUseIsWrittenDown() async throws {
        let used = now + .seconds(5)
        let token: String
        do {
            let store = try await store()
            let book = try await TokenBook.open(store)
            token = try await book.create(name: "a", role: .releaser, lifetime: .hours(1), now: now).token
            #expect(book.list(now: now).first?.lastUsed == nil)
            #expect(book.role(of: token, now: used) == .releaser)
            let before = try await store.revision()
            try await book.storeUses(now: used)
            #expect(try await store.revision() == before + 1)
            // Again and again within the interval costs nothing.
            #expect(book.role(of: token, now: used + .seconds(59)) == .releaser)
            try await book.storeUses(now: used + .seconds(59))
            #expect(try await store.revision() == before + 1)
            #expect(book.role(of: token, now: used + .seconds(60)) == .releaser)
            try await book.storeUses(now: used + .seconds(60))
            #expect(try await store.revision() == before + 2)
            try store.close()
        }
        let book = try await TokenBook.open(try await store())
        #expect(book.role(of: token, now: now + .minutes(59)) == .releaser)
        #expect(try await TokenBook.open(try await reopened()).list(now: now).count == 1)
        #expect(book.role(of: token, now: now + .hours(1)) == nil)
        #expect(book.list(now: now + .hours(1)).isEmpty)
    }

    /// A second reader of what is stored, in a folder of its own.
    private func reopened() async throws -> SQLiteControlStore {
        for name in ["db", "db-wal", "db-shm"] {
            try? FileManager.default.copyItem(atPath: scratch(name), toPath: scratch("copy-\(name)"))
        }
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.moveItem(atPath: scratch("copy-db\(suffix)"), toPath: scratch("copy\(suffix)"))
        }
        return try await SQLiteControlStore(path: scratch("copy"))
    }

    @Test
    func aRevokedTokenDoesNotComeBackWithItsUse() async throws {
        let store = try await store()
        let book = try await TokenBook.open(store)
        let made = try await book.create(name: "a", role: .admin, lifetime: .hours(1), now: now)
        #expect(book.role(of: made.token, now: now) == .admin)
        #expect(try await book.revoke(id: made.id))
        #expect(try await !book.revoke(id: made.id))
        try await book.storeUses(now: now)
        #expect(book.role(of: made.token, now: now) == nil)
        #expect(try await store.list(prefix: "token/").entries.isEmpty)
    }

    @Test
    func expiredTokensMakeRoomWhenTheBookIsFull() async throws {
        let book = try await TokenBook.open(try await store())
        for _ in 0..<TokenBook.tokensMax {
            _ = try await book.create(name: "a", role: .viewer, lifetime: .seconds(10), now: now)
        }
        await #expect {
            _ = try await book.create(name: "b", role: .viewer, lifetime: .seconds(10), now: now)
        } throws: { ($0 as? APIError)?.status == 409 }
        let later = now + .seconds(10)
        _ = try await book.create(name: "b", role: .viewer, lifetime: .seconds(10), now: later)
        #expect(book.list(now: later).map(\.name) == ["b"])
    }

    @Test
    func aLifeIsAtMostAYear() async throws {
        let book = try await TokenBook.open(try await store())
        let made = try await book.create(name: "a", role: .viewer, lifetime: .hours(100_000), now: now)
        #expect(made.expires == now + TokenBook.lifetimeMax)
    }
}

/// `muster pki init`.
struct PKITests {
    @Test
    func itMakesEverythingAndOnlyTheOwnerMayRead() async throws {
        let scratch = try Scratch("pki")
        let request = PKI.Request(
            dataDirectory: scratch("data"), link: "0.0.0.0:7443", api: "0.0.0.0:7444")
        let made = try await PKI.initialize(request)
        for path in ["data/pki/ca.key", "data/pki/ca.crt", "data/context.json", "data/control.sqlite"] {
            let mode = try FileManager.default.attributesOfItem(atPath: scratch(path))[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(path)")
        }
        let folder = try FileManager.default.attributesOfItem(atPath: scratch("data/pki"))[.posixPermissions] as? Int
        #expect(folder == 0o700)
        let context = try JSON(textOfFile(made.contextPath).utf8)
        #expect(context.keys == ["address", "authority", "token"])
        #expect(context["address"]?.text == "127.0.0.1:7444")
        let authority = try Certificate(pem: textOfFile(scratch("data/pki/ca.crt")))
        #expect(authority.isAuthority)
        #expect(authority.pin.hex == made.pin)
        #expect(context["authority"]?.text == textOfFile(scratch("data/pki/ca.crt")))
    }

    @Test
    func itNeverMakesASecondAuthority() async throws {
        let scratch = try Scratch("pki")
        let request = PKI.Request(dataDirectory: scratch("data"), link: "127.0.0.1:0", api: "127.0.0.1:0")
        _ = try await PKI.initialize(request)
        let before = textOfFile(scratch("data/pki/ca.key")) + textOfFile(scratch("data/context.json"))
        await #expect {
            _ = try await PKI.initialize(request)
        } throws: { error in
            let error = error as? CoordinatorError
            return error?.message.contains("holds an authority already") == true && error?.hint.isEmpty == false
        }
        #expect(textOfFile(scratch("data/pki/ca.key")) + textOfFile(scratch("data/context.json")) == before)
    }

    /// Whoever lost one file must not lose the key by asking for help.
    @Test(arguments: ["pki/ca.crt", "pki/ca.key", "pki"])
    func whatIsLeftOfAnAuthorityIsNeverReplaced(lost: String) async throws {
        let scratch = try Scratch("pki")
        let request = PKI.Request(dataDirectory: scratch("data"), link: "127.0.0.1:0", api: "127.0.0.1:0")
        let made = try await PKI.initialize(request)
        try FileManager.default.removeItem(atPath: scratch("data/\(lost)"))
        let left = textOfFile(scratch("data/pki/ca.key"))
        await #expect {
            _ = try await PKI.initialize(request)
        } throws: { ($0 as? CoordinatorError)?.hint.contains("from a backup") == true }
        #expect(textOfFile(scratch("data/pki/ca.key")) == left)
        await #expect {
            try await Coordinator.run(
                CoordinatorOptions(configPath: made.configPath), logger: LogRecord().logger("test"))
        } throws: { ($0 as? CoordinatorError)?.hint.contains("from a backup") == true }
    }

    @Test
    func anAuthorityThatCannotBeSeenIsNotMissing() async throws {
        let scratch = try Scratch("pki")
        _ = try scratch.folder("data")
        try scratch.write("not a folder", to: "data/pki")
        await #expect {
            _ = try await PKI.initialize(
                PKI.Request(dataDirectory: scratch("data"), link: "127.0.0.1:0", api: "127.0.0.1:0"))
        } throws: { ($0 as? CoordinatorError)?.message.contains("cannot see what is in") == true }
    }

    @Test
    func aConfigurationThatIsThereIsKept() async throws {
        let scratch = try Scratch("pki")
        _ = try scratch.folder("data")
        try scratch.write("# mine\n", to: "data/muster.yaml")
        _ = try await PKI.initialize(
            PKI.Request(dataDirectory: scratch("data"), link: "127.0.0.1:0", api: "127.0.0.1:0"))
        #expect(textOfFile(scratch("data/muster.yaml")) == "# mine\n")
    }

    @Test
    func aCoordinatorDoesNotStartWithAKeyThatOthersMayRead() async throws {
        let scratch = try Scratch("pki")
        let made = try await PKI.initialize(
            PKI.Request(dataDirectory: scratch("data"), link: "127.0.0.1:0", api: "127.0.0.1:0"))
        let key = scratch("data/pki/ca.key")
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: key)
        await #expect {
            try await Coordinator.run(
                CoordinatorOptions(configPath: made.configPath), logger: LogRecord().logger("test"))
        } throws: { ($0 as? CoordinatorError)?.hint == "chmod 600 \(key)" }
    }

    @Test
    func withoutAnAuthorityOrAConfigurationItSaysHowToMakeOne() async throws {
        let scratch = try Scratch("pki")
        let logger = LogRecord().logger("test")
        await #expect {
            try await Coordinator.run(CoordinatorOptions(configPath: scratch("none.yaml")), logger: logger)
        } throws: { ($0 as? CoordinatorError)?.hint.contains("muster pki init") == true }
        let path = try scratch.write("dataDirectory: \(scratch("data"))\n", to: "muster.yaml")
        await #expect {
            try await Coordinator.run(CoordinatorOptions(configPath: path), logger: logger)
        } throws: { ($0 as? CoordinatorError)?.hint == "muster pki init --data \(scratch("data"))" }
    }
}
