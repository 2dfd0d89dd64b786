import MusterHost
import MusterModel
import MusterRollouts
import Testing

@Suite struct ReplacementSlotTests {
    static let step = RolloutStep(
        rollout: ExampleNames.rollout("r1"), step: "swap", attempt: 1, epoch: 1, host: ExampleNames.host("h"),
        action: .restore,
        expiresAt: .distantFuture)

    /// `name status policy`.
    private static func container(_ id: String, _ text: String, labels: [String: String] = [:]) -> DockerContainer? {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 3 else { return nil }
        return DockerContainer(
            .object([
                .init("Id", .string(id)), .init("Name", .string("/" + words[0])),
                .init("State", .object([.init("Status", .string(words[1]))])),
                .init("HostConfig", .object([.init("RestartPolicy", .object([.init("Name", .string(words[2]))]))])),
                .init("Config", .object([.init("Image", .string("web:1")), .init("Labels", .texts(labels))])),
            ]))
    }

    private static func slot(new: String, old: String, oldBefore: String = "web running always") throws
        -> ReplacementSlot
    {
        let before = try #require(container("old", oldBefore))
        let notes = StepLabels(step, replacing: before)
        let made = container("new", new, labels: notes.dictionary)
        return ReplacementSlot(old: container("old", old), new: made, notes: made == nil ? nil : notes)
    }

    static let parked = "web.muster-old-r1.swap"
    static let coming = "web.muster-new-r1.swap"
    static let failed = "web.muster-failed-r1.swap"

    @Test(arguments: [
        ("-", "web running always", ReplacementSlot.Move.create),
        ("\(coming) created always", "web running always", .park),
        ("\(coming) created always", "web exited always", .park),
        ("\(coming) created always", "web restarting always", .disarm),
        ("\(coming) created always", "web restarting no", .stopOld),
        ("\(coming) created always", "\(parked) running always", .disarm),
        ("\(coming) created always", "\(parked) running no", .stopOld),
        ("\(coming) created always", "\(parked) restarting no", .stopOld),
        ("\(coming) created always", "\(parked) exited no", .place),
        ("web created always", "\(parked) exited no", .start),
        ("web running always", "\(parked) exited no", .verify),
        ("web exited no", "\(parked) exited no", .verify),
        ("web restarting always", "\(parked) exited no", .verify),
        ("web running always", "-", .verify),
        ("\(failed) exited no", "\(parked) exited no", .markFailed),
    ])
    func everyMoveForward(_ new: String, _ old: String, _ move: ReplacementSlot.Move) throws {
        #expect(try Self.slot(new: new, old: old).forward == move)
    }

    @Test(arguments: [
        ("-", "web running always", ReplacementSlot.Move.done),
        ("-", "-", .done),
        ("\(coming) created always", "web running always", .markFailed),
        ("\(coming) created always", "\(parked) running no", .markFailed),
        ("web running always", "\(parked) exited no", .stopNew),
        ("web restarting always", "\(parked) exited no", .stopNew),
        ("web exited always", "\(parked) exited no", .markFailed),
        ("\(failed) running always", "\(parked) exited no", .stopNew),
        ("\(failed) exited always", "\(parked) exited no", .unpark),
        ("\(failed) exited always", "web exited no", .rearm),
        ("\(failed) exited always", "web exited always", .startOld),
        ("\(failed) exited always", "web running always", .removeNew),
        ("\(failed) created always", "web restarting always", .removeNew),
    ])
    func everyMoveBack(_ new: String, _ old: String, _ move: ReplacementSlot.Move) throws {
        #expect(try Self.slot(new: new, old: old).back == move)
    }

    @Test(arguments: [
        ("-", "-"), ("\(coming) created always", "-"), ("\(coming) created always", "other running always"),
        ("other running always", "\(parked) exited no"),
    ])
    func whatSomebodyElseMovedIsImpossibleForward(_ new: String, _ old: String) throws {
        guard case .impossible(let reason) = try Self.slot(new: new, old: old).forward else {
            Issue.record("it was possible")
            return
        }
        #expect(reason.contains("gone") || reason.contains("by somebody else"))
    }

    @Test(arguments: [("web running always", "-"), ("\(failed) exited always", "other exited no")])
    func whatSomebodyElseMovedIsImpossibleBack(_ new: String, _ old: String) throws {
        guard case .impossible = try Self.slot(new: new, old: old).back else {
            Issue.record("it was possible")
            return
        }
    }

    @Test func whatDidNotRunBeforeIsNotStarted() throws {
        let slot = try Self.slot(
            new: "\(Self.failed) exited always", old: "web exited no", oldBefore: "web exited no")
        #expect(slot.back == .removeNew)
    }

    @Test func theWayForwardAndTheWayBackBothEnd() throws {
        // Every move changes what Docker shows so that the next row of the table follows.
        var new = "-"
        var old = "web running always"
        var moves: [ReplacementSlot.Move] = []
        while moves.last != .verify, moves.count < 20 {
            let move = try Self.slot(new: new, old: old).forward
            moves.append(move)
            switch move {
            case .create: new = "\(Self.coming) created always"
            case .park: old = "\(Self.parked) running always"
            case .disarm: old = "\(Self.parked) running no"
            case .stopOld: old = "\(Self.parked) exited no"
            case .place: new = "web created always"
            case .start: new = "web running always"
            default: break
            }
        }
        #expect(moves == [.create, .park, .disarm, .stopOld, .place, .start, .verify])
        moves = []
        while moves.last != .done, moves.count < 20 {
            let move = try Self.slot(new: new, old: old).back
            moves.append(move)
            switch move {
            case .stopNew: new = "web exited always"
            case .markFailed: new = "\(Self.failed) exited always"
            case .unpark: old = "web exited no"
            case .rearm: old = "web exited always"
            case .startOld: old = "web running always"
            case .removeNew: new = "-"
            default: break
            }
        }
        #expect(moves == [.stopNew, .markFailed, .unpark, .rearm, .startOld, .removeNew, .done])
    }

    @Test func theNotebookIsReadAsItWasWritten() throws {
        let old = try #require(Self.container("old", "web running on-failure"))
        let notes = StepLabels(Self.step, replacing: old)
        #expect(StepLabels(notes.dictionary) == notes)
        for name in notes.dictionary.keys where name != "muster.old-running" {
            var less = notes.dictionary
            less[name] = nil
            #expect(StepLabels(less) == nil, "without \(name)")
        }
        #expect(StepLabels(["muster.rollout": "r1"]) == nil)
    }

    @Test func slotsAreFoundAmongEverythingElse() throws {
        let before = try #require(Self.container("old", "web running always"))
        let notes = StepLabels(Self.step, replacing: before)
        let containers = try [
            #require(Self.container("z", "zed running no")),
            #require(Self.container("old", "\(Self.parked) exited no")),
            #require(Self.container("new", "web running always", labels: notes.dictionary)),
            #require(Self.container("p", "other.muster-old-r0.swap exited no")),
        ]
        let slots = ReplacementSlot.slots(of: containers, candidates: true) { $0.rollout == "r1" }
        #expect(slots.map(\.name) == ["web", "zed"])
        #expect(slots[0].old?.id == "old")
        #expect(ReplacementSlot.slots(of: containers, candidates: false) { _ in true }.map(\.name) == ["web"])
        // Of a rollout before, it is a container like any other.
        #expect(
            ReplacementSlot.slots(of: containers, candidates: true) { $0.rollout == "r2" }.map(\.old?.id) == [
                "new", "z",
            ])
    }
}
