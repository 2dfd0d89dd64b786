import MusterModel

/// Cuts a file of Docker's json-file driver into lines. Docker splits what a container prints into records of 16 KiB;
/// the records of one line are put together again for each stream. Keeps its storage between calls, and nothing else: a
/// call ends where no line is half put together, so that every call can be repeated from the offsets alone.
package struct DockerLines {
    /// A line that is being put together.
    private struct Partial {
        var bytes: [UInt8] = []
        var timestamp: Int64 = 0
        var isActive: Bool { !bytes.isEmpty }
    }

    /// The point up to which nothing is half put together.
    private struct CleanPoint {
        var parse = LineParse()
        var mark: LogBlockBuilder.Mark
    }

    private var stdout = Partial()
    private var stderr = Partial()
    private var unescaped: [UInt8] = []

    package init() {}

    /// Lines get the time of their first record, or `arrival` (nanoseconds) when that has none.
    package mutating func parse(
        _ bytes: UnsafeRawBufferPointer, end: ParseEnd, arrival: Int64, into builder: inout LogBlockBuilder
    ) -> LineParse {
        dropPartials()
        var result = LineParse()
        var clean = CleanPoint(mark: builder.mark)
        while result.consumed < bytes.count {
            let start = result.consumed
            var stop = bytes.count
            var next = bytes.count
            if let feed = unsafe ByteScan.first(0x0a, in: bytes, from: start) {
                stop = feed
                next = feed + 1
            } else if case .closed = end {
            } else {
                break
            }
            let line = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<stop])
            guard unsafe take(line, arrival: arrival, into: &builder, result: &result) else {
                result.isFull = true
                break
            }
            result.consumed = next
            if !isHolding {
                clean = CleanPoint(parse: result, mark: builder.mark)
                builder.pointReached(consumed: result.consumed)
            }
        }
        return close(end, result: result, clean: clean, builder: &builder)
    }

    private var isHolding: Bool { stdout.isActive || stderr.isActive }

    private mutating func dropPartials() {
        stdout.bytes.removeAll(keepingCapacity: true)
        stderr.bytes.removeAll(keepingCapacity: true)
    }

    /// Decides where the call ends: at the last clean point when waiting can bring the rest of a line, else here, with
    /// the halves as lines of their own.
    private mutating func close(
        _ end: ParseEnd, result: LineParse, clean: CleanPoint, builder: inout LogBlockBuilder
    ) -> LineParse {
        guard isHolding else { return result }
        let mayWait: Bool
        switch end {
        case .open: mayWait = !result.isFull || clean.mark.lineCount > 0
        case .forced: mayWait = result.isFull && clean.mark.lineCount > 0
        case .closed: mayWait = false
        }
        var result = result
        if mayWait {
            builder.rewind(to: clean.mark)
            let isFull = result.isFull
            result = clean.parse
            result.isFull = isFull
        } else {
            flush(isStderr: false, into: &builder, result: &result)
            flush(isStderr: true, into: &builder, result: &result)
            builder.pointReached(consumed: result.consumed)
        }
        dropPartials()
        return result
    }

    private mutating func flush(isStderr: Bool, into builder: inout LogBlockBuilder, result: inout LineParse) {
        let partial = isStderr ? stderr : stdout
        guard partial.isActive else { return }
        // Room was kept for both halves when they were taken in.
        _ = unsafe partial.bytes.withUnsafeBytes { bytes in
            unsafe Self.append(bytes, partial.timestamp, .continues, isStderr, &builder)
        }
        result.splitLines += 1
    }

    /// Takes one record in; false when the builder has no room for it beside the halves that are held.
    private mutating func take(
        _ line: UnsafeRawBufferPointer, arrival: Int64, into builder: inout LogBlockBuilder, result: inout LineParse
    ) -> Bool {
        guard let (record, offset) = unsafe Self.record(in: line, result: &result) else { return true }
        let range = record.text.lowerBound + offset..<record.text.upperBound + offset
        let raw = unsafe UnsafeRawBufferPointer(rebasing: line[range])
        guard raw.count <= Limits.logBlockBytes / 2 else {
            // Docker writes 16 KiB at most; this is another writer's, and no block could hold it with its neighbours.
            result.damagedRecords += 1
            return true
        }
        let held = stdout.bytes.count + stderr.bytes.count
        guard builder.hasRoom(lines: 4 + raw.count / Limits.logLineBytes, bytes: held + raw.count) else { return false }
        let timestamp = record.timestamp ?? arrival
        guard record.hasEscapes else {
            unsafe take(text: raw, timestamp, record.isStderr, into: &builder, result: &result)
            return true
        }
        // The common record: one escape, the LF at its end.
        if raw.count >= 2, unsafe raw[raw.count - 1] == 0x6e,
            unsafe ByteScan.first(0x5c, or: 0x5c, in: raw, from: 0) == raw.count - 2
        {
            let text = unsafe UnsafeRawBufferPointer(rebasing: raw[..<(raw.count - 2)])
            unsafe end(text: text, timestamp, record.isStderr, into: &builder, result: &result)
            return true
        }
        var text = unescaped
        unescaped = []
        text.removeAll(keepingCapacity: true)
        unsafe JSONText.append(raw, to: &text)
        unsafe text.withUnsafeBytes { bytes in
            if unsafe bytes.last == 0x0a {
                let line = unsafe UnsafeRawBufferPointer(rebasing: bytes.dropLast())
                unsafe end(text: line, timestamp, record.isStderr, into: &builder, result: &result)
            } else {
                unsafe take(text: bytes, timestamp, record.isStderr, into: &builder, result: &result)
            }
        }
        unescaped = text
        return true
    }

    /// The record in a line of the file. A line that starts with the torn half of an older record is searched for a
    /// whole one behind it.
    private static func record(
        in line: UnsafeRawBufferPointer, result: inout LineParse
    ) -> (DockerRecord, offset: Int)? {
        if let record = unsafe DockerRecord(line) { return (record, 0) }
        guard unsafe ByteScan.skipNULs(in: line, from: 0) < line.count else {
            result.skippedNULs += line.count
            return nil
        }
        result.damagedRecords += 1
        var start = 1
        while let brace = unsafe ByteScan.first(0x7b, in: line, from: start) {
            if brace + 1 < line.count, unsafe line[brace + 1] == 0x22,
                let record = unsafe DockerRecord(UnsafeRawBufferPointer(rebasing: line[brace...]))
            {
                return (record, brace)
            }
            start = brace + 1
        }
        return nil
    }

    /// The last part of a line, without its LF.
    private mutating func end(
        text: UnsafeRawBufferPointer, _ timestamp: Int64, _ isStderr: Bool, into builder: inout LogBlockBuilder,
        result: inout LineParse
    ) {
        let isHeld = isStderr ? stderr.isActive : stdout.isActive
        if !isHeld, text.count <= Limits.logLineBytes {
            let line = unsafe Self.withoutCarriageReturn(text)
            _ = unsafe Self.append(line, timestamp, [], isStderr, &builder)
            return
        }
        unsafe take(text: text, timestamp, isStderr, into: &builder, result: &result)
        let partial = isStderr ? stderr : stdout
        _ = unsafe partial.bytes.withUnsafeBytes { bytes in
            unsafe Self.append(Self.withoutCarriageReturn(bytes), partial.timestamp, [], isStderr, &builder)
        }
        if isStderr {
            stderr.bytes.removeAll(keepingCapacity: true)
        } else {
            stdout.bytes.removeAll(keepingCapacity: true)
        }
    }

    /// A part of a line that goes on in the stream's next record.
    private mutating func take(
        text: UnsafeRawBufferPointer, _ timestamp: Int64, _ isStderr: Bool, into builder: inout LogBlockBuilder,
        result: inout LineParse
    ) {
        var rest = unsafe text
        var partial = isStderr ? stderr : stdout
        if isStderr { stderr.bytes = [] } else { stdout.bytes = [] }
        if !partial.isActive { partial.timestamp = timestamp }
        while partial.bytes.count + rest.count > Limits.logLineBytes {
            let taken = Limits.logLineBytes - partial.bytes.count
            unsafe partial.bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[..<taken]))
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            _ = unsafe partial.bytes.withUnsafeBytes { bytes in
                unsafe Self.append(bytes, partial.timestamp, .continues, isStderr, &builder)
            }
            result.splitLines += 1
            partial.bytes.removeAll(keepingCapacity: true)
        }
        unsafe partial.bytes.append(contentsOf: rest)
        if isStderr { stderr = partial } else { stdout = partial }
    }

    private static func append(
        _ line: UnsafeRawBufferPointer, _ timestamp: Int64, _ flags: LineFlags, _ isStderr: Bool,
        _ builder: inout LogBlockBuilder
    ) -> Bool {
        let isAppended = unsafe builder.append(
            line, timestamp: timestamp, flags: isStderr ? flags.union(.stderr) : flags,
            stream: isStderr ? .stderr : .stdout)
        assert(isAppended, "room was kept for this line")
        return isAppended
    }

    private static func withoutCarriageReturn(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard unsafe line.last == 0x0d else { return unsafe line }
        return unsafe UnsafeRawBufferPointer(rebasing: line.dropLast())
    }
}
