import MusterModel
import MusterRollouts
import Testing

@Suite struct StepJournalTests {
    let now = AgentStepExamples.now
    let step = AgentStepExamples.step()

    /// A journal whose only key is in the named state, and the records that led there.
    private func journal(_ state: String) -> (StepJournal, [[UInt8]]) {
        var journal = StepJournal(host: AgentStepExamples.host)
        var records: [[UInt8]] = []
        guard state != "unknown" else { return (journal, records) }
        if case .execute(let record) = journal.stepReceived(step, now: now) { records.append(record) }
        guard state != "executing" else { return (journal, records) }
        journal.finished(step.key, AgentStepExamples.success).map { records.append($0) }
        guard state != "finished" else { return (journal, records) }
        journal.reported(step.key).map { records.append($0) }
        return (journal, records)
    }

    @Test(arguments: ["unknown", "executing", "finished", "reported"])
    func everyEventInEveryState(_ state: String) {
        var (received, _) = journal(state)
        let receipt = received.stepReceived(step, now: now)
        switch state {
        case "unknown": #expect(receipt == .execute(record: StepRecord.intent(step).encoded() ?? []))
        case "executing": #expect(receipt == .inProgress)
        default: #expect(receipt == .answer(AgentStepExamples.success))
        }

        var (finished, _) = journal(state)
        let end = finished.finished(step.key, AgentStepExamples.success)
        #expect((end != nil) == (state == "executing"))

        var (reported, _) = journal(state)
        #expect((reported.reported(step.key) != nil) == (state == "finished"))
        #expect(journal(state).0.unfinished == (state == "executing" ? [step] : []))
        #expect(journal(state).0.unreported.map(\.key) == (state == "finished" ? [step.key] : []))
    }

    @Test(arguments: ["unknown", "executing", "finished", "reported"])
    func aRestartKnowsWhatWasKnown(_ state: String) throws {
        let (before, records) = journal(state)
        var after = StepJournal(host: AgentStepExamples.host)
        #expect(try after.recovered(records) == before.unfinished)
        #expect(after.unreported.map(\.key) == before.unreported.map(\.key))
        #expect(after.epoch == before.epoch)
        var compacted = StepJournal(host: AgentStepExamples.host)
        _ = try compacted.recovered(after.compacted(now: now))
        #expect(compacted.unfinished == before.unfinished)
        #expect(compacted.unreported.map(\.outcome) == before.unreported.map(\.outcome))
        #expect(compacted.epoch == before.epoch)
    }

    @Test func whatIsNotForThisHostOrNotInTimeIsRefused() {
        var journal = journal("finished").0
        let elsewhere = AgentStepExamples.step("x", host: AgentStepExamples.valid(HostID("host-b")))
        #expect(refusal(&journal, elsewhere) == "step r-1/x#1 is for host host-b; this is host-a")
        #expect(refusal(&journal, AgentStepExamples.step("x", epoch: 6))?.contains("accepted epoch 7") == true)
        #expect(refusal(&journal, AgentStepExamples.step("x", expiresAt: now))?.contains("expired") == true)
        #expect(refusal(&journal, AgentStepExamples.step("a/b"))?.contains("no valid name") == true)
        #expect(
            refusal(&journal, AgentStepExamples.step("x", attempt: 0))?.contains("no valid name or attempt") == true)
        #expect(refusal(&journal, AgentStepExamples.step("x", epoch: 8)) == nil)
        #expect(journal.epoch == 8)
    }

    @Test func aNewAttemptWaitsForTheOldAndReplacesIt() {
        var journal = journal("executing").0
        #expect(refusal(&journal, AgentStepExamples.step(attempt: 2))?.contains("attempt 1 of step") == true)
        _ = journal.finished(step.key, .failed(reason: "x", rolledBack: true))
        #expect(refusal(&journal, AgentStepExamples.step(attempt: 3)) == nil)
        #expect(refusal(&journal, AgentStepExamples.step(attempt: 2))?.contains("older than attempt 3") == true)
        #expect(journal.stepReceived(step, now: now) == .answer(.failed(reason: "x", rolledBack: true)))
    }

    @Test func theSameKeyWithOtherContentIsRefusedAndUnderANewEpochAnswered() {
        var journal = journal("finished").0
        #expect(refusal(&journal, AgentStepExamples.step(action: .commit))?.contains("another content") == true)
        let again = AgentStepExamples.step(epoch: 12, expiresAt: now + .hours(1))
        #expect(journal.stepReceived(again, now: now + .hours(2)) == .answer(AgentStepExamples.success))
    }

    @Test func aForgottenStepNeverComesBackEvenWhenTheClockStepsBack() throws {
        var journal = journal("reported").0
        let late = step.expiresAt + .seconds(1)
        let records = journal.compacted(now: late)
        #expect(records.count == 1)
        #expect(refusal(&journal, step, at: late)?.contains("expired") == true)
        #expect(refusal(&journal, step, at: now)?.contains("expired") == true)
        var restarted = StepJournal(host: AgentStepExamples.host)
        _ = try restarted.recovered(records)
        #expect(refusal(&restarted, step, at: now)?.contains("expired") == true)
        #expect(
            refusal(&restarted, AgentStepExamples.step("y", epoch: 6, expiresAt: .distantFuture))?.contains("epoch")
                == true)
    }

    @Test func compactionForgetsNeitherTheUnreportedNorTheUnexpired() {
        for state in ["executing", "finished"] {
            var journal = journal(state).0
            _ = journal.compacted(now: .distantFuture)
            #expect(
                journal.stepReceived(step, now: now)
                    == (state == "executing" ? .inProgress : .answer(AgentStepExamples.success)))
        }
        var journal = journal("reported").0
        _ = journal.compacted(now: now)
        #expect(journal.stepReceived(step, now: now) == .answer(AgentStepExamples.success))
    }

    @Test func noMoreStepsExecuteAtOnceThanTheLimit() {
        var journal = StepJournal(host: AgentStepExamples.host)
        for number in 0..<StepJournal.executingLimit {
            #expect(refusal(&journal, AgentStepExamples.step("s\(number)")) == nil)
        }
        #expect(refusal(&journal, AgentStepExamples.step("more"))?.contains("are executing") == true)
        _ = journal.finished(AgentStepExamples.step("s0").key, AgentStepExamples.success)
        #expect(refusal(&journal, AgentStepExamples.step("more")) == nil)
    }

    @Test func aFullMemoryRefusesUntilSomethingExpires() {
        var journal = StepJournal(host: AgentStepExamples.host)
        for number in 0..<StepJournal.keyLimit {
            let step = AgentStepExamples.step("s\(number)")
            #expect(refusal(&journal, step) == nil)
            _ = journal.finished(step.key, AgentStepExamples.success)
            _ = journal.reported(step.key)
        }
        let more = AgentStepExamples.step("more", expiresAt: .distantFuture)
        #expect(refusal(&journal, more)?.contains("remembers") == true)
        #expect(refusal(&journal, more, at: step.expiresAt) == nil)
    }

    @Test func compactionIsDueWhenTheJournalIsMuchLongerThanItsMemory() {
        var journal = StepJournal(host: AgentStepExamples.host)
        var at = now
        for number in 0..<StepJournal.compactionRecords / 3 + 1 {
            #expect(!journal.isCompactionDue)
            let step = AgentStepExamples.step("s\(number)", expiresAt: at + .seconds(1))
            #expect(refusal(&journal, step, at: at) == nil)
            _ = journal.finished(step.key, AgentStepExamples.success)
            _ = journal.reported(step.key)
            at = at + .seconds(2)
            if number == 250 { _ = journal.compacted(now: at) }
        }
        #expect(!journal.isCompactionDue)
        for number in 0..<400 {
            let step = AgentStepExamples.step("t\(number)", expiresAt: .distantFuture)
            if number < 100 { _ = refusal(&journal, step, at: at) }
            _ = journal.finished(step.key, AgentStepExamples.success)
            _ = journal.reported(step.key)
        }
        #expect(journal.compacted(now: at).count <= 3 * 200 + 1)
        #expect(!journal.isCompactionDue)
    }

    @Test func aDamagedRecordStopsTheRecovery() {
        var journal = StepJournal(host: AgentStepExamples.host)
        #expect(throws: StepRecordError.truncated(at: 1)) { _ = try journal.recovered([[1]]) }
    }

    /// A seeded run with crashes at any moment: records that were synced survive, the others do not; a step must never
    /// be executed anew once its intent is durable, and an outcome once told must never change.
    @Test(arguments: 1...200) func noKeyIsExecutedTwiceWhateverCrashes(_ seed: Int) throws {
        var random = AgentSplitMix(state: UInt64(seed))
        var disk: [[UInt8]] = []
        var journal = StepJournal(host: AgentStepExamples.host)
        var executions: [StepKey: Int] = [:]
        var told: [StepKey: StepOutcome] = [:]
        var at = now
        let steps = (0..<6).map {
            AgentStepExamples.step("s\($0 % 3)", attempt: 1 + $0 / 3, expiresAt: now + .seconds(40))
        }
        for _ in 0..<200 {
            at = at + .milliseconds(Int64.random(in: 0...400, using: &random))
            let step = steps[Int.random(in: 0..<steps.count, using: &random)]
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                switch journal.stepReceived(step, now: at) {
                case .execute(let record):
                    if Bool.random(using: &random) {
                        disk.append(record)
                        executions[step.key, default: 0] += 1
                    } else {
                        journal = StepJournal(host: AgentStepExamples.host)
                        _ = try journal.recovered(disk)
                    }
                case .answer(let outcome):
                    #expect(told[step.key].map { $0 == outcome } ?? true, "seed \(seed)")
                    told[step.key] = outcome
                case .inProgress, .refuse: break
                }
            case 4..<7:
                let outcome = StepOutcome.failed(reason: "\(random.next())", rolledBack: true)
                if let record = journal.finished(step.key, outcome) { disk.append(record) }
            case 7: if let record = journal.reported(step.key) { disk.append(record) }
            case 8: disk = journal.compacted(now: at)
            default:
                journal = StepJournal(host: AgentStepExamples.host)
                _ = try journal.recovered(disk)
            }
            #expect(executions.values.allSatisfy { $0 == 1 }, "seed \(seed)")
        }
    }

    private func refusal(_ journal: inout StepJournal, _ step: RolloutStep, at: Instant? = nil) -> String? {
        if case .refuse(let reason) = journal.stepReceived(step, now: at ?? now) { reason } else { nil }
    }
}
