import MusterModel

/// The cgroups of the containers that were listed.
///
///     listed   -- found             --> measured
///     listed   -- process is gone   --> gone
///     measured -- a file is gone    --> gone (its series end; that is no error, containers end)
///     measured -- a file fails      --> gone, and the failure is counted once
///     gone     -- after ten seconds --> listed
///     any      -- no longer listed  --> forgotten
struct ContainerCollector: HostCollector {
    private enum State: Sendable {
        case listed
        case measured(ContainerMeter)
        case gone(retryAt: Instant)
    }

    private static let retryAfter = Duration.seconds(10)

    private let procRoot: String
    private let sysRoot: String
    private var targets: [ContainerTarget] = []
    private var states: [State] = []
    /// Measured containers that are no longer listed: their series end with the next tick.
    private var forgotten: [ContainerMeter] = []
    private var isOverLimit = false

    init(procRoot: String, sysRoot: String) {
        self.procRoot = procRoot
        self.sysRoot = sysRoot
    }

    mutating func containersListed(_ listed: [ContainerTarget]) {
        var known: [ContainerTarget: State] = [:]
        for (target, state) in zip(targets, states) { known[target] = state }
        isOverLimit = listed.count > Limits.containersPerHost
        targets = []
        states = []
        for target in listed.prefix(Limits.containersPerHost) {
            targets.append(target)
            states.append(known.removeValue(forKey: target) ?? .listed)
        }
        for case .measured(let meter) in known.values { forgotten.append(meter) }
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        for index in forgotten.indices { forgotten[index].ended(&table) }
        forgotten.removeAll()
        var failure: CollectError?
        for index in states.indices {
            do {
                try measure(index, now: now, &buffer, &table)
            } catch {
                if !error.isGone { failure = failure ?? error }
            }
        }
        // The others have been measured: what failed must not end their series.
        if let failure { throw .partial("\(failure)") }
        if isOverLimit { throw .tooMany(path: "the list of containers", max: Limits.containersPerHost) }
    }

    mutating func ended(_ table: inout MetricTable) {
        for index in states.indices { end(index, .listed, &table) }
    }

    private mutating func measure(
        _ index: Int, now: Instant, _ buffer: inout ReadBuffer, _ table: inout MetricTable
    ) throws(CollectError) {
        do {
            switch states[index] {
            case .gone(let retryAt) where now < retryAt: return
            case .gone, .listed:
                var meter = try ContainerMeter(targets[index], procRoot: procRoot, sysRoot: sysRoot, buffer: &buffer)
                states[index] = .measured(meter)
                try meter.collect(now: now, buffer: &buffer, table: &table)
                states[index] = .measured(meter)
            case .measured(var meter):
                // Taken out while it is changed, so that it is changed in place.
                states[index] = .listed
                defer { states[index] = .measured(meter) }
                try meter.collect(now: now, buffer: &buffer, table: &table)
            }
        } catch {
            end(index, .gone(retryAt: now + Self.retryAfter), &table)
            throw error
        }
    }

    private mutating func end(_ index: Int, _ next: State, _ table: inout MetricTable) {
        if case .measured(var meter) = states[index] { meter.ended(&table) }
        states[index] = next
    }
}
