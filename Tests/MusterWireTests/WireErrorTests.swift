import MusterModel
import MusterWire
import Testing

struct WireErrorTests {
    static let errors: [WireError] = [
        .frameTooLarge(bytes: 2_000_000, limit: 1_048_576, offset: 17),
        .emptyFrame(offset: 17),
        .unknownKind(99, offset: 17),
        .kindNotAllowed(.data, offset: 17),
        .malformed(.welcome, field: "server time", offset: 17, problem: .overlongVarint),
        .unexpectedFrame(.welcome, state: "awaiting hello"),
        .protocolVersion(theirs: 2, ours: 1),
        .acknowledgedBeyondSent(.metrics, sequence: 9, sent: 8),
        .durableBeyondHandedOut(.logs, durable: 9, handedOut: 8),
        .sequenceNotIncreasing(.logs, sequence: 3, after: 4),
        .windowExceeded(.health, framesInFlight: 64, bytesInFlight: 1_000),
        .heartbeatNotIncreasing(counter: 3, after: 4),
        .echoNotSent(counter: 5, sent: 4),
        .messageOutOfOrder(id: 7, expected: 2),
        .tooManyMessages(limit: 32),
        .receiptNotExpected(id: 7),
        .sequencesExhausted(ceiling: .max),
    ]

    @Test func `every error has words of its own`() {
        #expect(Set(Self.errors.map(\.description)).count == Self.errors.count)
        #expect(!Self.errors.contains { $0.description.contains("unusable") }, "the words of no error in particular")
    }

    @Test(arguments: errors)
    func `every error can be told to the peer`(error: WireError) throws {
        let refusal = error.refusal
        #expect(refusal.message == error.description, "nothing is cut")
        #expect(Decoded(try Frame.refuse(refusal).encoded()).frames == [.refuse(refusal)])
        let code: RefusalCode =
            switch error {
            case .protocolVersion: .protocolVersion
            case .durableBeyondHandedOut: .staleState
            default: .badFrame
            }
        #expect(refusal.code == code)
    }

    @Test(arguments: [
        (
            WireError.malformed(.welcome, field: "server time", offset: 17, problem: .overlongVarint),
            "the welcome frame is malformed: server time at byte 17 of the stream "
                + "is a number in more bytes than it needs or than 64 bits hold"
        ),
        (
            .frameTooLarge(bytes: 2_000_000, limit: 1_048_576, offset: 17),
            "the frame at byte 17 says it has 2000000 bytes, the limit is 1048576; send less in one frame"
        ),
        (
            .sequenceNotIncreasing(.logs, sequence: 3, after: 4),
            "logs sequence 3 came after 4 on one connection; sequences must increase"
        ),
        (
            .protocolVersion(theirs: 2, ours: 1),
            "the peer speaks protocol version 2, this side 1; bring both to the same release"
        ),
    ])
    func `an error says what, where and the way out`(error: WireError, text: String) {
        #expect(error.description == text)
    }

    @Test(arguments: [
        (ByteError.Problem.truncated(needed: 8, available: 3), "needs 8 bytes, 3 are there"),
        (.tooLong(bytes: 200, limit: 128), "is 200 bytes long, the limit is 128"),
        (.notUTF8, "is not UTF-8"),
        (.trailingBytes(4), "should come here, but 4 bytes follow"),
        (.notAllowed("9", allowed: "0 to 3"), "is 9, allowed: 0 to 3"),
    ])
    func `what is wrong with bytes is said`(problem: ByteError.Problem, text: String) {
        #expect(problem.description == text)
    }

    @Test func `every reason for a close is said and carries the refusal's words`() {
        let refusal = Refusal(.revoked, "enrol again")
        let reasons: [CloseReason] = [
            .refusedByPeer(refusal), .refused(refusal), .helloTimedOut, .welcomeTimedOut, .silence,
        ]
        #expect(Set(reasons.map(\.description)).count == reasons.count)
        #expect(reasons[0].description == "the peer refused: revoked: enrol again")
    }
}
