import Synchronization

/// The line on a terminal that says what a verb waits for: shown once, wiped when the answer begins, and never shown
/// after that.
package final class WaitingNotice: Sendable {
    /// A verb that takes longer says what it is waiting for.
    package static let delay = Duration.seconds(1)

    private enum State {
        case silent
        case shown
        case over
    }

    private let what: String
    private let write: @Sendable (String) -> Void
    private let state = Mutex(State.silent)

    package init(_ what: String, write: @escaping @Sendable (String) -> Void) {
        self.what = what
        self.write = write
    }

    package func show() {
        state.withLock { state in
            guard state == .silent else { return }
            state = .shown
            write("waiting for \(what) …")
        }
    }

    /// The answer has begun, or there will be none.
    package func end() {
        state.withLock { state in
            if state == .shown { write("\r\u{1B}[K") }
            state = .over
        }
    }
}
