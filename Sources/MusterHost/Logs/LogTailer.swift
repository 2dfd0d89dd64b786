import Glibc
package import MusterLogs
package import MusterModel
import Synchronization

/// The tailer on its own thread. Calls from any thread are put down and done in the next turn, in their order.
package final class LogTailer: Sendable {
    private struct Mailbox {
        var sources: [LogSource]?
        /// The highest of each, because later ones contain the earlier.
        var welcomed: UInt64?
        var acknowledged: UInt64?
        var isStopping = false
        var counters = LogTailCounters()
        var thread: pthread_t?
    }

    private let mailbox = Mutex(Mailbox())
    private let bell: Bell
    private let options: LogTailerOptions
    private let clock: @Sendable () -> Instant
    private let makeLoop: @Sendable () -> TailLoop

    /// `recovery` comes from the journal's records through `TailLedger.recovered(from:)`. `clock` is asked on the
    /// tailer's thread and must not step back. Nil when the process has no descriptor left.
    package init?(
        options: LogTailerOptions = LogTailerOptions(), recovery: TailLedger.Recovery, journal: some LedgerJournal,
        sink: some LogSink, compressor: some Compressor, clock: @escaping @Sendable () -> Instant
    ) {
        guard let bell = Bell() else { return nil }
        self.bell = bell
        self.options = options
        self.clock = clock
        makeLoop = {
            TailLoop(options: options, recovery: recovery, journal: journal, sink: sink, compressor: compressor)
        }
    }

    /// Starts the thread; false when the system gives none. Once.
    package func start() -> Bool {
        let box = unsafe Unmanaged.passRetained(ThreadBox { [self] in run() })
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<ThreadBox>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            unsafe box.release()
            return false
        }
        mailbox.withLock { $0.thread = thread }
        return true
    }

    /// Ends the thread and waits for it. What was cut is in the journal and is sent again by the next run.
    package func stop() {
        let thread = mailbox.withLock { mailbox in
            mailbox.isStopping = true
            defer { mailbox.thread = nil }
            return mailbox.thread
        }
        bell.ring()
        if let thread { pthread_join(thread, nil) }
    }

    /// The files to be read from now on; see `TailLoop.sourcesChanged`.
    package func setSources(_ sources: [LogSource]) { put { $0.sources = sources } }

    /// A session began; the coordinator holds all log frames of this boot up to `durable`. Nothing is read before the
    /// first call.
    package func welcomed(durable: UInt64) { put { $0.welcomed = max($0.welcomed ?? 0, durable) } }

    /// The coordinator holds all log frames of this boot up to `sequence`.
    package func acknowledged(through sequence: UInt64) {
        put { $0.acknowledged = max($0.acknowledged ?? 0, sequence) }
    }

    /// The sink has room again.
    package func windowOpened() { bell.ring() }

    package var counters: LogTailCounters { mailbox.withLock { $0.counters } }

    private func put(_ change: (inout sending Mailbox) -> Void) {
        mailbox.withLock { change(&$0) }
        bell.ring()
    }

    private func run() {
        let loop = makeLoop()
        var lastEvents = Instant.distantPast
        while true {
            let now = clock()
            let mail = mailbox.withLock { mailbox in
                let taken = mailbox
                (mailbox.sources, mailbox.welcomed, mailbox.acknowledged) = (nil, nil, nil)
                mailbox.counters = loop.counters
                return taken
            }
            if mail.isStopping { return }
            if let sources = mail.sources { loop.sourcesChanged(sources, now: now) }
            if let durable = mail.welcomed { loop.welcomed(durable: durable) }
            if let sequence = mail.acknowledged { loop.acknowledged(through: sequence) }
            let wake = loop.turn(now: now)
            mailbox.withLock { $0.counters = loop.counters }
            // Events that follow each other closely are left in the kernel, which merges them, for a moment.
            let isBusy = now - lastEvents < options.eventCoalescing
            let limit = isBusy ? min(wake - now, options.eventCoalescing) : wake - now
            if bell.wait(alongside: isBusy ? -1 : loop.eventDescriptor, for: limit) { lastEvents = clock() }
        }
    }
}

/// Carries a closure to a thread.
private final class ThreadBox: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Wakes a thread that waits in `poll`.
private final class Bell: Sendable {
    private let descriptor: Int32
    private let ringer: Int32

    init?() {
        var ends: (Int32, Int32) = (-1, -1)
        let isMade = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
            unsafe bytes.withMemoryRebound(to: Int32.self) { pair in
                unsafe pair.baseAddress.map { unsafe pipe($0) == 0 } ?? false
            }
        }
        guard isMade else { return nil }
        (descriptor, ringer) = ends
        for end in [descriptor, ringer] {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
    }

    deinit {
        close(descriptor)
        close(ringer)
    }

    func ring() {
        var one: UInt8 = 1
        // A full pipe is a bell that rings already.
        unsafe _ = write(ringer, &one, 1)
    }

    /// Waits for a ring, for the other descriptor or for the time. True when the other descriptor has something.
    func wait(alongside other: Int32, for time: Duration) -> Bool {
        var waited = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: other, events: Int16(POLLIN), revents: 0),
        ]
        // Rounded up: a wait of less than a millisecond must not become a spin.
        let milliseconds = min(max(0, (time.nanoseconds + 999_999) / 1_000_000), 3_600_000)
        let count = unsafe poll(&waited, 2, Int32(milliseconds))
        guard count > 0 else { return false }
        if waited[0].revents != 0 {
            var rings = [UInt8](repeating: 0, count: 512)
            unsafe _ = read(descriptor, &rings, rings.count)
        }
        return waited[1].revents != 0
    }
}
