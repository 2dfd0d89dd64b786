import MusterControlStore

extension ControlStoreError {
    /// Whether the same transaction may succeed later: space is freed, a lock is given up, a person repairs the store.
    /// What is not of that kind is wrong in itself; asked for again and again it would hold up everything behind it.
    var mayPass: Bool {
        switch self {
        case .conflict, .compacted, .futureRevision, .invalid, .tooLarge: false
        case .diskFull, .locked, .newerSchema, .damaged, .closed, .cancelled, .engine: true
        }
    }
}
