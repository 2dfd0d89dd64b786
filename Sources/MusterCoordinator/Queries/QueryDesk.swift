import MusterModel
import MusterPattern
package import MusterQuery
package import MusterTransport
import NIOPosix
import Synchronization

/// Where a query reads: a picture of the samples of one moment.
package protocol SampleSource: Sendable {
    func view() -> any SampleView
}

/// Where queries are evaluated: on threads of their own, a bounded number at a time, each with a deadline. A question
/// that is being answered already is not computed again; whoever asks it meanwhile gets the same answer.
package final class QueryDesk: Sendable {
    /// Questions that are evaluated at a time: more would only take turns.
    package static let threads = 4
    /// Evaluations of rules at a time, on threads of their own: no question of people holds up an alert.
    package static let ruleThreads = 2
    /// Questions that wait for their turn; one more is refused.
    package static let waiting = 1_000
    /// What a question may take from its arrival on, as in Prometheus.
    package static let timeout = Duration.minutes(2)

    package struct Question: Hashable, Sendable {
        package var text: String
        package var time: QueryTime
        /// Milliseconds; nil takes the default of five minutes.
        package var lookback: Int64?
        package var timeout: Duration

        package init(_ text: String, at time: QueryTime, lookback: Int64? = nil, timeout: Duration = QueryDesk.timeout)
        {
            self.text = text
            self.time = time
            self.lookback = lookback
            self.timeout = min(timeout, QueryDesk.timeout)
        }
    }

    package struct Counters: Sendable, Equatable {
        package var answered: UInt64 = 0
        package var failed: UInt64 = 0
        package var canceled: UInt64 = 0
        package var timedOut: UInt64 = 0
        /// Questions answered with the computation of another.
        package var shared: UInt64 = 0
        package var overloaded: UInt64 = 0
        package var running = 0
        package var samples: UInt64 = 0
    }

    private typealias Outcome = Result<QueryAnswer, QueryError>

    /// One computation and who waits for it.
    private final class Flight: Sendable {
        let askers = Mutex<[UInt64: CheckedContinuation<Outcome, Never>]>([:])
        let isAbandoned = Atomic(false)
        let deadline: Instant

        init(deadline: Instant) { self.deadline = deadline }
    }

    private struct State {
        var flights: [Question: Flight] = [:]
        var lastAsker: UInt64 = 0
        var counters = Counters()
    }

    private let source: any SampleSource
    private let clock: MachineClock
    private let pool: NIOThreadPool
    private let rulePool: NIOThreadPool
    private let state = Mutex(State())
    private let limits: QueryLimits

    package init(source: any SampleSource, clock: MachineClock, limits: QueryLimits = QueryDesk.defaultLimits) {
        self.source = source
        self.clock = clock
        self.limits = limits
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        rulePool = NIOThreadPool(numberOfThreads: Self.ruleThreads)
        pool.start()
        rulePool.start()
    }

    /// One coordinator may hold a million series, and a dashboard may count them.
    package static var defaultLimits: QueryLimits {
        var limits = QueryLimits()
        limits.series = 2_000_000
        return limits
    }

    package var counters: Counters { state.withLock { $0.counters } }

    package func close() async {
        try? await pool.shutdownGracefully()
        try? await rulePool.shutdownGracefully()
    }

    /// Throws `canceled` when the task of the asker is cancelled; the computation ends when nobody waits for it.
    package func answer(_ question: Question) async throws(QueryError) -> QueryAnswer {
        let expression: Expression
        do throws(QueryError) {
            expression = try Expression(parsing: question.text, compiler: RE2Compiler(), limits: limits)
        } catch {
            state.withLock { $0.counters.failed += 1 }
            throw error
        }
        let id = state.withLock { state in
            state.lastAsker += 1
            return state.lastAsker
        }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in join(question, expression, id, continuation) }
        } onCancel: {
            leave(question, id)
        }
        return try outcome.get()
    }

    /// For rules: on their threads, without sharing.
    package func evaluate(_ expression: Expression, at milliseconds: Int64) async throws(QueryError) -> QueryAnswer {
        let deadline = clock.now + Self.timeout
        let outcome: Outcome
        do {
            outcome = try await rulePool.runIfActive {
                self.computed(expression, .instant(milliseconds), self.limits) {
                    self.clock.now >= deadline ? .timedOut : nil
                }
            }
        } catch {
            throw .canceled
        }
        count(outcome)
        return try outcome.get()
    }

    // MARK: Flights

    private func join(
        _ question: Question, _ expression: Expression, _ id: UInt64,
        _ continuation: CheckedContinuation<Outcome, Never>
    ) {
        guard !Task.isCancelled else { return continuation.resume(returning: .failure(.canceled)) }
        let (flight, isNew) = state.withLock { state -> (Flight?, Bool) in
            if let known = state.flights[question], !known.isAbandoned.load(ordering: .acquiring) {
                known.askers.withLock { $0[id] = continuation }
                state.counters.shared += 1
                return (known, false)
            }
            guard state.flights.count < Self.threads + Self.waiting else {
                state.counters.overloaded += 1
                return (nil, false)
            }
            let flight = Flight(deadline: clock.now + question.timeout)
            flight.askers.withLock { $0[id] = continuation }
            state.flights[question] = flight
            return (flight, true)
        }
        guard let flight else {
            return continuation.resume(
                returning: .failure(.overloaded("\(Self.waiting) queries wait already; ask again later")))
        }
        guard isNew else { return }
        pool.submit { [self] status in
            guard status == .active else { return land(flight, question, .failure(.canceled)) }
            var limits = limits
            if let lookback = question.lookback { limits.lookback = .milliseconds(lookback) }
            let outcome = computed(expression, question.time, limits) { [clock] in
                if flight.isAbandoned.load(ordering: .relaxed) { return .canceled }
                return clock.now >= flight.deadline ? .timedOut : nil
            }
            land(flight, question, outcome)
        }
    }

    private func leave(_ question: Question, _ id: UInt64) {
        let left = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
            guard let flight = state.flights[question] else { return nil }
            return flight.askers.withLock { askers in
                guard let continuation = askers.removeValue(forKey: id) else { return nil }
                if askers.isEmpty { flight.isAbandoned.store(true, ordering: .releasing) }
                return continuation
            }
        }
        left?.resume(returning: .failure(.canceled))
    }

    private func land(_ flight: Flight, _ question: Question, _ outcome: Outcome) {
        let askers = state.withLock { state in
            // A flight that was abandoned may have been followed by another of the same question.
            if state.flights[question] === flight { state.flights[question] = nil }
            return flight.askers.withLock { askers in
                defer { askers = [:] }
                return askers
            }
        }
        count(outcome)
        for continuation in askers.values { continuation.resume(returning: outcome) }
    }

    private func computed(
        _ expression: Expression, _ time: QueryTime, _ limits: QueryLimits,
        _ shouldStop: @escaping @Sendable () -> QueryStop?
    ) -> Outcome {
        state.withLock { $0.counters.running += 1 }
        defer { state.withLock { $0.counters.running -= 1 } }
        // It may have waited for its turn until nobody waits for it.
        switch shouldStop() {
        case .canceled: return .failure(.canceled)
        case .timedOut: return .failure(.timedOut)
        case nil: break
        }
        let engine = QueryEngine(limits: limits, patterns: RE2Compiler())
        do throws(QueryError) {
            return .success(try engine.evaluate(expression, over: source.view(), at: time, shouldStop: shouldStop))
        } catch {
            return .failure(error)
        }
    }

    private func count(_ outcome: Outcome) {
        state.withLock { state in
            switch outcome {
            case .success(let answer):
                state.counters.answered += 1
                state.counters.samples &+= UInt64(answer.statistics.samplesRead)
            case .failure(.canceled): state.counters.canceled += 1
            case .failure(.timedOut): state.counters.timedOut += 1
            case .failure: state.counters.failed += 1
            }
        }
    }
}
