/// Where in a stack trace a line was. Each language uses those it needs.
enum TraceState: Equatable, Sendable {
    case outside
    /// The exception's or the panic's own line was read.
    case headed
    /// Among frames.
    case frames
    /// A chain of exceptions goes on.
    case chained
    /// Among the lines of a group of exceptions.
    case group
}

/// Each function gives the state after a line, or nil when the line begins an event.
enum JavaTrace {
    private static let at = Array("at ".utf8)
    private static let dots = Array("... ".utf8)
    private static let causedBy = Array("Caused by:".utf8)
    private static let suppressed = Array("Suppressed:".utf8)
    private static let circular = Array("[CIRCULAR REFERENCE".utf8)
    private static let uncaught = Array("Exception in thread ".utf8)
    private static let endings = ["Exception", "Error", "Throwable"].map { Array($0.utf8) }

    static func first(_ line: Span<UInt8>) -> TraceState {
        if isFrame(line) { return .frames }
        return isException(line) || line.has(uncaught, at: 0) ? .headed : .outside
    }

    static func next(_ line: Span<UInt8>, after state: TraceState) -> TraceState? {
        if isFrame(line) { return .frames }
        if line.skippingBlanks(from: 0) == line.count { return state == .frames ? .frames : nil }
        guard state == .outside, isException(line) else { return nil }
        return .headed
    }

    private static func isFrame(_ line: Span<UInt8>) -> Bool {
        guard !line.isEmpty else { return false }
        let start = line.skippingBlanks(from: 0)
        switch line.byte(at: start) {
        case 0x61: return start > 0 && line.has(at, at: start)
        case 0x2e: return start > 0 && line.has(dots, at: start) && ASCIIByte.isDigit(line.byte(at: start &+ 4))
        case 0x43: return line.has(causedBy, at: start)
        case 0x53: return start > 0 && line.has(suppressed, at: start)
        case 0x5b: return start > 0 && line.has(circular, at: start)
        default: return false
        }
    }

    /// `java.io.IOException: reason`.
    private static func isException(_ line: Span<UInt8>) -> Bool {
        guard ASCIIByte.isLetter(line.byte(at: 0)) else { return false }
        var end = 0
        var hasDot = false
        while end < line.count {
            let byte = line[end]
            if byte == 0x2e {
                hasDot = true
            } else if !ASCIIByte.isAlphanumeric(byte), byte != 0x24, byte != 0x5f {
                break
            }
            end &+= 1
        }
        guard hasDot, end == line.count || line[end] == 0x3a else { return false }
        for ending in endings where line.extracting(0..<end).has(ending, at: end &- ending.count) { return true }
        return false
    }
}

enum PythonTrace {
    private static let traceback = Array("Traceback (most recent call last):".utf8)
    private static let groupTraceback = Array("Exception Group Traceback (most recent call last):".utf8)
    private static let during = Array("During handling of the above exception, another exception occurred:".utf8)
    private static let cause = Array("The above exception was the direct cause of the following exception:".utf8)

    static func first(_ line: Span<UInt8>) -> TraceState {
        if line.has(traceback, at: 0) { return .frames }
        return isGroup(line) ? .group : .outside
    }

    static func next(_ line: Span<UInt8>, after state: TraceState) -> TraceState? {
        let isIndented = line.byte(at: 0) == 0x20 || line.byte(at: 0) == 0x09
        switch state {
        case .outside: return nil
        // Up to the first line that is not indented, which is the exception's.
        case .frames: return isIndented ? .frames : line.isEmpty ? nil : .headed
        case .group: return isIndented || line.isEmpty ? .group : nil
        case .headed:
            if line.isEmpty || isIndented { return .headed }
            return line.has(during, at: 0) || line.has(cause, at: 0) ? .chained : nil
        case .chained:
            if line.isEmpty { return .chained }
            return line.has(traceback, at: 0) ? .frames : nil
        }
    }

    /// `  + Exception Group Traceback (most recent call last):`.
    private static func isGroup(_ line: Span<UInt8>) -> Bool {
        let start = line.skippingBlanks(from: 0)
        return start > 0 && line.byte(at: start) == 0x2b && line.has(groupTraceback, at: start &+ 2)
    }
}

enum GoTrace {
    private static let panic = Array("panic: ".utf8)
    private static let fatal = Array("fatal error: ".utf8)
    private static let goroutine = Array("goroutine ".utf8)
    private static let signal = Array("[signal ".utf8)
    private static let createdBy = Array("created by ".utf8)
    private static let exitStatus = Array("exit status ".utf8)
    private static let runtime = Array("runtime: ".utf8)
    private static let elided = Array("...".utf8)
    private static let registers = Array(" 0x".utf8)
    private static let panicCall = Array("panic(".utf8)

    static func first(_ line: Span<UInt8>) -> TraceState {
        if line.has(panic, at: 0) || line.has(fatal, at: 0) { return .headed }
        return line.has(goroutine, at: 0) ? .frames : .outside
    }

    static func next(_ line: Span<UInt8>, after state: TraceState) -> TraceState? {
        guard state == .headed || state == .frames else { return nil }
        if line.isEmpty || line[0] == 0x09 { return state }
        if line.has(goroutine, at: 0) { return .frames }
        if line.has(signal, at: 0) || line.has(runtime, at: 0) || line[0] == 0x20 { return state }
        guard state == .frames else { return nil }
        let goesOn =
            line.has(createdBy, at: 0) || line.has(exitStatus, at: 0) || line.has(elided, at: 0) || isFunction(line)
            || isRegister(line)
        return goesOn ? .frames : nil
    }

    /// `main.(*Server).Serve(0xc000, {0x1, 0x2})`: a name without blanks and with a dot, then parentheses to the end;
    /// or `panic(...)`.
    private static func isFunction(_ line: Span<UInt8>) -> Bool {
        guard ASCIIByte.isLetter(line[0]), line[line.count &- 1] == 0x29 else { return false }
        var index = 0
        var hasDot = false
        while index < line.count, line[index] != 0x28 {
            let byte = line[index]
            guard byte > 0x20, byte != 0x3d, byte != 0x22, byte != 0x3a else { return false }
            if byte == 0x2e { hasDot = true }
            index &+= 1
        }
        return hasDot || line.has(panicCall, at: 0)
    }

    /// `rax    0x0`, in dumps after SIGQUIT.
    private static func isRegister(_ line: Span<UInt8>) -> Bool {
        var index = 0
        while index < line.count, index < 8, ASCIIByte.isAlphanumeric(line[index]) { index &+= 1 }
        let value = line.skippingBlanks(from: index)
        return index >= 2 && value > index && line.has(registers, at: value &- 1)
    }
}
