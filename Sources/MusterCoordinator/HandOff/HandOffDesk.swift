import Foundation
import Logging
import MusterConfig
import MusterControlStore
import MusterModel
import MusterSeries
import MusterTransport
import NIOCore
import NIOPosix
import Synchronization

/// Gives every sample to other engines: one loop for each, over the windows of `HandOffWindows`. The samples are read
/// from the store, so an outage of an engine costs nothing here.
final class HandOffDesk: Sendable {
    private static let pulse = Duration.milliseconds(250)
    /// How often what was given is stored; after a crash what is newer is given once more.
    private static let storeInterval = Duration.seconds(5)
    private static let complaintInterval = Duration.minutes(1)
    /// Samples of one request.
    static let samplesPerRequest = 5_000
    /// Series that are read at a time.
    static let seriesPerRead = 20_000

    struct Status: Sendable {
        var engine: String
        var counters: HandOffWindows.Counters
        /// Windows that wait.
        var backlog: Int64
        var samples: UInt64
        /// Why nothing is taken now; nil when it goes well.
        var problem: String?
    }

    private struct Engine: Sendable {
        let name: String
        let sender: HandOffSender
    }

    private struct State {
        var windows: [HandOffWindows]
        var samples: [UInt64]
        var problems: [String?]
        var complainedAt: [Instant]
    }

    private let engines: [Engine]
    private let metrics: MetricStore
    private let store: any ControlStore
    private let clock: MachineClock
    private let logger: Logger
    private let state: Mutex<State>

    init(
        _ configs: [HandOffConfig], metrics: MetricStore, store: any ControlStore, group: any EventLoopGroup,
        clock: MachineClock, logger: Logger
    ) async throws {
        engines = try configs.map { Engine(name: $0.name, sender: try HandOffSender($0, group: group)) }
        self.metrics = metrics
        self.store = store
        self.clock = clock
        self.logger = logger
        var windows: [HandOffWindows] = []
        for engine in engines {
            let stored = try await store.get(Self.key(engine.name)).flatMap {
                try? JSONDecoder().decode(HandOffWindows.Stored.self, from: Data($0.value))
            }
            windows.append(HandOffWindows(now: MachineClock.wall, restoring: stored))
        }
        state = Mutex(
            State(
                windows: windows, samples: engines.map { _ in 0 }, problems: engines.map { _ in nil },
                complainedAt: engines.map { _ in .distantPast }))
    }

    private static func key(_ engine: String) -> String { "hand-off/\(engine)" }

    var statuses: [Status] {
        state.withLock { state in
            engines.indices.map { index in
                Status(
                    engine: engines[index].name, counters: state.windows[index].counters,
                    backlog: state.windows[index].backlog, samples: state.samples[index],
                    problem: state.problems[index])
            }
        }
    }

    /// Until the task is cancelled; what was given by then is stored.
    func run() async {
        await withDiscardingTaskGroup { loops in
            for index in engines.indices { loops.addTask { await self.run(index) } }
            loops.addTask { await self.passTime() }
        }
        await storeState()
    }

    /// Tells all engines' windows what time it is and what came late.
    private func passTime() async {
        var storedAt = clock.now
        while !Task.isCancelled {
            let now = MachineClock.wall
            let keptFrom = (now - metrics.retention).milliseconds
            let late = metrics.takeLateSeconds()
            state.withLock { state in
                for index in state.windows.indices {
                    state.windows[index].timePassed(now: now, keptFrom: keptFrom)
                    for second in late { state.windows[index].sampleCameLate(at: second * 1_000) }
                }
            }
            if clock.now - storedAt >= Self.storeInterval {
                storedAt = clock.now
                await storeState()
            }
            try? await Task.sleep(for: Self.pulse)
        }
    }

    private func run(_ index: Int) async {
        while !Task.isCancelled {
            if let work = state.withLock({ $0.windows[index].next(now: MachineClock.wall) }) {
                await give(work, index)
            } else {
                try? await Task.sleep(for: Self.pulse)
            }
        }
    }

    private func give(_ work: HandOffWindows.Work, _ index: Int) async {
        let (view, sources) = metrics.picture([SeriesRequest(matchers: [], from: work.from, to: work.to)])
        var refusal: String?
        for selection in view.selections.flatMap({ $0.slices(of: Self.seriesPerRead) }) {
            let requests = try? await NIOThreadPool.singleton.runIfActive {
                self.requests(view, selection, sources)
            }
            for request in requests ?? [] {
                let answer = await engines[index].sender.send(request)
                guard !Task.isCancelled else { return }
                switch answer {
                case .taken: taken(request, index)
                case .refused(let reason): refusal = reason
                case .later(let reason, let retryAfter): return failed(index, reason, retryAfter)
                }
            }
        }
        let now = MachineClock.wall
        state.withLock { state in
            if refusal == nil {
                state.windows[index].given(work.window, now: now)
            } else {
                state.windows[index].refused(work.window, now: now)
            }
            state.problems[index] = refusal
        }
        if let refusal { complain(index, "an engine refuses samples; they will not be sent again", refusal) }
    }

    private func requests(
        _ view: SeriesView, _ selection: SeriesView.Selection, _ sources: [UInt32: BlockSource]
    ) -> [[SeriesSamples]] {
        let decoded = view.decode(selection) { group, block, slots in
            metrics.rows(of: block, in: group, slots: slots, from: sources)
        }
        var requests: [[SeriesSamples]] = []
        var request: [SeriesSamples] = []
        var count = 0
        for entry in decoded.entries {
            let labels = Labels(
                decoded.pairs[entry.labels].map { (view.text(of: $0.name), view.text(of: $0.value)) })
            let samples = entry.samples.map {
                Sample(milliseconds: decoded.times[$0], value: Double(bitPattern: decoded.bits[$0]))
            }
            request.append(SeriesSamples(labels: labels, samples: samples))
            count += samples.count
            if count >= Self.samplesPerRequest {
                requests.append(request)
                (request, count) = ([], 0)
            }
        }
        if !request.isEmpty { requests.append(request) }
        return requests
    }

    private func taken(_ request: [SeriesSamples], _ index: Int) {
        let count = request.reduce(0) { $0 + $1.samples.count }
        state.withLock { $0.samples[index] &+= UInt64(count) }
    }

    private func failed(_ index: Int, _ reason: String, _ retryAfter: Duration?) {
        let jitter = Double.random(in: 0..<1)
        state.withLock { state in
            state.windows[index].failed(retryAfter: retryAfter, jitter: jitter, now: MachineClock.wall)
            state.problems[index] = reason
        }
        complain(index, "an engine does not take samples; trying again", reason)
    }

    private func complain(_ index: Int, _ message: Logger.Message, _ reason: String) {
        let now = clock.now
        let isDue = state.withLock { state in
            guard now - state.complainedAt[index] >= Self.complaintInterval else { return false }
            state.complainedAt[index] = now
            return true
        }
        guard isDue else { return }
        logger.warning(message, metadata: ["engine": "\(engines[index].name)", "reason": "\(reason)"])
    }

    private func storeState() async {
        for (engine, stored) in zip(engines, state.withLock { $0.windows.map(\.stored) }) {
            guard let value = try? JSONEncoder().encode(stored) else { continue }
            // A task of its own: the store does nothing for a cancelled one.
            await Task { [store, logger] in
                do {
                    _ = try await store.transaction([], [.put(Self.key(engine.name), Array(value))])
                } catch {
                    logger.error(
                        "hand-off state not stored; trying again",
                        metadata: ["engine": "\(engine.name)", "reason": "\(error)"])
                }
            }.value
        }
    }
}
