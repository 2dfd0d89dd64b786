import MusterModel

// Connections: dialled, late, cut, silent.

extension World {
    /// The agent dials; it hears what became of it after a while.
    func dial(_ agent: Int) {
        let life = agents[agent].life
        let isUnanswered = coordinator.pausedUntil > now || agents[agent].isPartitioned
        after(isUnanswered ? .seconds(5) : wayTime(), .dialled(agent: agent, life: life))
    }

    func connect(_ agent: Int, _ life: Int) {
        let dialled = Event.dialled(agent: agent, life: life)
        guard agents[agent].life == life, agents[agent].process != nil else { return }
        if agents[agent].pausedUntil > now { return queue.push(dialled, at: agents[agent].pausedUntil) }
        let canConnect = coordinator.process != nil && coordinator.pausedUntil <= now && !agents[agent].isPartitioned
        guard canConnect else { return withAgent(agent) { $0.dialFailed() } }
        lastLink += 1
        let link = Link(id: lastLink, agent: agent, agentLife: life, coordinatorLife: coordinator.life)
        links[link.id] = link
        note("connected", agent, UInt64(link.id))
        withCoordinator { $0.accepted(link) }
        withAgent(agent) { $0.connected(link) }
    }

    private func wayTime() -> Duration {
        .nanoseconds(Int64.random(in: 100_000...max(200_000, plan.latency.nanoseconds), using: &generator))
    }

    func send(_ bytes: [UInt8], over link: Link, toAgent: Bool) {
        guard !bytes.isEmpty else { return }
        put(.bytes(bytes), link, toAgent: toAgent)
    }

    /// One end closes; the other hears of it behind what is on its way.
    func close(_ link: Link, byAgent: Bool) { put(.end, link, toAgent: !byAgent) }

    private func put(_ item: Link.Item, _ link: Link, toAgent: Bool) {
        guard !link.isSilent else { return }
        if toAgent {
            link.toAgent.append(item)
            link.agentHearsAt = max(link.agentHearsAt, now + wayTime())
        } else {
            link.toCoordinator.append(item)
            link.coordinatorHearsAt = max(link.coordinatorHearsAt, now + wayTime())
        }
        queue.push(
            .arrival(link: link.id, toAgent: toAgent), at: toAgent ? link.agentHearsAt : link.coordinatorHearsAt)
    }

    func arrived(_ id: Int, _ toAgent: Bool, _ event: Event) {
        guard let link = links[id], !link.isSilent else { return }
        let machine: Machine = toAgent ? agents[link.agent] : coordinator
        if machine.pausedUntil > now { return queue.push(event, at: machine.pausedUntil) }
        guard let item = next(link, toAgent) else { return }
        if toAgent {
            if link.agentLife == machine.life { withAgent(link.agent) { $0.arrived(item, over: link) } }
        } else {
            if link.coordinatorLife == machine.life { withCoordinator { $0.arrived(item, over: link) } }
        }
    }

    /// The first of what is on its way; bytes may come in two pieces.
    private func next(_ link: Link, _ toAgent: Bool) -> Link.Item? {
        var items = toAgent ? link.toAgent : link.toCoordinator
        guard let first = items.first else { return nil }
        items.removeFirst()
        var arriving = first
        if case .bytes(let bytes) = first, bytes.count > 1, chance(10) {
            let cut = Int.random(in: 1..<bytes.count, using: &generator)
            arriving = .bytes(Array(bytes[..<cut]))
            items.insert(.bytes(Array(bytes[cut...])), at: 0)
            queue.push(.arrival(link: link.id, toAgent: toAgent), at: now)
        }
        if toAgent { link.toAgent = items } else { link.toCoordinator = items }
        return arriving
    }

    /// A process is gone: its kernel says so to the peers, or nobody does.
    func endLinks(ofAgent agent: Int?, silently: Bool) {
        for id in links.keys.sorted() {
            guard let link = links[id], agent.map({ link.agent == $0 }) ?? true else { continue }
            if silently { link.isSilent = true } else { close(link, byAgent: agent != nil) }
        }
    }

    func forgetLink(_ link: Link) {
        // The last one to look turns off the light.
        if agents[link.agent].process?.link !== link, coordinator.process?.serves(link) != true {
            links[link.id] = nil
        }
    }
}
