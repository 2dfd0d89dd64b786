package import MusterModel

/// What is known of one host when a rollout is planned.
package struct RolloutInventory: Sendable {
    package struct Host: Sendable {
        package var host: HostID
        package var state: HostState
        /// For people, when the state is not alive.
        package var reason: String
        package var labels: Labels
        package var containers: [Container]

        package init(
            host: HostID, state: HostState, reason: String = "", labels: Labels = Labels(), containers: [Container]
        ) {
            self.host = host
            self.state = state
            self.reason = reason
            self.labels = labels
            self.containers = containers
        }
    }

    package var hosts: [Host]

    package init(hosts: [Host]) { self.hosts = hosts }
}

/// Who gets what in which wave. Made once, then never changed: it leaves no choice to whoever carries it out.
package struct RolloutPlan: Codable, Equatable, Sendable {
    package struct Host: Codable, Equatable, Sendable {
        @Stored package private(set) var host: HostID
        /// What its containers run now, in order, each once.
        package let images: [String]
        /// Names of the containers that will be replaced, in order.
        package let containers: [String]
        package let targetImage: String

        package init(host: HostID, images: [String], containers: [String], targetImage: String) {
            self.images = images
            self.containers = containers
            self.targetImage = targetImage
            self.host = host
        }
    }

    /// A host the selector finds that is left alone.
    package struct Skipped: Codable, Equatable, Sendable {
        @Stored package private(set) var host: HostID
        package let reason: String

        package init(host: HostID, reason: String) {
            self.reason = reason
            self.host = host
        }
    }

    package struct Wave: Codable, Equatable, Sendable {
        /// Indexes into `hosts`.
        package let hosts: [Int]
        package let bake: Duration
    }

    package let spec: RolloutSpec
    package let hosts: [Host]
    package let waves: [Wave]
    package let skipped: [Skipped]
    /// Hosts at one time.
    package let maxInFlight: Int

    /// False when every host runs the image already.
    package var hasChanges: Bool { !hosts.isEmpty }

    /// The most hosts that can get a bad image before the rollout stops by itself: those of the budget, the one that
    /// breaks it, and what is in flight beside it.
    package var blastBound: Int { min(hosts.count, spec.failureBudget + maxInFlight) }

    /// Parked containers of a rollout carry this in their name; they belong to the past and are never a target.
    package static let parkedMark = ".muster-old-"

    /// A pure function of what is wanted and what is known. Hosts are taken in order of their ids.
    package static func make(
        _ spec: RolloutSpec, _ inventory: RolloutInventory
    ) throws(RolloutPlanError) -> RolloutPlan {
        try make(spec, inventory) { _ in spec.image }
    }

    static func make(
        _ spec: RolloutSpec, _ inventory: RolloutInventory, target: (HostID) -> String?
    ) throws(RolloutPlanError) -> RolloutPlan {
        var planned: [Host] = []
        var skipped: [Skipped] = []
        for candidate in inventory.hosts.sorted(by: { $0.host < $1.host }) {
            let containers = matching(spec, candidate)
            guard !containers.isEmpty, let image = target(candidate.host) else { continue }
            if candidate.state == .unreachable || candidate.state == .dead {
                skipped.append(
                    Skipped(host: candidate.host, reason: "\(candidate.state.rawValue): \(candidate.reason)"))
            } else if containers.allSatisfy({ $0.image == image }) {
                skipped.append(Skipped(host: candidate.host, reason: "runs \(image) already"))
            } else {
                planned.append(
                    Host(
                        host: candidate.host, images: Set(containers.map(\.image)).sorted(),
                        containers: containers.map(\.name).sorted(), targetImage: image))
            }
        }
        let found = planned.count + skipped.count
        guard found > 0 else { throw .nothingSelected(select: Labels(spec.select), hosts: Labels(spec.hosts)) }
        guard spec.expect.contains(found) else { throw .unexpectedCount(found: found, expected: spec.expect) }
        guard !planned.isEmpty || skipped.contains(where: { $0.reason.hasPrefix("runs ") }) else {
            throw .nobodyReachable(skipped.map { "\($0.host) is \($0.reason)" })
        }
        return RolloutPlan(
            spec: spec, hosts: planned, waves: waves(spec, planned.count), skipped: skipped,
            maxInFlight: spec.maxInFlight == .percent(10)
                ? min(20, spec.maxInFlight.count(of: planned.count)) : spec.maxInFlight.count(of: planned.count))
    }

    private static func matching(_ spec: RolloutSpec, _ candidate: RolloutInventory.Host) -> [Container] {
        guard spec.hosts.allSatisfy({ candidate.labels[$0.key] == $0.value }) else { return [] }
        return candidate.containers.filter { container in
            !container.name.contains(parkedMark) && container.state != .removing && container.state != .dead
                && spec.select.allSatisfy { container.labels[$0.key] == $0.value }
        }
    }

    private static func waves(_ spec: RolloutSpec, _ total: Int) -> [Wave] {
        var waves: [Wave] = []
        var next = 0
        while next < total {
            let wave = spec.waves[min(waves.count, spec.waves.count - 1)]
            let end = min(total, next + wave.size.count(of: total))
            waves.append(Wave(hosts: Array(next..<end), bake: wave.bake))
            next = end
        }
        return waves
    }

    /// What has changed on the planned hosts since the plan was made, for people; empty when it still fits. A plan that
    /// does not fit is made anew, never bent.
    package func drift(from inventory: RolloutInventory) -> [String] {
        let now = Dictionary(inventory.hosts.map { ($0.host, $0) }) { first, _ in first }
        return hosts.compactMap { planned in
            guard let host = now[planned.host] else { return "host \(planned.host) is gone" }
            let containers = Self.matching(spec, host)
            let images = Set(containers.map(\.image)).sorted()
            if images != planned.images {
                return "host \(planned.host) runs \(images.joined(separator: ", ")), planned was "
                    + planned.images.joined(separator: ", ")
            }
            guard containers.map(\.name).sorted() != planned.containers else { return nil }
            return "host \(planned.host) has other containers than planned"
        }
    }

    /// Hosts that both plans touch, in order: two rollouts at one time on one host are refused.
    package func overlap(with other: RolloutPlan) -> [HostID] {
        Set(hosts.map(\.host)).intersection(other.hosts.map(\.host)).sorted()
    }
}

package enum RolloutPlanError: Error, Equatable, CustomStringConvertible {
    case nothingSelected(select: Labels, hosts: Labels)
    case unexpectedCount(found: Int, expected: ClosedRange<Int>)
    case nobodyReachable([String])
    case nothingToUndo(String)

    package var description: String {
        switch self {
        case .nothingSelected(let select, let hosts):
            "no container carries the labels \(select)" + (hosts.isEmpty ? "" : " on a host with \(hosts)")
                + "; muster containers lists what there is"
        case .unexpectedCount(let found, let expected):
            "the selector finds \(found) hosts, expected were \(expected.lowerBound) to \(expected.upperBound); "
                + "narrow target.select or change target.expect"
        case .nobodyReachable(let hosts): "no selected host can be reached: \(hosts.joined(separator: "; "))"
        case .nothingToUndo(let reason): "there is nothing to undo: \(reason)"
        }
    }
}
