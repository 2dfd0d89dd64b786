import Glibc

/// A wake-up for a thread, raised from anywhere: a byte in a pipe. Raises before a wait are not lost; several may wake
/// once or more often, so the thread looks at its queue each time.
final class WakeSignal: Sendable {
    private let readEnd: Int32
    private let writeEnd: Int32

    init() throws(StoreError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw StoreError(errno: errno, operation: "make", path: "a pipe") }
        readEnd = ends[0]
        writeEnd = ends[1]
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // A full pipe holds wake-ups enough: raising never blocks.
        _ = fcntl(writeEnd, F_SETFL, O_NONBLOCK)
    }

    deinit {
        _ = close(readEnd)
        _ = close(writeEnd)
    }

    func raise() {
        var byte: UInt8 = 1
        while unsafe write(writeEnd, &byte, 1) < 0, errno == EINTR {}
    }

    /// Blocks until it is raised.
    func wait() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while unsafe read(readEnd, &bytes, 64) < 0, errno == EINTR {}
    }
}

/// Runs `body` on a thread of its own, which ends with it.
func startThread(_ body: @escaping @Sendable () -> Void) throws(StoreError) {
    final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    let box = unsafe Unmanaged.passRetained(Body(body))
    var thread = pthread_t()
    let code = unsafe pthread_create(
        &thread, nil,
        { argument in
            if let argument = unsafe argument { unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }, box.toOpaque())
    guard code == 0 else {
        unsafe box.release()
        throw StoreError(errno: code, operation: "start", path: "a thread")
    }
    pthread_detach(thread)
}

/// Blocks this thread.
func pauseThread(_ duration: Duration) {
    guard duration > .zero else { return }
    let (seconds, attoseconds) = duration.components
    var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    var left = timespec()
    while unsafe nanosleep(&time, &left) != 0, errno == EINTR { time = left }
}
