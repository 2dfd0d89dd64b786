package import MusterModel

/// Lines that were parsed, on their way through a pipeline into a block: they become events, and events become lines of
/// the block or are dropped.
///
/// What ends within an event is held: it is parsed again together with what follows. So a pass takes whole events only,
/// from a place in the source where nothing is half read, and reading the same bytes again gives the same events.
package struct EdgePass: Sendable {
    private struct Event {
        var first: Int
        var last: Int
    }

    /// The lines of an event that has more than one.
    private var joined: [UInt8] = []
    private var events: [Event] = []
    /// Each line's event.
    private var eventOf: [Int] = []

    package init() {}

    /// Takes the lines of `parsed`, which records its points, into the empty `builder`. `end`: whether more may come
    /// that belongs to the last event. `keepsRate`: false when a range is read again, of which every line counts.
    package mutating func run(
        _ parsed: LogBlockBuilder, _ parse: LineParse, end: ParseEnd, _ pipeline: inout EdgePipeline, now: Instant,
        keepsRate: Bool = true, into builder: inout LogBlockBuilder
    ) -> LineParse {
        pipeline.reset()
        findEvents(parsed, &pipeline)
        var result = parse
        var stop = parsed.lineCount
        if case .open = end, pipeline.grouper != nil {
            stop = wholeEvents(parsed)
            result.heldLines = parsed.lineCount - stop
        }
        var marks: [(event: Int, mark: LogBlockBuilder.Mark)] = []
        for (number, event) in events.enumerated() where event.first < stop {
            marks.append((number, builder.mark))
            if append(event, number, of: parsed, &pipeline, now: now, keepsRate: keepsRate, to: &builder) { continue }
            // The rest goes into the next block.
            stop = wholeEvents(parsed, through: event.first)
            result.isFull = true
            if let over = marks.first(where: { events[$0.event].first >= stop }) { builder.rewind(to: over.mark) }
            break
        }
        if stop < parsed.lineCount {
            result.consumed = parsed.points.last { $0.lines <= stop }?.consumed ?? 0
        }
        return result
    }

    private mutating func findEvents(_ parsed: LogBlockBuilder, _ pipeline: inout EdgePipeline) {
        events.removeAll(keepingCapacity: true)
        eventOf.removeAll(keepingCapacity: true)
        let grouper = pipeline.grouper
        // One for each stream: what a program writes to one is not continued by what it writes to the other.
        var groupers = (grouper, grouper)
        var open: (Int?, Int?) = (nil, nil)
        var isPiece = (false, false)
        for line in 0..<parsed.lineCount {
            let flags = parsed.appended(line).flags
            let isStderr = flags.contains(.stderr)
            let held = isStderr ? open.1 : open.0
            // A line that was too long and was cut stays in its pieces.
            let wasPiece = isStderr ? isPiece.1 : isPiece.0
            var role = LineRole.begins
            if !flags.contains(.continues), !wasPiece {
                let bytes = parsed.bytes(of: line)
                role = (isStderr ? groupers.1?.line(bytes.span) : groupers.0?.line(bytes.span)) ?? .begins
            } else if isStderr {
                groupers.1?.reset()
            } else {
                groupers.0?.reset()
            }
            if role == .continues, let held {
                events[held].last = line
                eventOf.append(held)
            } else {
                if isStderr { open.1 = events.count } else { open.0 = events.count }
                eventOf.append(events.count)
                events.append(Event(first: line, last: line))
            }
            if isStderr { isPiece.1 = flags.contains(.continues) } else { isPiece.0 = flags.contains(.continues) }
        }
    }

    /// The most lines, at most `limit`, after which no event goes on and from which reading can begin anew. Without a
    /// limit the last event of each stream may still go on.
    private func wholeEvents(_ parsed: LogBlockBuilder, through limit: Int? = nil) -> Int {
        var stop = limit ?? parsed.lineCount
        if limit == nil {
            for isStderr in [false, true] {
                let held = events.lastIndex { parsed.appended($0.first).flags.contains(.stderr) == isStderr }
                if let held { stop = min(stop, events[held].first) }
            }
        }
        var points = parsed.points[...]
        while stop > 0 {
            while let last = points.last, last.lines > stop { points.removeLast() }
            let clean = points.last?.lines ?? 0
            // Events are in the order of their first lines, so those that reach over begin before.
            let over = events.first { $0.first < clean && $0.last >= clean }
            guard let over else { return clean }
            stop = over.first
        }
        return 0
    }

    /// False when the builder is full.
    private mutating func append(
        _ event: Event, _ number: Int, of parsed: LogBlockBuilder, _ pipeline: inout EdgePipeline, now: Instant,
        keepsRate: Bool, to builder: inout LogBlockBuilder
    ) -> Bool {
        let first = parsed.appended(event.first)
        joined.removeAll(keepingCapacity: true)
        joined += parsed.bytes(of: event.first)
        for line in event.first..<event.last where eventOf[line + 1] == number {
            joined.append(0x0a)
            joined += parsed.bytes(of: line + 1)
        }
        let flags = parsed.appended(event.last).flags.contains(.continues) ? first.flags.union(.continues) : first.flags
        guard case .kept(let level, let isRewritten) = pipeline.process(joined.span, now: now, keepsRate: keepsRate)
        else { return true }
        let bytes = isRewritten ? pipeline.output : joined
        let fields = pipeline.fields.isEmpty ? [] : pipeline.fields.json
        return unsafe bytes.withUnsafeBytes { bytes in
            unsafe builder.append(
                bytes, timestamp: first.timestamp, flags: flags.union(LineFlags(level: level)), stream: first.stream,
                fields: fields)
        }
    }
}

extension FieldList {
    package var isEmpty: Bool { count == 0 }

    /// The fields as blocks keep them.
    package var json: [UInt8] { FieldObject.encoded((0..<count).compactMap { self[$0] }.map { ($0.name, $0.value) }) }
}
