import MusterModel

// The queue of each webhook: one message that goes out, one that follows.

extension AlertGroups {
    /// What may be on its way keeps its place, and the new message follows it. What waits for another try is replaced,
    /// so that a receiver that comes back hears the present, once.
    func enqueue(_ group: inout AlertGroup, _ level: Int, _ url: String, _ new: AlertGroup.Pending) {
        guard let index = group.slots.firstIndex(where: { $0.level == level && $0.url == url }) else {
            group.slots.append(AlertGroup.Slot(level: level, url: url, current: new, next: nil))
            return
        }
        let current = group.slots[index].current
        guard !inFlight.contains(current.id) else {
            group.slots[index].next = Self.merged(group.slots[index].next, into: new)
            return
        }
        // The receiver's own wish to be left alone, and the count that makes retries rarer, outlive the message.
        var replacing = Self.merged(current, into: new)
        replacing.attempts = current.attempts
        replacing.tryAt = max(current.tryAt, new.tryAt)
        group.slots[index].current = replacing
    }

    /// The message of a slot has left it, delivered or not; the one behind it is due at once.
    static func advance(_ group: inout AlertGroup, _ index: Int, isDelivered: Bool, _ now: Instant) {
        guard var next = group.slots[index].next else {
            group.slots.remove(at: index)
            return
        }
        next.tryAt = now
        // What was not delivered may have told of ends that nobody else tells.
        group.slots[index].current = isDelivered ? next : merged(group.slots[index].current, into: next)
        group.slots[index].next = nil
    }

    static func deadLetter(_ group: AlertGroup, _ slot: AlertGroup.Slot, _ reason: String) -> DeadLetter {
        DeadLetter(
            id: slot.current.id, groupKey: group.key, receiver: slot.current.message.receiver, url: slot.url,
            reason: reason)
    }

    /// A level none of whose webhooks can be reached is not waited for.
    static func escalateIfDeaf(_ group: inout AlertGroup, _ level: Int, _ now: Instant) {
        guard group.escalateAt != nil, level == group.level, level < group.logs.count,
            group.logs[level]?.isHeard == false,
            !group.slots.contains(where: { $0.level == level })
        else { return }
        group.escalateAt = now
    }

    /// 1 s, 2 s, 4 s and so on up to a minute.
    static func backoff(_ attempts: Int) -> Duration {
        let doublings = min(max(attempts - 1, 0), 16)
        let wait = AlertLimits.firstRetry.nanoseconds << Int64(doublings)
        return min(.nanoseconds(wait), AlertLimits.longestRetry)
    }

    private static func merged(_ old: AlertGroup.Pending?, into new: AlertGroup.Pending) -> AlertGroup.Pending {
        guard let old else { return new }
        var merged = new
        let known = Set(new.message.alerts.map(\.fingerprint))
        let ends = old.message.alerts.filter { $0.status == .resolved && !known.contains($0.fingerprint) }
        let room = max(0, AlertLimits.alertsPerMessage - new.message.alerts.count)
        merged.message.alerts += ends.prefix(room)
        merged.message.truncatedAlerts += max(0, ends.count - room)
        return merged
    }
}
