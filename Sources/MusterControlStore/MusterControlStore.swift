// MusterControlStore: the truth about intent (rollouts, silences, policies, tokens, acknowledgements).
//
// One ordered log of versioned keys: a transaction checks what it was based on, changes up to `Limit.changes` keys and
// moves one revision counter; a watch replays every change from a revision on, in order, and says so when the history
// no longer reaches back that far. `ControlStore` promises only what both an embedded database and etcd can keep, and
// one conformance suite runs on every engine. `SQLiteControlStore` is the embedded one: WAL, `synchronous=FULL`, so a
// transaction that returned is on disk.
//
// Telemetry, heartbeats and anything else at the rate of data do not belong here.
