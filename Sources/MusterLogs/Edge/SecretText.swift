/// Secrets that are found by what stands around them. Each function gives the bytes to be replaced, or nil.
enum SecretText {
    private static let begin = Array("-----BEGIN ".utf8)
    private static let privateKey = Array("PRIVATE KEY".utf8)
    private static let end = Array("-----END".utf8)
    private static let dashes = Array("-----".utf8)
    /// Between BEGIN and PRIVATE KEY.
    private static let keyTypeBytes = 32
    private static let schemes = [
        "bearer", "basic", "token", "apikey", "digest", "negotiate", "ntlm", "aws4-hmac-sha256",
    ].map { Array($0.utf8) }
    private static let redacted = Array("[redacted:".utf8)
    private static let literals = ["null", "true", "false"].map { Array($0.utf8) }

    /// `eyJ...` and two more parts, also five as encrypted ones have. The third may be empty.
    static func jwt(_ line: Span<UInt8>, at start: Int) -> Range<Int>? {
        guard line.byte(at: start) == 0x65, line.byte(at: start &+ 1) == 0x79, line.byte(at: start &+ 2) == 0x4a else {
            return nil
        }
        var index = start
        var dots = 0
        while index < line.count {
            if line[index] == 0x2e {
                if dots == 0, index &- start < 8 { return nil }
                dots &+= 1
            } else if !ASCIIByte.isBase64URL(line[index]) {
                break
            }
            index &+= 1
        }
        while dots > 2, line[index &- 1] == 0x2e {
            index &-= 1
            dots &-= 1
        }
        return dots >= 2 ? start..<index : nil
    }

    /// A block in PEM; without its end it goes to a double quote or to the end, and `isOpen` says so.
    static func privateKey(_ line: Span<UInt8>, at start: Int, isOpen: inout Bool) -> Range<Int>? {
        guard line.has(begin, at: start) else { return nil }
        let label = start &+ begin.count
        let limit = min(line.count, label &+ keyTypeBytes &+ privateKey.count)
        guard line.extracting(label..<limit).contains(privateKey) else { return nil }
        if let stop = keyEnd(line, from: label) { return start..<stop }
        let quote = line.first(0x22, from: label, to: line.count)
        isOpen = quote == line.count
        return start..<quote
    }

    /// Index behind `-----END ...-----`.
    static func keyEnd(_ line: Span<UInt8>, from start: Int) -> Int? {
        var index = start
        while true {
            index = line.first(0x2d, from: index, to: line.count)
            guard index < line.count else { return nil }
            if line.has(end, at: index) { break }
            index &+= 1
        }
        index &+= end.count
        let limit = min(line.count, index &+ keyTypeBytes &+ privateKey.count &+ dashes.count)
        while index < limit {
            if line.has(dashes, at: index) { return index &+ dashes.count }
            index &+= 1
        }
        return limit
    }

    /// The password of `scheme://user:password@host`, also with slashes escaped as in JSON; `start` is the colon. The
    /// last
    /// `@` before a slash, a blank or a quote ends it.
    static func urlPassword(_ line: Span<UInt8>, at start: Int) -> Range<Int>? {
        var index = start &+ 3
        if line.byte(at: start &+ 1) == 0x5c {
            guard line.has(SecretKeys.escapedSlashes, at: start &+ 1) else { return nil }
            index = start &+ 5
        }
        var colon = -1
        var at = -1
        scan: while index < line.count {
            switch line[index] {
            case 0x3a: if colon < 0 { colon = index }
            case 0x40: at = index
            case 0...0x20, 0x22, 0x23, 0x27, 0x2f, 0x3c, 0x3e, 0x3f, 0x5c, 0x7f: break scan
            default: break
            }
            index &+= 1
        }
        guard colon >= 0, at > colon &+ 1 else { return nil }
        return isRedacted(line, colon &+ 1..<at) ? nil : colon &+ 1..<at
    }

    // MARK: Keys and values

    /// Where the value of a key begins, and what that says about its end.
    private struct Value {
        var start: Int
        /// The quote behind the key's name, with the backslashes before it; empty without one.
        var nameQuote: Range<Int>
    }

    /// Credentials behind `Authorization` in a header, a JSON document or a structure that was printed. The scheme
    /// stays.
    static func authorization(_ line: Span<UInt8>, at start: Int, rule: Int) -> SecretMatch? {
        let name = SecretKeys.authorization
        guard line.hasFolded(name, at: start), let value = valueStart(line, behind: start &+ name.count) else {
            return nil
        }
        guard !isRedacted(line, value.start..<bareEnd(line, from: value.start, isQuery: false)) else { return nil }
        // `["Bearer x"]` and `[Bearer x]`, as headers are printed that may come more than once.
        let isList = line.byte(at: value.start) == 0x5b
        let begin = isList ? line.skippingBlanks(from: value.start &+ 1) : value.start
        let quoted = quotedRange(line, at: begin)
        let first = quoted?.lowerBound ?? begin
        var credential = first
        var takesAll = quoted != nil
        for scheme in schemes where line.hasFolded(scheme, at: first) {
            let behind = line.skippingBlanks(from: first &+ scheme.count)
            guard behind > first &+ scheme.count else { continue }
            credential = behind
            if scheme.count >= 16 || scheme == SecretKeys.digest { takesAll = true }
        }
        var end: Int
        if let quoted {
            end = quoted.upperBound
        } else if takesAll {
            end = line.first(0x0a, from: credential, to: line.count)
        } else {
            end = bareEnd(line, from: credential, isQuery: false)
            let isPlausible = credential > first || end &- credential >= 16 || hasDigit(line, credential..<end)
            guard isPlausible else { return nil }
            if isList, end > credential, line[end &- 1] == 0x5d { end &-= 1 }
        }
        guard end > credential, !isRedacted(line, credential..<end) else { return nil }
        return SecretMatch(credential..<end, rule: rule)
    }

    /// The value of a key that ends in `word`, which begins at `start`. `awsRule` and `rule` are nil when they are off.
    static func keyed(
        _ line: Span<UInt8>, _ word: SecretKeyWord, at start: Int, rule: Int?, awsRule: Int?
    ) -> SecretMatch? {
        let text = word.text
        guard line.hasFolded(text, at: start) else { return nil }
        var end = start &+ text.count
        var chosen = rule
        if case .secret = word, let tail = SecretKeyWord.secretTails.first(where: { line.hasFolded($0, at: end) }) {
            end &+= tail.count
            if tail.count > 8 { chosen = awsRule ?? rule }
        }
        guard let chosen, let value = valueStart(line, behind: end) else { return nil }
        if let quoted = quotedRange(line, at: value.start) {
            guard !quoted.isEmpty, !isRedacted(line, quoted) else { return nil }
            return SecretMatch(quoted, rule: chosen)
        }
        if !value.nameQuote.isEmpty { return unquotedInDocument(line, value, rule: chosen) }
        let stop = bareEnd(line, from: schemeEnd(line, value.start), isQuery: isQuery(line, start))
        guard stop > value.start, !isRedacted(line, value.start..<stop) else { return nil }
        return SecretMatch(value.start..<stop, rule: chosen)
    }

    /// `"token": 12345` becomes `"token": "[redacted:secret]"`; null, true and false stay.
    private static func unquotedInDocument(_ line: Span<UInt8>, _ value: Value, rule: Int) -> SecretMatch? {
        let start = value.start
        let opening = line.byte(at: start)
        var end = start
        if opening == 0x7b || opening == 0x5b {
            end = balancedEnd(line, from: start)
        } else {
            scan: while end < line.count {
                switch line[end] {
                case 0...0x20, 0x22, 0x2c, 0x5c, 0x5d, 0x7d: break scan
                default: end &+= 1
                }
            }
            for literal in literals where literal.count == end &- start && line.has(literal, at: start) { return nil }
        }
        guard end > start, !isRedacted(line, start..<end) else { return nil }
        return SecretMatch(start..<end, rule: rule, quote: value.nameQuote)
    }

    /// Index behind the bracket that closes the one at `start`. Strings count as a whole.
    private static func balancedEnd(_ line: Span<UInt8>, from start: Int) -> Int {
        var depth = 0
        var index = start
        while index < line.count {
            switch line[index] {
            case 0x7b, 0x5b: depth &+= 1
            case 0x7d, 0x5d:
                depth &-= 1
                if depth == 0 { return index &+ 1 }
            case 0x22, 0x5c:
                if let string = quotedRange(line, at: index) {
                    index = line.first(0x22, from: string.upperBound, to: line.count)
                }
            default: break
            }
            index &+= 1
        }
        return line.count
    }

    /// Behind a key's name: its quote, `]`, blanks, `=` or `:` (also `=>`, `:=`, `%3D`), blanks. Nil when no value
    /// follows.
    private static func valueStart(_ line: Span<UInt8>, behind end: Int) -> Value? {
        var index = end
        while line.byte(at: index) == 0x5c { index &+= 1 }
        if line.byte(at: index) == 0x22 || line.byte(at: index) == 0x27 { index &+= 1 } else { index = end }
        let nameQuote = end..<index
        if line.byte(at: index) == 0x5d { index &+= 1 }
        if line.hasFolded(SecretKeys.encodedBracket, at: index) { index &+= 3 }
        index = line.skippingBlanks(from: index)
        if line.hasFolded(SecretKeys.encodedEquals, at: index) {
            index &+= 3
        } else {
            guard line.byte(at: index) == 0x3d || line.byte(at: index) == 0x3a else { return nil }
            index &+= 1
            if line.byte(at: index) == 0x3e || line.byte(at: index) == 0x3d { index &+= 1 }
        }
        index = line.skippingBlanks(from: index)
        return index < line.count ? Value(start: index, nameQuote: nameQuote) : nil
    }

    /// The inside of a quoted text that begins at `start`, with any number of backslashes before its quotes; nil when
    /// there is no quote. Without a closing quote it goes to the end.
    private static func quotedRange(_ line: Span<UInt8>, at start: Int) -> Range<Int>? {
        var index = start
        while line.byte(at: index) == 0x5c { index &+= 1 }
        let quote = line.byte(at: index)
        guard quote == 0x22 || quote == 0x27 else { return nil }
        let depth = index &- start
        let inside = index &+ 1
        index = inside
        while true {
            index = line.first(quote, from: index, to: line.count)
            guard index < line.count else { return inside..<line.count }
            var slashes = 0
            while index &- slashes > inside, line[index &- slashes &- 1] == 0x5c { slashes &+= 1 }
            // At a depth of k backslashes 2(k+1) of them stand for one that is meant, and what is left over tells.
            if slashes % (2 &* (depth &+ 1)) <= depth { return inside..<index &- min(slashes, depth) }
            index &+= 1
        }
    }

    /// Where a value without quotes ends: at a blank or a double quote, in a query string also at `&`, `#` and `'`.
    /// Backslashes before the quote are the quote's.
    private static func bareEnd(_ line: Span<UInt8>, from start: Int, isQuery: Bool) -> Int {
        var index = start
        scan: while index < line.count {
            switch line[index] {
            case 0...0x20, 0x22: break scan
            case 0x23, 0x26, 0x27: if isQuery { break scan }
            default: break
            }
            index &+= 1
        }
        if line.byte(at: index) == 0x22 {
            while index > start, line[index &- 1] == 0x5c { index &-= 1 }
        }
        return index
    }

    /// `token: Bearer abc`: the credential is behind the scheme.
    private static func schemeEnd(_ line: Span<UInt8>, _ start: Int) -> Int {
        for scheme in schemes where line.hasFolded(scheme, at: start) {
            let behind = line.skippingBlanks(from: start &+ scheme.count)
            if behind > start &+ scheme.count, behind < line.count { return behind }
        }
        return start
    }

    /// Whether the key that holds `index` stands behind `?` or `&`.
    private static func isQuery(_ line: Span<UInt8>, _ index: Int) -> Bool {
        var start = index
        while start > 0 {
            let byte = line[start &- 1]
            guard ASCIIByte.isBase64URL(byte) || byte == 0x2e || byte == 0x5b || byte == 0x25 else {
                break
            }
            start &-= 1
        }
        let before = line.byte(at: start &- 1)
        return before == 0x3f || before == 0x26
    }

    private static func hasDigit(_ line: Span<UInt8>, _ range: Range<Int>) -> Bool {
        for index in range where ASCIIByte.isDigit(line[index]) { return true }
        return false
    }

    /// What was replaced before stays as it is.
    private static func isRedacted(_ line: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.count > redacted.count, line.has(redacted, at: range.lowerBound) else { return false }
        return line.first(0x5d, from: range.lowerBound, to: range.upperBound) == range.upperBound &- 1
    }
}

/// Texts around keys.
enum SecretKeys {
    static let authorization = Array("authorization".utf8)
    static let escapedSlashes = Array("\\/\\/".utf8)
    static let digest = Array("digest".utf8)
    static let encodedBracket = Array("%5d".utf8)
    static let encodedEquals = Array("%3d".utf8)
}
