import MusterCLI
import MusterTestKit
import Synchronization
import Testing

struct WaitingNoticeTests {
    private let written = Written()

    private final class Written: Sendable {
        private let texts = Mutex<[String]>([])
        var all: [String] { texts.withLock { $0 } }
        func write(_ text: String) { texts.withLock { $0.append(text) } }
    }

    private func notice() -> WaitingNotice { WaitingNotice("an answer") { [written] in written.write($0) } }

    @Test func itIsShownOnceAndWipedOnce() {
        let notice = notice()
        notice.show()
        notice.show()
        notice.end()
        notice.end()
        #expect(written.all == ["waiting for an answer …", "\r\u{1B}[K"])
    }

    @Test func anAnswerThatIsThereInTimeLeavesNothing() {
        let notice = notice()
        notice.end()
        notice.show()
        #expect(written.all.isEmpty)
    }

    @Test func workThatTakesLongIsAnnouncedAndItsAnswerHandedOn() async throws {
        let answer = try await announcing(notice(), after: .milliseconds(5)) { [written] in
            try await eventually("it is announced", every: .milliseconds(2)) { !written.all.isEmpty }
            return 7
        }
        #expect(answer == 7)
        #expect(written.all == ["waiting for an answer …", "\r\u{1B}[K"])
    }

    @Test func whatTheWorkThrowsIsHandedOn() async {
        struct Failure: Error {}
        await #expect(throws: Failure.self) {
            try await announcing(notice()) { () async throws -> Int in throw Failure() }
        }
        #expect(written.all.isEmpty)
    }
}
