import Foundation
import MusterModel
import MusterRollouts
import Testing

@Suite struct StepRecordTests {
    static let records: [StepRecord] = [
        .intent(AgentStepExamples.step()),
        .intent(AgentStepExamples.step(action: .restore, expiresAt: .distantFuture)),
        .intent(
            AgentStepExamples.step(
                attempt: Int(Int32.max), epoch: .max, action: .commit, expiresAt: Instant(seconds: -9_000_000_000))),
        .finished(AgentStepExamples.step().key, AgentStepExamples.success),
        .finished(AgentStepExamples.step().key, .failed(reason: "kaputt: ü", rolledBack: true)),
        .finished(AgentStepExamples.step().key, .failed(reason: "", rolledBack: false)),
        .finished(AgentStepExamples.step().key, .refused(reason: "no")),
        .reported(AgentStepExamples.step().key),
        .floor(epoch: 9, expiredThrough: Instant(seconds: -5)),
    ]

    @Test(arguments: records) func aRecordIsReadAsItWasWritten(_ record: StepRecord) throws {
        let bytes = try #require(record.encoded())
        #expect(try StepRecord(decoding: bytes) == record)
    }

    @Test(arguments: records) func everyRecordCutShortIsATypedError(_ record: StepRecord) throws {
        let bytes = try #require(record.encoded())
        for count in 0..<bytes.count {
            #expect(throws: StepRecordError.self) { try StepRecord(decoding: Array(bytes.prefix(count))) }
        }
        #expect(throws: StepRecordError.trailingBytes(1)) { try StepRecord(decoding: bytes + [0]) }
    }

    @Test func changedBytesNeverTrap() throws {
        var random = AgentSplitMix(state: 42)
        for record in Self.records {
            let bytes = try #require(record.encoded())
            for _ in 0..<500 {
                var damaged = bytes
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
                guard let read = try? StepRecord(decoding: damaged) else { continue }
                #expect(read.encoded() != nil)
            }
        }
    }

    @Test func unknownVersionsAndKindsAreNamed() {
        #expect(throws: StepRecordError.unknownVersion(9)) { try StepRecord(decoding: [9, 1]) }
        #expect(throws: StepRecordError.unknownKind(77)) { try StepRecord(decoding: [1, 77]) }
        #expect(throws: StepRecordError.tooLong(bytes: StepRecord.bytesLimit + 1)) {
            try StepRecord(decoding: [UInt8](repeating: 1, count: StepRecord.bytesLimit + 1))
        }
        #expect(StepRecordError.unknownVersion(9).description.contains("newer agent"))
        for error in [StepRecordError.truncated(at: 3), .trailingBytes(1), .unknownKind(3), .invalidField("host")] {
            #expect(error.description.contains("step journal"))
        }
    }

    @Test func aListBeyondItsLimitIsNotWritten() {
        let many = Dictionary(uniqueKeysWithValues: (0...StepRecord.listCount).map { ("label\($0)", "x") })
        let step = AgentStepExamples.step(action: .replace(selector: many, image: "i", gate: AgentStepExamples.gate))
        #expect(StepRecord.intent(step).encoded() == nil)
        let long = AgentStepExamples.step(
            action: .replace(
                selector: ["a": String(repeating: "x", count: StepRecord.bytesLimit)], image: "i",
                gate: AgentStepExamples.gate))
        #expect(StepRecord.intent(long).encoded() == nil)
    }

    @Test func outcomesAreCutToWhatARecordHolds() throws {
        let long = String(repeating: "ü", count: StepRecord.textBytes)
        let outcome = StepOutcome.succeeded(
            StepDetail(
                previousImage: long, containers: [String](repeating: long, count: 2 * StepRecord.listCount), note: long)
        )
        let bytes = try #require(StepRecord.finished(AgentStepExamples.step().key, outcome.bounded()).encoded())
        guard case .finished(_, .succeeded(let detail)) = try StepRecord(decoding: bytes) else {
            Issue.record("another record was read")
            return
        }
        #expect(detail.containers.count == StepRecord.listCount)
        #expect(detail.note.utf8.count == StepRecord.textBytes)
        #expect(detail.note.allSatisfy { $0 == "ü" })
        #expect(StepOutcome.refused(reason: "a" + long).bounded() == .refused(reason: "a" + long.prefix(2_047)))
    }

    @Test func stepsAndOutcomesSurviveACoordinatorsJSON() throws {
        for step in [
            AgentStepExamples.step(), AgentStepExamples.step(action: .restore), AgentStepExamples.step(action: .commit),
        ] {
            let json = try JSONEncoder().encode(step)
            #expect(try JSONDecoder().decode(RolloutStep.self, from: json) == step)
        }
        let json = try JSONEncoder().encode(AgentStepExamples.success)
        #expect(try JSONDecoder().decode(StepOutcome.self, from: json) == AgentStepExamples.success)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(StepKey.self, from: Data(#"{"rollout":"a/b","step":"s","attempt":1}"#.utf8))
        }
    }
}

struct AgentSplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
