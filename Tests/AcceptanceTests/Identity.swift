import Foundation
import MusterModel
import MusterTestKit
import MusterTransport
import NIOPosix
import Testing

extension Acceptance {
    /// Who may join and stay. Every refusal has its reason in the coordinator's log and in words for the one refused, and
    /// disturbs nobody else.
    @Suite(.needsPrograms) struct Identity {
        @Test(.timeLimit(.minutes(3)))
        func tokensWorkOnceInTimeForOneHostAndOneAuthority() async throws {
            try await Fleet.run("tokens", .init(agents: ["good"])) { fleet in
                let token = try await fleet.cli("token", "create", "--host", "once").succeeded().trimmed
                #expect(token.split(separator: ".").count == 3)
                try await fleet.enroll("once", token: token).succeeded()
                try await refused(fleet, "once", token, says: "used already", logged: "used already")

                let brief = try await fleet.cli("token", "create", "--host", "late", "--ttl", "1s").succeeded().trimmed
                let made = ContinuousClock.now
                try await eventually("the token has expired", within: .seconds(5)) {
                    ContinuousClock.now - made > .milliseconds(1_100)
                }
                try await refused(fleet, "late", brief, says: "has expired", logged: "has expired")

                let other = try await fleet.cli("token", "create", "--host", "somebody").succeeded().trimmed
                try await refused(fleet, "else", other, says: "for host \"somebody\"", logged: "somebody")

                let parts = other.split(separator: ".").map(String.init)
                let strange = "\(parts[0]).\(parts[1]).\(String(repeating: "ab", count: 32))"
                try await refused(fleet, "somebody", strange, says: "pin", logged: "alert 48")
                try await fleet.enroll("somebody", token: other).succeeded()

                let wrong = try await fleet.enroll("x", token: "muster1.short.nothing")
                #expect(wrong.exitCode != 0 && wrong.errors.contains("token"))
                try await undisturbed(fleet)
                #expect(!fleet.log("coordinator").contains(parts[1]), "the secret of a token is in the log")
            }
        }

        private func refused(
            _ fleet: Fleet, _ host: String, _ token: String, says: String, logged: String
        ) async throws {
            let done = try await fleet.enroll(host, token: token, state: fleet.scratch("refused-\(host)"))
            #expect(done.exitCode != 0, "\(done)")
            #expect(done.errors.contains(says), "\(done)")
            #expect(!FileManager.default.fileExists(atPath: fleet.scratch("refused-\(host)") + "/identity/host.pem"))
            try await fleet.logged("coordinator", logged)
        }

        /// The good agent is alive, and on its first connection still.
        private func undisturbed(_ fleet: Fleet) async throws {
            #expect(try await fleet.state(of: "good") == "alive")
            #expect(fleet.count("coordinator", "agent connected", "host=good") == 1)
        }

        @Test(.timeLimit(.minutes(3)))
        func certificatesThatDoNotFitAreRefusedWithTheirReason() async throws {
            try await Fleet.run("certificates", .init(agents: ["good"])) { fleet in
                let pki = try CertificateAuthority(
                    certificatePEM: textOfFile(fleet.scratch("coordinator/pki/ca.crt")),
                    privatePEM: textOfFile(fleet.scratch("coordinator/pki/ca.key")))
                let now = MachineClock.wall
                let stranger = try CertificateAuthority.create(now: now)
                try await agentIsRefused(fleet, "stranger", stranger, now, says: "authority", logged: "not issued by")
                try await agentIsRefused(
                    fleet, "expired", pki, now - .hours(30), says: "expired", logged: "expired at")
                try await agentIsRefused(
                    fleet, "early", pki, now + .hours(2), says: "not valid there yet", logged: "valid only from")
                try await dialIsRefused(fleet, nil, logged: "no certificate")
                for role in [PeerRole.operator, .coordinator] {
                    let key = try KeyPair.generate()
                    let identity = try #require(PeerIdentity(role: role, id: "good"))
                    let certificate = try pki.issue(to: key.publicKey, identity: identity, now: now)
                    try await dialIsRefused(
                        fleet, TLSCredentials(chain: [certificate], key: key), logged: "muster://\(role)/good")
                }
                try await undisturbed(fleet)
            }
        }

        /// An agent with a certificate of this authority, issued at this time.
        private func agentIsRefused(
            _ fleet: Fleet, _ host: String, _ authority: CertificateAuthority, _ issued: Instant, says: String,
            logged: String
        ) async throws {
            try giveIdentity(fleet, host, authority, issued, lifetime: CertificateAuthority.certificateLifetime)
            try fleet.writeConfig(host)
            try fleet.startAgent(host)
            try await fleet.logged("coordinator", "link refused", logged)
            try await fleet.logged(host, "not connected to the coordinator", says)
            #expect(try await fleet.state(of: host) == nil)
            #expect(try fleet.process(host).exitCode == nil, "a refused agent goes on trying")
            try fleet.kill(host)
        }

        private func giveIdentity(
            _ fleet: Fleet, _ host: String, _ authority: CertificateAuthority, _ issued: Instant, lifetime: Duration
        ) throws {
            let key = try KeyPair.generate()
            let identity = PeerIdentity(agent: try #require(HostID(host)))
            let certificate = try authority.issue(
                to: key.publicKey, identity: identity, now: issued, lifetime: lifetime)
            _ = try fleet.scratch.folder("agent-\(host)/identity")
            try fleet.scratch.write(key.privatePEM + (try certificate.pem), to: "agent-\(host)/identity/host.pem")
            let trusted = try fleet.authority.map { try $0.pem }.joined()
            try fleet.scratch.write(trusted, to: "agent-\(host)/identity/ca.crt")
        }

        private func dialIsRefused(_ fleet: Fleet, _ credentials: TLSCredentials?, logged: String) async throws {
            let context = try TLSContext.client(
                credentials, trust: .certificates(fleet.authority), expecting: .coordinator)
            let dialer = LinkDialer(context, group: MultiThreadedEventLoopGroup.singleton)
            do {
                // With TLS 1.3 a client may think that it is connected until it reads.
                let connection = try await dialer.dial(LinkAddress(host: "127.0.0.1", port: fleet.link))
                for try await _ in connection.inbound {}
                Issue.record("the coordinator closed without saying why (\(logged))")
            } catch {
                #expect("\(error)".contains("refused") || "\(error)".contains("alert"), "\(error)")
            }
            try await fleet.logged("coordinator", "link refused", logged)
        }

        @Test(.timeLimit(.minutes(3)))
        func aCertificateIsRenewedInTimeWithoutAGapInTheStream() async throws {
            try await Fleet.run("renewal", .init(agents: ["good"])) { fleet in
                try await eventually("metrics flow", within: .seconds(15)) {
                    try await load(fleet, seconds: 5).count >= 4
                }
                let pki = try CertificateAuthority(
                    certificatePEM: textOfFile(fleet.scratch("coordinator/pki/ca.crt")),
                    privatePEM: textOfFile(fleet.scratch("coordinator/pki/ca.key")))
                // It began five minutes ago and lasts two more: more than half of its life is over.
                try fleet.kill("good")
                try giveIdentity(fleet, "good", pki, MachineClock.wall, lifetime: .minutes(2))
                let before = textOfFile(fleet.state("good") + "/identity/host.pem")
                try fleet.startAgent("good")
                try await fleet.logged("good", "certificate renewed")
                let renewed = MachineClock.wall
                try await eventually("the agent came back with the new certificate", within: .seconds(10)) {
                    fleet.count("coordinator", "agent connected", "host=good") >= 3
                }
                #expect(textOfFile(fleet.state("good") + "/identity/host.pem") != before)
                #expect(fleet.count("good", "reconnecting with the new certificate") == 1)
                let end = renewed + .seconds(4)
                try await eventually("four seconds after the renewal are there", within: .seconds(15)) {
                    try await load(fleet, seconds: 10).contains { $0 >= Double(end.seconds) }
                }
                let seconds = try await load(fleet, seconds: 30).map { Int64($0) }
                let wanted = Set((renewed.seconds - 1)...(renewed.seconds + 3))
                #expect(wanted.isSubset(of: seconds), "of \(wanted.sorted()) there are only \(seconds)")
                #expect(try await fleet.state(of: "good") == "alive")
            }
        }

        /// The seconds of the last so many that have a sample of their own.
        private func load(_ fleet: Fleet, seconds: Int64) async throws -> [Double] {
            // A counter of seconds since the host began differs at every sample, so a filled hole shows as a repetition.
            let query = "muster_agent_cpu_seconds_total"
            let end = MachineClock.wall.seconds
            let answer = try await fleet.query(
                "/api/v1/query_range?query=\(query)&start=\(end - seconds)&end=\(end)&step=1")
            var last = ""
            return (answer.result.first?.values ?? []).filter { point in
                defer { last = point.value }
                return point.value != last
            }.map(\.seconds)
        }

        @Test(.timeLimit(.minutes(3)))
        func aRevokedHostIsCutOffAndStaysOut() async throws {
            try await Fleet.run("revoke", .init(agents: ["good", "bad"])) { fleet in
                let revoked = try await timed {
                    let done = try await fleet.cli("hosts", "revoke", "bad").succeeded()
                    #expect(done.output.contains("bad is revoked"))
                    try await fleet.logged("bad", "revoked", within: .seconds(5))
                }
                #expect(revoked < .seconds(6))
                try await eventually("the host is gone", within: .seconds(5)) {
                    try await fleet.state(of: "bad") == nil
                }
                try fleet.crash("bad")
                try await fleet.logged("coordinator", "link refused", "host bad is revoked", within: .seconds(20))
                try await fleet.logged("bad", "not connected to the coordinator", "our certificate was revoked")
                #expect(fleet.count("coordinator", "agent connected", "host=bad") == 1)
                try fleet.crash("coordinator")
                try await fleet.coordinatorAnswers()
                try await eventually("it stays out after a restart", within: .seconds(40)) {
                    fleet.count("coordinator", "host bad is revoked") >= 2
                }
                try await eventually("the other is back", within: .seconds(40)) {
                    try await fleet.state(of: "good") == "alive"
                }
                #expect(try await fleet.state(of: "bad") == nil)
                let unknown = try await fleet.cli("hosts", "revoke", "nobody")
                #expect(unknown.exitCode == 1 && unknown.errors.contains("nobody"))
                // A new token lets the machine back in, under an id of its own.
                try fleet.kill("bad")
                try await fleet.enrolled("bad")
                try fleet.startAgent("bad")
                try await eventually("it is back as bad-2", within: .seconds(20)) {
                    try await fleet.state(of: "bad-2") == "alive"
                }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func peersThatStallAreCutOffAndHoldNobodyUp() async throws {
            try await Fleet.run("stall", .init(agents: ["good"])) { fleet in
                let silent = try RawConnection(port: fleet.link)
                let slow = try RawConnection(port: fleet.link)
                let stranger = try RawConnection(port: fleet.link)
                stranger.send(Array("GET / HTTP/1.1\r\nhost: muster\r\n\r\n".utf8))
                let closed = try await timed {
                    // The beginning of a ClientHello, one byte a second.
                    var bytes: [UInt8] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03]
                    try await eventually("the slow peer is cut off", within: .seconds(9), every: .seconds(1)) {
                        let state = try await fleet.state(of: "good")
                        #expect(state == "alive")
                        if !bytes.isEmpty { slow.send([bytes.removeFirst()]) }
                        return slow.isClosed
                    }
                }
                #expect(closed > .seconds(3))
                try await eventually("the silent peer is cut off", within: .seconds(3)) { silent.isClosed }
                try await eventually("the stranger is cut off", within: .seconds(3)) { stranger.isClosed }
                try await eventually("both stalls are in the log", within: .seconds(3)) {
                    fleet.count("coordinator", "link refused", "handshake was not finished within 5s") == 2
                }
                try await fleet.logged("coordinator", "link refused", "does not speak TLS")
                try await undisturbed(fleet)
            }
        }
    }
}
