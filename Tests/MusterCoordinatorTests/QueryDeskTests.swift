import Foundation
import MusterCoordinator
import MusterModel
import MusterPattern
import MusterQuery
import MusterStore
import MusterTestKit
import MusterTransport
import Synchronization
import Testing

/// Questions on their way through the desk. The store is a real one; who looks at it can be made to wait.
@Suite(.timeLimit(.minutes(1)))
struct QueryDeskTests {
    /// Gives out pictures of a store, the first so many of them only when the gate is open.
    private final class GatedSource: SampleSource {
        private struct State {
            var views = 0
            var blocked = 0
            var waiting = 0
        }

        private let metrics: MetricStore
        private let state: Mutex<State>
        private let gate = DispatchSemaphore(value: 0)

        init(_ metrics: MetricStore, blocking blocked: Int) {
            self.metrics = metrics
            state = Mutex(State(blocked: blocked))
        }

        var views: Int { state.withLock { $0.views } }
        var waiting: Int { state.withLock { $0.waiting } }

        func view() -> any SampleView {
            let mustWait = state.withLock { state in
                state.views += 1
                guard state.blocked > 0 else { return false }
                state.blocked -= 1
                state.waiting += 1
                return true
            }
            if mustWait {
                gate.wait()
                state.withLock { $0.waiting -= 1 }
            }
            return metrics.view()
        }

        /// Nobody waits from here on.
        func open() {
            let blocked = state.withLock { state in
                defer { state.blocked = 0 }
                return state.waiting
            }
            for _ in 0..<blocked { gate.signal() }
        }
    }

    private static func run(
        blocking: Int, _ test: (QueryDesk, GatedSource) async throws -> Void
    ) async throws {
        let ingest = try Ingest.open(MemoryFileIO())
        try await ingest.push((0..<3).map { .test("m\($0)", [Thing.time(0)]) })
        let source = GatedSource(ingest.metrics, blocking: blocking)
        let desk = QueryDesk(source: source, clock: MachineClock())
        do {
            try await test(desk, source)
        } catch {
            source.open()
            await desk.close()
            throw error
        }
        source.open()
        await desk.close()
    }

    private static func question(_ text: String, timeout: Duration = QueryDesk.timeout) -> QueryDesk.Question {
        QueryDesk.Question(text, at: .instant(Thing.time(1)), timeout: timeout)
    }

    private static func outcome(
        _ desk: QueryDesk, _ question: QueryDesk.Question
    ) async -> Result<QueryAnswer.Value, QueryError> {
        do throws(QueryError) {
            return .success(try await desk.answer(question).value)
        } catch {
            return .failure(error)
        }
    }

    @Test func oneComputationAnswersAllWhoAskTheSame() async throws {
        try await Self.run(blocking: 20) { desk, source in
            let questions = (0..<20).map { Self.question("count({job=\"test\"}) + \($0)") }
            let askers = questions.flatMap { question in
                (0..<40).map { _ in Task { await Self.outcome(desk, question) } }
            }
            try await eventually("all have asked") { desk.counters.shared == 20 * 39 }
            try await eventually("all threads are busy") { source.waiting == QueryDesk.threads }
            source.open()
            for (number, asker) in askers.enumerated() {
                guard case .success(.vector(let elements)) = await asker.value else {
                    Issue.record("asker \(number) got no vector")
                    return
                }
                #expect(elements.map(\.sample.value) == [Double(3 + number / 40)])
            }
            #expect(source.views == 20 && desk.counters.answered == 20 && desk.counters.running == 0)
        }
    }

    @Test func whoLeavesTakesNothingFromTheOthers() async throws {
        try await Self.run(blocking: 1) { desk, source in
            let question = Self.question("m0")
            let first = Task { await Self.outcome(desk, question) }
            let second = Task { await Self.outcome(desk, question) }
            try await eventually("both wait for one") { desk.counters.shared == 1 && source.waiting == 1 }
            first.cancel()
            #expect(await first.value == .failure(.canceled))
            source.open()
            guard case .success(.vector(let elements)) = await second.value else {
                Issue.record("the other got no answer")
                return
            }
            #expect(elements.count == 1 && source.views == 1)
        }
    }

    @Test func aQuestionEndsWhenNobodyWaitsForIt() async throws {
        try await Self.run(blocking: 1) { desk, source in
            let question = Self.question("m0")
            let askers = (0..<2).map { _ in Task { await Self.outcome(desk, question) } }
            try await eventually("both wait for one") { desk.counters.shared == 1 && source.waiting == 1 }
            for asker in askers { asker.cancel() }
            for asker in askers { #expect(await asker.value == .failure(.canceled)) }
            // Who asks now does not get what was given up.
            let late = await Self.outcome(desk, question)
            #expect((try? late.get()) != nil && source.views == 2)
            source.open()
            try await eventually("the first computation has ended") { desk.counters.canceled == 1 }
            #expect(desk.counters.answered == 1 && desk.counters.running == 0)
        }
    }

    @Test func whoIsGoneBeforeAskingIsNotCounted() async throws {
        try await Self.run(blocking: 0) { desk, source in
            let asker = Task {
                while !Task.isCancelled { await Task.yield() }
                return await Self.outcome(desk, Self.question("m0"))
            }
            asker.cancel()
            #expect(await asker.value == .failure(.canceled))
            #expect(source.views == 0)
        }
    }

    /// The time of a question runs from its arrival, also while it waits for its turn.
    @Test func aQuestionThatTakesTooLongIsToldSo() async throws {
        try await Self.run(blocking: QueryDesk.threads) { desk, source in
            let clock = MachineClock()
            let timeout = Duration.milliseconds(30)
            let running = (0..<QueryDesk.threads).map { number in
                Task { await Self.outcome(desk, Self.question("m0 + \(number)", timeout: timeout)) }
            }
            try await eventually("all threads are busy") { source.waiting == QueryDesk.threads }
            let queued = Task { await Self.outcome(desk, Self.question("m1", timeout: timeout)) }
            let sharing = Task { await Self.outcome(desk, Self.question("m1", timeout: timeout)) }
            try await eventually("one more waits") { desk.counters.shared == 1 }
            let asked = clock.now
            try await eventually("its time is over") { clock.now > asked + timeout }
            source.open()
            for asker in running + [queued, sharing] { #expect(await asker.value == .failure(.timedOut)) }
            #expect(source.views == QueryDesk.threads && desk.counters.timedOut == UInt64(QueryDesk.threads) + 1)
        }
    }

    @Test func oneQuestionTooManyIsRefusedAndTheOthersAreAnswered() async throws {
        try await Self.run(blocking: QueryDesk.threads) { desk, source in
            let room = QueryDesk.threads + QueryDesk.waiting
            let askers = (0...room).map { number in
                Task { await Self.outcome(desk, Self.question("m0 + \(number)")) }
            }
            try await eventually("the last one is refused") { desk.counters.overloaded == 1 }
            source.open()
            var (answered, refusals) = (0, [QueryError]())
            for asker in askers {
                switch await asker.value {
                case .success: answered += 1
                case .failure(let error): refusals.append(error)
                }
            }
            #expect(answered == room)
            #expect(refusals == [.overloaded("1000 queries wait already; ask again later")])
        }
    }

    @Test func rulesAreEvaluatedWhileAllThreadsOfQuestionsAreBusy() async throws {
        try await Self.run(blocking: QueryDesk.threads) { desk, source in
            let askers = (0..<QueryDesk.threads).map { number in
                Task { await Self.outcome(desk, Self.question("m0 + \(number)")) }
            }
            try await eventually("all threads are busy") { source.waiting == QueryDesk.threads }
            let rule = try MusterQuery.Expression(parsing: "m1", compiler: RE2Compiler())
            let answer = try await desk.evaluate(rule, at: Thing.time(1))
            guard case .vector(let elements) = answer.value else {
                Issue.record("no vector")
                return
            }
            #expect(elements.count == 1 && source.waiting == QueryDesk.threads)
            source.open()
            for asker in askers { #expect((try? await asker.value.get()) != nil) }
        }
    }

    @Test func aTextThatIsNoQueryCostsNothing() async throws {
        try await Self.run(blocking: 0) { desk, source in
            guard case .failure(.syntax(let line, let column, _, _)) = await Self.outcome(desk, Self.question("sum(m0"))
            else {
                Issue.record("no syntax error")
                return
            }
            #expect(line == 1 && column == 7)
            let long = Self.question("m0" + String(repeating: " ", count: 1 << 20))
            guard case .failure(.invalid(let reason)) = await Self.outcome(desk, long) else {
                Issue.record("not refused")
                return
            }
            #expect(reason == "the query has 1048578 bytes, 1048576 are allowed")
            #expect(source.views == 0 && desk.counters.failed == 2)
        }
    }
}
