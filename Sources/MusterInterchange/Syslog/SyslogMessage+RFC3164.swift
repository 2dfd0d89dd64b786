import MusterModel

extension SyslogMessage {
    /// What stands behind a priority: `TIME HOST TAG[PID]: TEXT`, where each part may be missing. Without a time there
    /// is no host either.
    static func rfc3164(_ scanner: SyslogScanner, _ frame: SyslogTime.Frame) -> SyslogMessage {
        var scanner = scanner
        var read = SyslogMessage(.rfc3164)
        scanner.skipSpaces()
        if !read.readNumbered(&scanner, frame) {
            if case .time(let time) = time(&scanner, frame) {
                read.timestamp = time
                read.readAfterTime(&scanner, needsTag: false)
            } else {
                read.readTag(&scanner)
            }
        }
        read.message = Array(scanner.rest)
        return read
    }

    /// As files and some relays have it. Nil without a time: then nothing says that this is syslog. A host is only
    /// taken for one when a tag follows, for the first word of a sentence looks like one.
    static func rfc3164WithoutPriority(_ scanner: SyslogScanner, _ frame: SyslogTime.Frame) -> SyslogMessage? {
        var scanner = scanner
        guard case .time(let time) = time(&scanner, frame) else { return nil }
        var read = SyslogMessage(.rfc3164)
        read.timestamp = time
        read.readAfterTime(&scanner, needsTag: true)
        read.message = Array(scanner.rest)
        return read
    }

    /// Cisco's `123: *Mar  1 18:46:11: text`, also with nothing in front of the colon, and with its `origin-id`:
    /// `123: router: *Mar  1 18:46:11: text`. False, and nothing read, when no time follows.
    private mutating func readNumbered(_ scanner: inout SyslogScanner, _ frame: SyslogTime.Frame) -> Bool {
        var ahead = scanner
        let number = ahead.number(digits: 1...18)
        guard ahead.take(0x3a, 0x20) else { return false }
        ahead.skipSpaces()
        if case .time(let time) = Self.time(&ahead, frame) {
            timestamp = time
        } else if let (name, time) = Self.origin(&ahead, frame) {
            (host, timestamp) = (name, time)
        } else {
            return false
        }
        sequence = number.map { UInt64($0) }
        readAfterTime(&ahead, needsTag: false)
        scanner = ahead
        return true
    }

    /// A time, perhaps behind the `*` or `.` that says that the clock is not set.
    private static func time(_ scanner: inout SyslogScanner, _ frame: SyslogTime.Frame) -> SyslogTime.Reading {
        var ahead = scanner
        _ = ahead.take(0x2a) || ahead.take(0x2e)
        let iso = SyslogTime.iso(&ahead, frame)
        let reading = iso.map { .time($0) } ?? SyslogTime.bsd(&ahead, frame)
        if reading != .none { scanner = ahead }
        return reading
    }

    private static func origin(
        _ scanner: inout SyslogScanner, _ frame: SyslogTime.Frame
    ) -> (host: String, time: Instant?)? {
        var ahead = scanner
        guard let host = ahead.run(limit: SyslogLimits.fieldBytes, while: isHostByte), host.last == 0x3a,
            host.count > 1, ahead.take(0x20), case .time(let time) = time(&ahead, frame)
        else { return nil }
        scanner = ahead
        return (String(decoding: host.dropLast(), as: UTF8.self), time)
    }

    private mutating func readAfterTime(_ scanner: inout SyslogScanner, needsTag: Bool) {
        // A colon behind the time is Cisco's; the host is then not named here.
        let isNamed = !scanner.take(0x3a)
        scanner.skipSpaces()
        guard isNamed else {
            readTag(&scanner)
            return
        }
        guard !readTag(&scanner) else { return }
        var ahead = scanner
        guard let name = ahead.run(limit: SyslogLimits.fieldBytes, while: Self.isHostByte), ahead.take(0x20),
            name.last != 0x3a, !ahead.isAtEnd
        else { return }
        ahead.skipSpaces()
        // `host : %ASA-6-302013: text`
        if ahead.take(0x3a, 0x20) { ahead.skipSpaces() }
        let hasTag = readTag(&ahead)
        guard hasTag || !needsTag else { return }
        if !name.elementsEqual([0x2d]) { host = String(decoding: name, as: UTF8.self) }
        scanner = ahead
    }

    /// `tag:` or `tag[pid]:` with the space behind it, and `tag[pid]` alone. False, and nothing read, for anything
    /// else: a word with a colon in it is not yet a tag.
    @discardableResult
    private mutating func readTag(_ scanner: inout SyslogScanner) -> Bool {
        var ahead = scanner
        guard let tag = ahead.run(limit: SyslogLimits.tagBytes, while: Self.isTagByte) else { return false }
        var process: ArraySlice<UInt8>?
        if ahead.take(0x5b) {
            process = ahead.run(limit: SyslogLimits.fieldBytes) { $0 > 0x20 && $0 != 0x5d && $0 != 0x7f }
            guard ahead.take(0x5d) else { return false }
        }
        let hasColon = ahead.take(0x3a)
        guard hasColon || process != nil else { return false }
        // `kernel:[   12.345678] text`
        guard ahead.take(0x20) || ahead.isAtEnd || (hasColon && ahead.next == 0x5b) else { return false }
        appName = String(decoding: tag, as: UTF8.self)
        processID = process.map { String(decoding: $0, as: UTF8.self) }
        scanner = ahead
        return true
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }

    private static func isTagByte(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) || "_-./%()+@#~*$".utf8.contains(byte)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) || ".-_:%/@+[]".utf8.contains(byte) || byte >= 0x80
    }
}
