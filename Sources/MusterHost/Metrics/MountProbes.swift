import Glibc
import MusterModel
import Synchronization

/// Asks mounted file systems for their usage, each on a thread of its own that lives for one question. A mount that
/// does not answer keeps its thread, and is not asked again before that has come back; nobody else waits for it.
final class MountProbes: Sendable {
    /// Mounts that may be without an answer at once. More are not asked, and count as not answering.
    static let hungMax = 32
    /// A probe calls one function; this is enough for it.
    static let stackBytes = 256 << 10

    enum Answer: Equatable, Sendable {
        case usage(FilesystemUsage)
        case refused
    }

    enum Launch: Equatable, Sendable {
        case launched
        /// The last question to this mount has not been answered.
        case busy
        /// `hungMax` are without an answer, or the host has no thread to give.
        case refused
    }

    private struct State {
        var underway: Set<String> = []
        var answers: [String: Answer] = [:]
    }

    private let state = Mutex(State())
    /// A byte goes through this pipe for each answer: what `wait` sleeps on.
    private let answered: (reader: KeptDescriptor, writer: KeptDescriptor)?
    private let ask: @Sendable (String) -> FilesystemUsage?

    init(_ ask: @escaping @Sendable (String) -> FilesystemUsage?) {
        self.ask = ask
        var ends: [Int32] = [-1, -1]
        let isOpen = unsafe pipe(&ends) == 0
        for end in ends where isOpen {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        answered = isOpen ? (KeptDescriptor(ends[0]), KeptDescriptor(ends[1])) : nil
    }

    var underwayCount: Int { state.withLock { $0.underway.count } }

    func launch(_ path: String) -> Launch {
        let isFree = state.withLock { state -> Launch in
            if state.underway.contains(path) { return .busy }
            guard state.underway.count < Self.hungMax else { return .refused }
            state.underway.insert(path)
            return .launched
        }
        guard isFree == .launched else { return isFree }
        let isStarted = DetachedThread.start(stackBytes: Self.stackBytes) { [self] in
            let usage = ask(path)
            finished(path, usage.map { .usage($0) } ?? .refused)
        }
        if !isStarted { _ = state.withLock { $0.underway.remove(path) } }
        return isStarted ? .launched : .refused
    }

    /// The answer of a mount, once.
    func take(_ path: String) -> Answer? { state.withLock { $0.answers.removeValue(forKey: path) } }

    /// Waits until none of the paths is underway, at most for `patience`.
    func wait(for paths: [String], patience: Duration) {
        guard let answered else { return }
        let deadline = Monotonic.nanoseconds + patience.nanoseconds
        while state.withLock({ state in paths.contains { state.underway.contains($0) } }) {
            let left = deadline - Monotonic.nanoseconds
            guard left > 0 else { return }
            var descriptor = pollfd(fd: answered.reader.number, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&descriptor, 1, Int32(clamping: left / 1_000_000 + 1))
            var bytes = [UInt8](repeating: 0, count: 64)
            _ = unsafe read(answered.reader.number, &bytes, bytes.count)
        }
    }

    private func finished(_ path: String, _ answer: Answer) {
        state.withLock { state in
            state.underway.remove(path)
            state.answers[path] = answer
        }
        guard let answered else { return }
        var one: UInt8 = 1
        // A full pipe wakes the reader as well as one byte more would.
        _ = unsafe write(answered.writer.number, &one, 1)
    }
}

/// A thread nobody waits for.
enum DetachedThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// False when the host has no thread to give.
    static func start(stackBytes: Int, _ run: @escaping @Sendable () -> Void) -> Bool {
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        defer { unsafe attributes.deallocate() }
        guard unsafe pthread_attr_init(attributes) == 0 else { return false }
        defer { unsafe pthread_attr_destroy(attributes) }
        unsafe pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
        unsafe pthread_attr_setstacksize(attributes, stackBytes)
        let body = unsafe Unmanaged.passRetained(Body(run))
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, attributes,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            }, body.toOpaque())
        if code != 0 { unsafe body.release() }
        return code == 0
    }
}
