import Foundation
import MusterTestKit
import Testing

extension Acceptance {
    /// One TLS stack, the host's; and an agent without full Foundation.
    @Suite(.needsPrograms) struct Linkage {
        static let obstacle = Peers.obstacle(
            programs: [(Peers.path(of: "ldd"), "libc-bin"), (Peers.path(of: "nm"), "binutils")])

        private func libraries(_ program: String) async throws -> [String] {
            let listed = try await Finished.run(.init(Peers.path(of: "ldd"), [program])).succeeded()
            return listed.output.split(separator: "\n").compactMap { line in
                line.split(separator: " ").first.map { $0.trimmingCharacters(in: .whitespaces) }
            }
        }

        private func symbols(_ program: String) async throws -> Substring {
            let dynamic = try await Finished.run(.init(Peers.path(of: "nm"), ["--dynamic", program])).output
            let all = try await Finished.run(.init(Peers.path(of: "nm"), [program])).output
            return (dynamic + all)[...]
        }

        @Test(.enabled(if: Linkage.obstacle == nil, "skipped: \(Linkage.obstacle ?? "")"))
        func bothProgramsUseTheHostsTLSAndCompression() async throws {
            for program in [Binaries.muster, Binaries.agent] {
                let linked = try await libraries(program)
                for library in ["libssl.so.3", "libcrypto.so.3", "libz.so.1"] {
                    #expect(linked.contains(library), "\(program) does not link \(library): \(linked)")
                }
                let symbols = try await symbols(program)
                try #require(symbols.contains("SSL_CTX_new"), "the symbols of \(program) could not be read")
                for foreign in ["CNIOBoringSSL", "CCryptoBoringSSL", "BORINGSSL", "BoringSSL"] {
                    #expect(!symbols.contains(foreign), "\(program) has symbols of \(foreign)")
                }
            }
        }

        @Test(.enabled(if: Linkage.obstacle == nil, "skipped: \(Linkage.obstacle ?? "")"))
        func theAgentDoesNotLinkFullFoundation() async throws {
            let linked = try await libraries(Binaries.agent)
            // With the standard library linked statically its symbols would be in the program itself.
            for library in ["libFoundation.so", "libFoundationNetworking.so", "libFoundationInternationalization.so"] {
                #expect(!linked.contains(library), "the agent links \(library)")
            }
            let symbols = try await symbols(Binaries.agent)
            #expect(!symbols.contains(" T $s10Foundation7ProcessC"), "the agent holds Foundation's Process")
            #expect(!symbols.contains(" T CFRunLoopRun"), "the agent holds CoreFoundation")
        }
    }
}
