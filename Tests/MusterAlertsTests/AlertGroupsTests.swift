import MusterAlerts
import MusterModel
import Testing

@Suite struct AlertGroupsTests {
    @Test func alertsThatFireTogetherAreOneNotification() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x")
        try world.run(to: 5)
        try world.fire("y")
        try world.run(to: 60)
        #expect(world.lines == ["10 a firing x,y (first notification)"])
        #expect(world.key == "{}:{alertname=\"Down\"}")
    }

    @Test func theMessageHasAlertmanagersFields() throws {
        var world = AlertWorld(AlertWorld.config())
        world.answers["a"] = .silent
        try world.fire("x", "y")
        world.now = AlertWorld.start + .seconds(10)
        let effect = world.groups.tick(now: world.now)
        let message = try #require(effect.send.first?.message)
        #expect(message.version == "4")
        #expect(message.receiver == "team")
        #expect(message.status == .firing)
        #expect(message.groupLabels == ["alertname": "Down"])
        #expect(message.commonLabels == ["alertname": "Down"])
        #expect(message.commonAnnotations == [:])
        #expect(message.alerts.first?.endsAt == "0001-01-01T00:00:00Z")
        #expect(message.alerts.first?.startsAt == "1970-01-12T13:46:40.000Z")
        #expect(message.escalation == WebhookMessage.Escalation(level: 1, levels: 1, round: 1, acknowledgedBy: nil))
        #expect(message.notificationID == effect.send.first?.id)
        #expect(try stored(message) == message)
    }

    @Test func whatChangesIsToldAtTheInterval() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x", "y")
        try world.run(to: 20)
        try world.fire("z")
        try world.run(to: 75)
        try world.resolve("x")
        try world.run(to: 140)
        try world.resolve("y", "z")
        try world.run(to: 2_000)
        #expect(
            world.lines == [
                "10 a firing x,y (first notification)", "70 a firing x,y,z (new alerts added)",
                "130 a firing y,z; resolved x (some alerts resolved)",
                "190 a resolved ; resolved y,z (all alerts resolved)",
            ])
        #expect(world.store.isEmpty)
        #expect(world.groups.wakeAt == nil)
    }

    @Test func whatFiredAndEndedUnheardIsNobodysConcern() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x")
        try world.run(to: 5)
        try world.resolve("x")
        try world.run(to: 100)
        #expect(world.lines.isEmpty)
        #expect(world.store.isEmpty)
        // Also between two flushes.
        try world.fire("y")
        try world.run(to: 120)
        try world.fire("z")
        try world.resolve("z")
        try world.run(to: 400)
        #expect(world.lines == ["110 a firing y (first notification)"])
    }

    @Test func whatEndsAndFiresAgainBeforeTheFlushStaysQuiet() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x")
        try world.run(to: 20)
        try world.resolve("x")
        try world.fire("x")
        try world.run(to: 200)
        #expect(world.lines == ["10 a firing x (first notification)"])
        try world.resolve("x")
        try world.run(to: 300)
        #expect(world.lines.last == "250 a resolved ; resolved x (all alerts resolved)")
        try world.fire("x")
        try world.run(to: 400)
        #expect(world.lines.last == "310 a firing x (first notification)")
        #expect(Set(world.sent.map(\.id)).count == 3)
    }

    @Test func theSameIsRepeatedAtTheFlushAfterItsInterval() throws {
        var world = AlertWorld(AlertWorld.config(again: 150))
        try world.fire("x")
        try world.run(to: 400)
        #expect(
            world.lines == [
                "10 a firing x (first notification)", "190 a firing x (repeat interval elapsed)",
                "370 a firing x (repeat interval elapsed)",
            ])
        try world.perform(world.groups.acknowledged(world.key, by: "ann", now: world.now))
        try world.run(to: 2_000)
        #expect(world.sent.count == 3)
        try world.fire("y")
        try world.run(to: 2_100)
        #expect(world.sent.count == 4)
    }

    @Test func nobodyAcknowledgesSoTheNextLevelIsCalled() throws {
        var world = AlertWorld(AlertWorld.twoLevels)
        try world.fire("x")
        try world.run(to: 330)
        #expect(world.lines == ["10 a firing x (first notification)", "310 b firing x (escalated)"])
        #expect(AlertListing.all(rules: AlertRules([]), groups: world.groups).first?.escalation.level == 2)
        try world.resolve("x")
        try world.run(to: 400)
        #expect(
            world.lines.dropFirst(2).map { $0 } == [
                "370 a resolved ; resolved x (all alerts resolved)",
                "370 b resolved ; resolved x (all alerts resolved)",
            ])
    }

    @Test func acknowledgementStopsTheClimbAndWithdrawingItGoesOn() throws {
        var world = AlertWorld(AlertWorld.twoLevels)
        try world.fire("x")
        try world.run(to: 100)
        try world.perform(world.groups.acknowledged(world.key, by: "ann", now: world.now))
        #expect(throws: AlertGroups.AcknowledgeError.alreadyAcknowledged(by: "ann")) {
            try world.groups.acknowledged(world.key, by: "bob", now: world.now)
        }
        let listing = try #require(AlertListing.all(rules: AlertRules([]), groups: world.groups).first)
        #expect(listing.escalation == AlertListing.Escalation(level: 1, acknowledgedBy: "ann"))
        try world.run(to: 500)
        try world.crash()
        try world.run(to: 550)
        #expect(world.sent.count == 1)
        try world.perform(world.groups.acknowledgementWithdrawn(world.key, now: world.now))
        #expect(try world.groups.acknowledgementWithdrawn(world.key, now: world.now) == AlertGroups.Effect())
        try world.run(to: 900)
        #expect(world.lines.contains("850 b firing x (escalated)"))
        // The level that was never told hears of no end.
        var quiet = AlertWorld(AlertWorld.twoLevels)
        try quiet.fire("x")
        try quiet.run(to: 100)
        try quiet.perform(quiet.groups.acknowledged(quiet.key, by: "ann", now: quiet.now))
        try quiet.resolve("x")
        try quiet.run(to: 200)
        #expect(quiet.sent.map(\.url) == ["a", "a"])
        #expect(throws: AlertGroups.AcknowledgeError.unknownGroup("no")) {
            try quiet.groups.acknowledged("no", by: "x", now: quiet.now)
        }
    }

    @Test func theLadderIsClimbedAgainAsOftenAsItSays() throws {
        let levels = [
            AlertReceiver.Level(webhooks: ["a"]), AlertReceiver.Level(webhooks: ["b"], after: .seconds(50)),
        ]
        var world = AlertWorld(AlertWorld.config(levels, repeats: 1, interval: 10_000))
        try world.fire("x")
        try world.run(to: 2_000)
        #expect(
            world.lines == [
                "10 a firing x (first notification)", "60 b firing x (escalated)", "160 a firing x (escalated)",
                "210 b firing x (escalated)",
            ])
    }

    @Test func whatEndedButWasNotToldHoldsTheClimb() throws {
        var world = AlertWorld(
            AlertWorld.config(
                [AlertReceiver.Level(webhooks: ["a"]), AlertReceiver.Level(webhooks: ["b"], after: .seconds(30))],
                interval: 100))
        try world.fire("x")
        try world.run(to: 20)
        try world.resolve("x")
        try world.run(to: 60)
        #expect(world.sent.count == 1)
        try world.fire("x")
        try world.run(to: 61)
        #expect(world.lines.last == "60 b firing x (escalated)")
    }

    @Test func aLevelThatCannotBeReachedIsNotWaitedFor() throws {
        var world = AlertWorld(AlertWorld.twoLevels)
        world.answers["a"] = .gone
        try world.fire("x")
        try world.run(to: 20)
        #expect(world.lines == ["10 a firing x (first notification)", "10 b firing x (escalated)"])
        #expect(world.deadLetters.map(\.reason) == ["HTTP 404"])
    }

    @Test func aReceiverThatWasAwayHearsThePresentOnce() throws {
        var world = AlertWorld(AlertWorld.config())
        world.answers["a"] = .busy
        try world.fire("x", "y")
        try world.run(to: 100)
        try world.fire("z")
        try world.run(to: 140)
        try world.resolve("x")
        try world.run(to: 200)
        #expect(world.delivered.isEmpty)
        world.answers["a"] = .ok
        try world.run(to: 400)
        #expect(world.delivered.count == 1)
        #expect(world.delivered.first?.firing == ["y", "z"])
        #expect(world.delivered.first?.resolved == ["x"])
    }

    @Test func retriesComeLessOftenAndAReceiversWishIsKept() throws {
        var world = AlertWorld(AlertWorld.config(interval: 100_000))
        world.answers["a"] = .busy
        try world.fire("x")
        try world.run(to: 300)
        #expect(world.sent.map(\.second) == [10, 11, 13, 17, 25, 41, 73, 133, 193, 253])
        #expect(Set(world.sent.map(\.id)).count == 1)
        world.answers["a"] = .silent
        try world.run(to: 313)
        let id = try #require(world.sent.last?.id)
        try world.perform(world.groups.failed(id, reason: "HTTP 429", retryAfter: .seconds(1_000), now: world.now))
        try world.run(to: 1_400)
        #expect(world.sent.last?.second == 1_313)
        // Reports of what is no longer in flight change nothing.
        #expect(world.groups.failed("nobody", reason: "x", now: world.now) == AlertGroups.Effect())
        #expect(world.groups.delivered("nobody", now: world.now) == AlertGroups.Effect())
    }

    @Test func aMessageNobodyTakesForADayIsGivenUp() throws {
        var world = AlertWorld(AlertWorld.config(interval: 1_000_000))
        world.answers["a"] = .busy
        try world.fire("x")
        try world.run(to: 86_500)
        #expect(world.deadLetters.map(\.reason) == ["not delivered within 1d"])
        try world.run(to: 200_000)
        #expect(world.sent.allSatisfy { $0.second <= 86_410 })
    }

    @Test func aNewerMessageFollowsTheOneInFlight() throws {
        var world = AlertWorld(AlertWorld.config())
        world.answers["a"] = .silent
        try world.fire("x")
        try world.run(to: 20)
        try world.fire("y")
        try world.run(to: 100)
        #expect(world.sent.count == 1)
        world.answers["a"] = .ok
        try world.perform(world.groups.delivered(world.sent[0].id, now: world.now))
        #expect(world.lines == ["10 a firing x (first notification)", "100 a firing x,y (new alerts added)"])
    }

    @Test func aRunningIncidentKeepsWhatItBeganWith() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x")
        try world.run(to: 20)
        world.config = AlertingConfig(
            route: AlertRoute(receiver: "new", groupWait: .zero),
            receivers: [AlertReceiver(name: "new", levels: [AlertReceiver.Level(webhooks: ["n"])])])
        world.groups.configured(world.config)
        try world.fire("x")
        try world.fire("fresh")
        try world.run(to: 60)
        try world.resolve("x")
        try world.run(to: 100)
        #expect(
            world.lines == [
                "10 a firing x (first notification)", "20 n firing fresh (first notification)",
                "70 a resolved ; resolved x (all alerts resolved)",
            ])
    }

    @Test func reconcilingFindsWhatWasLost() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x", "y")
        try world.run(to: 20)
        try world.perform(
            world.groups.reconciled(firing: [world.alert("y", .firing), world.alert("z", .firing)], now: world.now))
        try world.run(to: 80)
        #expect(world.lines.last == "70 a firing y,z; resolved x (new alerts added)")
        try world.perform(world.groups.reconciled(firing: [], now: world.now))
        try world.run(to: 200)
        #expect(world.lines.last == "130 a resolved ; resolved y,z (all alerts resolved)")
    }

    @Test func eachAlertAloneAndSeveralRoutesForOne() throws {
        let each = AlertRoute(path: "{}/each", receiver: "team", groupBy: .each, groupWait: .zero, isContinued: true)
        let all = AlertRoute(path: "{}/all", receiver: "team", groupWait: .zero)
        var world = AlertWorld(
            AlertingConfig(
                route: AlertRoute(receiver: "team", routes: [each, all]),
                receivers: [AlertReceiver(name: "team", levels: [AlertReceiver.Level(webhooks: ["a"])])]))
        try world.fire("x", "y")
        try world.run(to: 1)
        #expect(world.sent.map { $0.firing.joined(separator: ",") }.sorted() == ["x", "x,y", "y"])
        #expect(world.groups.groupKeys(of: world.alert("x", .firing).fingerprint).count == 2)
    }

    @Test func groupsAlertsAndMessagesAreBounded() throws {
        var world = AlertWorld(AlertWorld.config())
        let crowd = (0..<AlertLimits.alertsPerGroup + 5).map { world.alert("n\($0)", .firing) }
        try world.perform(world.groups.alertsChanged(crowd, now: world.now))
        #expect(world.refused == 5)
        world.now = AlertWorld.start + .seconds(10)
        let effect = world.groups.tick(now: world.now)
        #expect(effect.send.first?.message.alerts.count == AlertLimits.alertsPerMessage)
        #expect(
            effect.send.first?.message.truncatedAlerts == AlertLimits.alertsPerGroup - AlertLimits.alertsPerMessage)
        var many = AlertGroups(
            AlertingConfig(
                route: AlertRoute(receiver: "team", groupBy: .each),
                receivers: [AlertReceiver(name: "team", levels: [AlertReceiver.Level(webhooks: ["a"])])]))
        let flood = (0..<AlertLimits.groupsMax + 3).map { world.alert("g\($0)", .firing) }
        #expect(many.alertsChanged(flood, now: world.now).refusedAlerts == 3)
        #expect(many.allGroups.count == AlertLimits.groupsMax)
    }

    @Test func annotationsAloneAreNoReasonToWrite() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x")
        var alert = world.alert("x", .firing)
        alert.annotations = ["summary": "now 17"]
        let effect = world.groups.alertsChanged([alert], now: world.now)
        #expect(effect == AlertGroups.Effect())
        #expect(
            AlertListing.all(rules: AlertRules([]), groups: world.groups).first?.annotations == ["summary": "now 17"])
    }

    @Test func theListingShowsPendingAndGroupedAlertsWithEveryField() throws {
        var world = AlertWorld(AlertWorld.config())
        try world.fire("x")
        let rule = AlertRule(
            id: "r2", group: "g", name: "Slow", expression: "x",
            expressionPosition: SourcePosition(file: "f", line: 1, column: 1),
            holdFor: .minutes(1))
        var rules = AlertRules([rule])
        _ = rules.evaluated("r2", results: [([:], 1)], now: world.now)
        let listing = AlertListing.all(rules: rules, groups: world.groups)
        #expect(listing.map(\.state) == ["pending", "firing"])
        #expect(listing.map(\.groupKey) == [nil, world.key])
        #expect(listing.map(\.escalation.level) == [0, 0])
        #expect(listing[1].activeAt == "1970-01-12T13:46:40.000Z")
        let fields = try jsonFields(listing[0])
        #expect(
            fields == [
                "activeAt", "annotations", "escalation", "fingerprint", "groupKey", "labels", "receiver", "state",
            ])
    }
}
