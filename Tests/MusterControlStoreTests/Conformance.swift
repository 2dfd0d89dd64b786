import MusterControlStore
import MusterModel
import Testing

/// What every engine of `ControlStore` must do, written against the protocol alone. Keys begin with a prefix of the
/// check's own, and revisions are compared with each other only, so that a shared server can be checked too.
struct Conformance: Sendable, CustomTestStringConvertible {
    let name: String
    let check: @Sendable (any ControlStore) async throws -> Void
    var testDescription: String { name }

    static let all: [Conformance] = [
        Conformance(name: "a value comes back with its revisions") { store in
            #expect(try await store.get("a/1") == nil)
            let first = try await store.transaction([], [.put("a/1", [1, 2])])
            #expect(
                try await store.get("a/1")
                    == ControlEntry(key: "a/1", value: [1, 2], createRevision: first, modRevision: first, version: 1))
            let second = try await store.transaction([], [.put("a/1", [])])
            #expect(second > first)
            #expect(
                try await store.get("a/1")
                    == ControlEntry(key: "a/1", value: [], createRevision: first, modRevision: second, version: 2))
            let third = try await store.transaction([], [.delete("a/1")])
            #expect(try await store.get("a/1") == nil)
            let fourth = try await store.transaction([], [.put("a/1", [3])])
            #expect(fourth > third)
            #expect(
                try await store.get("a/1")
                    == ControlEntry(key: "a/1", value: [3], createRevision: fourth, modRevision: fourth, version: 1))
        },
        Conformance(name: "a list has exactly the keys of its prefix, in order") { store in
            let keys = ["b/", "b/1", "b/10", "b/2", "b/~", "b0", "b", "b/1/x", "a/z"]
            _ = try await store.transaction([], keys.map { .put($0, Array($0.utf8)) })
            let listing = try await store.list(prefix: "b/")
            #expect(listing.entries.map(\.key) == ["b/", "b/1", "b/1/x", "b/10", "b/2", "b/~"])
            #expect(listing.entries.allSatisfy { $0.value == Array($0.key.utf8) })
            #expect(try await listing.revision == store.revision())
            #expect(try await store.list(prefix: "b/1").entries.map(\.key) == ["b/1", "b/1/x", "b/10"])
            #expect(try await store.list(prefix: "c").entries.isEmpty)
            #expect(try await store.list(prefix: "").entries.count >= keys.count)
        },
        Conformance(name: "a transaction is applied when all its preconditions hold, else not at all") { store in
            let made = try await store.transaction([.absent("t/1"), .absent("t/2")], [.put("t/1", [1])])
            await expectConflict("t/1", made) {
                try await store.transaction([.absent("t/1")], [.put("t/1", [9]), .put("t/2", [9])])
            }
            await expectConflict("t/2", nil) {
                try await store.transaction(
                    [.unchanged("t/1", modRevision: made), .unchanged("t/2", modRevision: made)], [.delete("t/1")])
            }
            #expect(try await store.list(prefix: "t/").entries.map(\.value) == [[1]])
            let changed = try await store.transaction(
                [.unchanged("t/1", modRevision: made)], [.put("t/1", [2]), .put("t/2", [2])])
            #expect(changed > made)
            await expectConflict("t/1", changed) {
                try await store.transaction([.unchanged("t/1", modRevision: made)], [.put("t/1", [3])])
            }
            let entries = try await store.list(prefix: "t/").entries
            #expect(entries.map(\.modRevision) == [changed, changed])
        },
        Conformance(name: "a transaction that changes nothing does not move the revision") { store in
            let made = try await store.transaction([], [.put("n/1", [1])])
            #expect(try await store.transaction([], []) == made)
            #expect(try await store.transaction([.unchanged("n/1", modRevision: made)], []) == made)
            #expect(try await store.transaction([], [.delete("n/absent")]) == made)
            #expect(try await store.revision() == made)
        },
        Conformance(name: "of many who compare and set one succeeds each time") { store in
            _ = try await store.transaction([], [.put("c/counter", [0])])
            let conflicts = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var conflicts = 0
                        var added = 0
                        while added < 10 {
                            guard let entry = try await store.get("c/counter") else { return conflicts }
                            do {
                                _ = try await store.transaction(
                                    [.unchanged("c/counter", modRevision: entry.modRevision)],
                                    [.put("c/counter", [entry.value[0] + 1])])
                                added += 1
                            } catch ControlStoreError.conflict {
                                conflicts += 1
                            }
                        }
                        return conflicts
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(try await store.get("c/counter")?.value == [80], "after \(conflicts) conflicts")
        },
        Conformance(name: "a watch tells every change of its prefix once, in order, whole transactions") { store in
            let start = try await store.transaction([], [.put("w/0", [0]), .put("x/0", [0])])
            var iterator = try await store.watch(prefix: "w/", after: start).makeAsyncIterator()
            let first = try await store.transaction([], [.put("w/1", [1]), .put("x/1", [1]), .delete("w/0")])
            _ = try await store.transaction([], [.put("x/2", [2])])
            let second = try await store.transaction([], [.put("w/1", [2])])
            #expect(
                try await iterator.next()
                    == ControlRevision(
                        revision: first,
                        events: [
                            .put(
                                ControlEntry(
                                    key: "w/1", value: [1], createRevision: first, modRevision: first, version: 1)),
                            .deleted("w/0"),
                        ]))
            #expect(
                try await iterator.next()
                    == ControlRevision(
                        revision: second,
                        events: [
                            .put(
                                ControlEntry(
                                    key: "w/1", value: [2], createRevision: first, modRevision: second, version: 2))
                        ]))
        },
        Conformance(name: "a watch from the past replays the history and then waits for more") { store in
            let start = try await store.transaction([], [.put("p/0", [])])
            for number in 1...600 {
                _ = try await store.transaction([], [.put("p/\(number % 7)", [UInt8(number % 256)])])
            }
            let stream = try await store.watch(prefix: "p/", after: start)
            let reader = Task {
                var revisions: [UInt64] = []
                for try await change in stream {
                    revisions.append(change.revision)
                    if revisions.count == 900 { break }
                }
                return revisions
            }
            for number in 1...300 {
                _ = try await store.transaction([], [.put("p/\(number % 7)", [UInt8(number % 256)])])
            }
            let revisions = try await reader.value
            #expect(revisions == revisions.sorted() && Set(revisions).count == 900)
            #expect(revisions.allSatisfy { $0 > start })
        },
        Conformance(name: "list and watch together miss nothing") { store in
            let writer = Task {
                for number in 0..<300 {
                    _ = try await store.transaction(
                        [], [.put("m/\(number % 5)", [UInt8(number % 256), UInt8(number / 256)])])
                }
                return try await store.transaction([], [.put("m/end", [])])
            }
            let listing = try await store.list(prefix: "m/")
            var view = Dictionary(uniqueKeysWithValues: listing.entries.map { ($0.key, $0) })
            for try await change in try await store.watch(prefix: "m/", after: listing.revision) {
                for event in change.events {
                    switch event {
                    case .put(let entry): view[entry.key] = entry
                    case .deleted(let key): view[key] = nil
                    }
                }
                if view["m/end"] != nil { break }
            }
            _ = try await writer.value
            #expect(try await store.list(prefix: "m/").entries == view.values.sorted { $0.key < $1.key })
        },
        Conformance(name: "a watch older than the history says so") { store in
            let old = try await store.transaction([], [.put("h/1", [1])])
            let kept = try await store.transaction([], [.put("h/1", [2])])
            let last = try await store.transaction([], [.put("h/1", [3])])
            try await store.compact(through: kept)
            await #expect(throws: ControlStoreError.compacted(oldest: kept)) {
                for try await _ in try await store.watch(prefix: "h/", after: old) { break }
            }
            var iterator = try await store.watch(prefix: "h/", after: kept).makeAsyncIterator()
            #expect(try await iterator.next()?.revision == last)
            #expect(try await store.get("h/1")?.value == [3])
        },
        Conformance(name: "a watch of quiet keys is not left behind by compaction") { store in
            let start = try await store.transaction([], [.put("q/1", [1])])
            let stream = try await store.watch(prefix: "q/", after: start)
            var iterator = stream.makeAsyncIterator()
            // It reads the next change, so that it knows where it stands.
            _ = try await store.transaction([], [.put("q/1", [2])])
            _ = try await iterator.next()
            let reader = Task {
                for try await change in stream { return change.revision }
                return 0
            }
            var last: UInt64 = 0
            for number in 1...50 { last = try await store.transaction([], [.put("other/1", [UInt8(number)])]) }
            // A change it waits for, so that it certainly has read past the others before they are forgotten.
            let seen = try await store.transaction([], [.put("q/1", [3])])
            #expect(try await reader.value == seen)
            try await store.compact(through: last)
        },
        Conformance(name: "entries expire when their time has come and watchers hear of it") { store in
            let start = try await store.transaction(
                [],
                [
                    .put("e/1", [1], expires: Instant(seconds: 10)), .put("e/2", [2], expires: Instant(seconds: 20)),
                    .put("e/3", [3]),
                ])
            #expect(try await store.get("e/1")?.expires == Instant(seconds: 10))
            #expect(try await store.expire(now: Instant(seconds: 9)).isEmpty)
            #expect(try await store.expire(now: Instant(seconds: 10)) == ["e/1"])
            #expect(try await store.list(prefix: "e/").entries.map(\.key) == ["e/2", "e/3"])
            var iterator = try await store.watch(prefix: "e/", after: start).makeAsyncIterator()
            #expect(try await iterator.next()?.events == [.deleted("e/1")])
            // A put without it takes the expiry away.
            _ = try await store.transaction([], [.put("e/2", [2])])
            #expect(try await store.expire(now: .distantFuture).isEmpty)
        },
        Conformance(name: "limits are refused with their reason and change nothing") { store in
            let before = try await store.revision()
            let longKey = String(repeating: "k", count: ControlLimit.keyBytes)
            for key in ["", "with space", "tab\t", "ümlaut", longKey + "k"] {
                await #expect(throws: ControlStoreError.self) { try await store.transaction([], [.put(key, [])]) }
                await #expect(throws: ControlStoreError.self) { try await store.get(key) }
                await #expect(throws: ControlStoreError.self) { try await store.transaction([.absent(key)], []) }
            }
            await #expect(throws: ControlStoreError.self) {
                try await store.transaction(
                    [], [.put("l/1", [UInt8](repeating: 0, count: ControlLimit.valueBytes + 1))])
            }
            let many = (0...ControlLimit.changes).map { ControlChange.put("l/\($0)", []) }
            await #expect(throws: ControlStoreError.self) { try await store.transaction([], many) }
            await #expect(throws: ControlStoreError.self) {
                try await store.transaction([], [.put("l/1", []), .delete("l/1")])
            }
            #expect(try await store.revision() == before)
            // At the limit everything works.
            _ = try await store.transaction([], Array(many.dropLast()))
            let value = [UInt8](repeating: 5, count: ControlLimit.valueBytes)
            _ = try await store.transaction([.absent(longKey)], [.put(longKey, value)])
            #expect(try await store.get(longKey)?.value == value)
        },
        Conformance(name: "a stopped watch ends and costs nothing") { store in
            let start = try await store.revision()
            let stream = try await store.watch(prefix: "s/", after: start)
            let reader = Task { for try await _ in stream {} }
            reader.cancel()
            try await reader.value
        },
    ]
}

func expectConflict(_ key: String, _ actual: UInt64?, _ body: () async throws -> UInt64) async {
    await #expect(throws: ControlStoreError.conflict(key: key, actual: actual)) { _ = try await body() }
}
