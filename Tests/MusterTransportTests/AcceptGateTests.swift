import MusterModel
import MusterTransport
import Testing

@Suite struct AcceptGateTests {
    let start = Instant(seconds: 1_000)

    func gate(_ change: (inout AcceptGate.Limits) -> Void) -> AcceptGate {
        var limits = AcceptGate.Limits()
        change(&limits)
        return AcceptGate(limits)
    }

    @Test func `the number of connections from one address is bounded`() {
        var gate = gate { $0.connectionsPerAddress = 2 }
        for id in UInt64(1)...2 {
            #expect(gate.connectionAccepted(id, from: "a", now: start) == .admit(evicting: nil))
            gate.connectionAuthenticated(id)
        }
        #expect(gate.connectionAccepted(3, from: "a", now: start) == .refuse(.tooManyFromAddress(2)))
        #expect(gate.connectionAccepted(4, from: "b", now: start) == .admit(evicting: nil))
        gate.connectionClosed(1)
        #expect(gate.connectionAccepted(5, from: "a", now: start) == .admit(evicting: nil))
    }

    @Test func `a stranger makes room for the next, a known peer does not`() {
        var gate = gate { $0.connections = 2 }
        #expect(gate.connectionAccepted(1, from: "a", now: start) == .admit(evicting: nil))
        #expect(gate.connectionAccepted(2, from: "b", now: start) == .admit(evicting: nil))
        gate.connectionAuthenticated(1)
        #expect(gate.connectionAccepted(3, from: "c", now: start) == .admit(evicting: 2))
        gate.connectionAuthenticated(3)
        #expect(gate.connectionAccepted(4, from: "d", now: start) == .refuse(.tooManyConnections(2)))
        #expect(gate.connectionCount == 2)
        gate.connectionClosed(2)
        #expect(gate.connectionCount == 2)
    }

    @Test func `of too many strangers the oldest goes`() {
        var gate = gate { $0.unauthenticated = 3 }
        for id in UInt64(1)...3 {
            #expect(gate.connectionAccepted(id, from: "\(id)", now: start) == .admit(evicting: nil))
        }
        #expect(gate.connectionAccepted(4, from: "4", now: start) == .admit(evicting: 1))
        gate.connectionAuthenticated(2)
        #expect(gate.connectionAccepted(5, from: "5", now: start) == .admit(evicting: nil))
        #expect(gate.connectionAccepted(6, from: "6", now: start) == .admit(evicting: 3))
        #expect(gate.unauthenticatedCount == 3)
        #expect(gate.connectionCount == 4)
    }

    @Test func `strangers of one address do not push out those of others`() {
        var gate = gate { $0.unauthenticatedPerAddress = 1 }
        #expect(gate.connectionAccepted(1, from: "a", now: start) == .admit(evicting: nil))
        #expect(gate.connectionAccepted(2, from: "a", now: start) == .refuse(.tooManyUnauthenticatedFromAddress(1)))
        #expect(gate.connectionAccepted(3, from: "b", now: start) == .admit(evicting: nil))
        gate.connectionAuthenticated(1)
        #expect(gate.connectionAccepted(4, from: "a", now: start) == .admit(evicting: nil))
    }

    @Test func `the rate is bounded and comes back with time`() {
        var gate = gate {
            $0.acceptsPerSecond = 10
            $0.acceptBurst = 2
        }
        #expect(gate.connectionAccepted(1, from: "a", now: start) == .admit(evicting: nil))
        #expect(gate.connectionAccepted(2, from: "a", now: start) == .admit(evicting: nil))
        #expect(gate.connectionAccepted(3, from: "a", now: start) == .refuse(.tooFast(perSecond: 10)))
        let later = start + .milliseconds(100)
        #expect(gate.connectionAccepted(4, from: "a", now: later) == .admit(evicting: nil))
        #expect(gate.connectionAccepted(5, from: "a", now: later) == .refuse(.tooFast(perSecond: 10)))
        // A clock that steps back gives nothing and takes nothing.
        #expect(gate.connectionAccepted(6, from: "a", now: start) == .refuse(.tooFast(perSecond: 10)))
        #expect(gate.connectionAccepted(7, from: "a", now: start + .hours(1)) == .admit(evicting: nil))
    }

    @Test func `events about unknown connections change nothing`() {
        var gate = AcceptGate()
        gate.connectionAuthenticated(9)
        gate.connectionClosed(9)
        #expect(gate.connectionCount == 0)
        #expect(gate.unauthenticatedCount == 0)
    }
}
