import Foundation
import MusterModel
import Testing

@Suite struct StoredValues {
    struct State: Codable, Equatable {
        @Stored var at: Instant
        @Stored var until: Instant?
        @Stored var host: HostID?
        @Stored var rollout: RolloutID?
        @Stored var labels: Labels
        @Stored var value: Double
    }

    static let full = State(
        at: Instant(nanoseconds: 1_500), until: .distantFuture, host: HostID("web-01"), rollout: RolloutID("r-1"),
        labels: ["zone": "eu-1"], value: 0.1)
    static let empty = State(
        at: .distantPast, until: nil, host: nil, rollout: nil, labels: Labels(), value: -.infinity)

    @Test(arguments: [full, empty]) func `what is stored comes back as it was`(state: State) throws {
        #expect(try JSONDecoder().decode(State.self, from: try JSONEncoder().encode(state)) == state)
    }

    @Test func `a number that is none keeps its bits`() throws {
        var state = Self.full
        state.value = StaleMarker.value
        let read = try JSONDecoder().decode(State.self, from: try JSONEncoder().encode(state))
        #expect(read.value.bitPattern == StaleMarker.bitPattern)
    }

    @Test func `the form on the disk does not change`() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(
            String(decoding: try encoder.encode(Self.full), as: UTF8.self)
                == #"{"at":1500,"host":"web-01","labels":{"zone":"eu-1"},"rollout":"r-1","until":9223372036854775807,"#
                + #""value":4591870180066957722}"#)
    }

    @Test(arguments: [
        #"{"at":0,"host":"../etc","labels":{},"rollout":null,"until":null,"value":0}"#,
        #"{"at":0,"host":null,"labels":{},"rollout":"","until":null,"value":0}"#,
        #"{"at":"now","host":null,"labels":{},"rollout":null,"until":null,"value":0}"#,
        #"{"at":0,"host":null,"labels":{"a":1},"rollout":null,"until":null,"value":0}"#,
        #"{"at":0,"host":null,"labels":{},"rollout":null,"until":null,"value":0.5}"#,
    ])
    func `a damaged form is an error`(text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(State.self, from: Data(text.utf8)) }
    }
}
