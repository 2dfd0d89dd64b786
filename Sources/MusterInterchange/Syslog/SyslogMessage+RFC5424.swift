extension SyslogMessage {
    /// `1 TIME HOST APP PROCESS ID DATA TEXT`, `-` for what is not known. Nil when the time is none or a field is
    /// missing: it only looked like version 1.
    static func rfc5424(_ scanner: SyslogScanner, _ frame: SyslogTime.Frame) -> SyslogMessage? {
        var scanner = scanner
        var read = SyslogMessage(.rfc5424)
        guard scanner.take(0x31, 0x20) else { return nil }
        if !scanner.take(0x2d, 0x20) {
            guard let time = SyslogTime.iso(&scanner, frame), scanner.take(0x20) else { return nil }
            read.timestamp = time
        }
        var fields: [String?] = []
        for number in 0..<4 {
            guard let field = scanner.token() else { return nil }
            fields.append(field.elementsEqual([0x2d]) ? nil : String(decoding: field, as: UTF8.self))
            guard scanner.take(0x20) || (number == 3 && scanner.isAtEnd) else { return nil }
        }
        (read.host, read.appName, read.processID, read.messageID) = (fields[0], fields[1], fields[2], fields[3])
        read.readDataAndText(scanner)
        return read
    }

    private mutating func readDataAndText(_ start: SyslogScanner) {
        var scanner = start
        if !scanner.take(0x2d) {
            isDamaged = !readData(&scanner)
        }
        if !isDamaged, !scanner.isAtEnd, !scanner.take(0x20) { isDamaged = true }
        if isDamaged {
            (structuredData, leftOutData) = ([], 0)
            scanner = start
        }
        let text = scanner.rest
        message = Array(text.starts(with: [0xef, 0xbb, 0xbf]) ? text.dropFirst(3) : text)
    }

    /// One element or more; false when they are malformed.
    private mutating func readData(_ scanner: inout SyslogScanner) -> Bool {
        guard scanner.next == 0x5b else { return false }
        var parameters = 0
        while scanner.take(0x5b) {
            guard let id = Self.name(&scanner) else { return false }
            var element = Element(id)
            while !scanner.take(0x5d) {
                guard scanner.take(0x20) else { return false }
                scanner.skipSpaces()
                // Some senders leave a space in front of the bracket.
                if scanner.take(0x5d) { break }
                guard let name = Self.name(&scanner), scanner.take(0x3d, 0x22), let value = Self.value(&scanner) else {
                    return false
                }
                parameters += 1
                if parameters <= SyslogLimits.parameters, structuredData.count < SyslogLimits.elements {
                    element.parameters.append(Parameter(name, value))
                } else {
                    leftOutData += 1
                }
            }
            if structuredData.count < SyslogLimits.elements {
                structuredData.append(element)
            } else {
                leftOutData += 1
            }
        }
        return true
    }

    private static func name(_ scanner: inout SyslogScanner) -> String? {
        scanner.run(limit: SyslogLimits.fieldBytes) { byte in
            byte > 0x20 && byte != 0x7f && byte != 0x3d && byte != 0x5d && byte != 0x22
        }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Up to the quote, which is taken. A backslash escapes quote, backslash and bracket; before anything else it is
    /// itself (RFC 5424, 6.3.3). A bracket that should be escaped and is not does no harm.
    private static func value(_ scanner: inout SyslogScanner) -> String? {
        var value: [UInt8] = []
        while let byte = scanner.next {
            scanner.skip(1)
            if byte == 0x22 { return String(decoding: value, as: UTF8.self) }
            if byte == 0x5c, let escaped = scanner.next, escaped == 0x22 || escaped == 0x5c || escaped == 0x5d {
                value.append(escaped)
                scanner.skip(1)
            } else {
                value.append(byte)
            }
        }
        return nil
    }
}
