// MusterPattern: regular expressions in linear time.
//
// Expressions come from people and from other tools: rule files, dashboards, `muster query`. A backtracking engine
// would let one of them hold a processor for ever, so they run on libre2, whose time is linear in the text and whose
// memory is capped. `compile` has the meaning that Prometheus documents: RE2, the whole value has to match, `.` matches
// a newline. `compileSearch` is what people know from grep: found anywhere, line by line.
//
// Cores see only the protocols `PatternCompiler`, `Pattern` and `SearchPattern` of MusterModel; the wiring hands them
// `RE2Compiler`.

import CMusterRE2
package import MusterModel

/// Compiles expressions with libre2.
package struct RE2Compiler: PatternCompiler {
    /// What one compiled expression and its caches may use.
    package static let memoryBytes = 8 << 20
    /// The longest expression, in UTF-8 bytes.
    package static let expressionBytes = 64 << 10

    package init() {}

    package func compile(_ expression: String) throws(PatternError) -> any Pattern {
        try Self.checkLength(expression)
        return try RE2Pattern(expression, for: .wholeText)
    }

    package func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        try Self.checkLength(expression)
        return try RE2Pattern(expression, for: .search)
    }

    private static func checkLength(_ expression: String) throws(PatternError) {
        guard expression.utf8.count <= expressionBytes else {
            throw PatternError(
                expression: String(expression.prefix(64)) + "...",
                reason: "it has \(expression.utf8.count) bytes, \(expressionBytes) are allowed")
        }
    }
}

/// A compiled expression; frees it when the last reference goes.
///
/// libre2 documents matching as safe from several threads at once. Swift cannot know that of a pointer, so the address
/// is kept as a number and turned back into a pointer where it is used.
private final class RE2Pattern: Pattern, SearchPattern {
    enum Purpose {
        case wholeText
        case search
    }

    let groupNames: [String: Int]
    private let groups: Int
    private let address: UInt

    init(_ expression: String, for purpose: Purpose) throws(PatternError) {
        var reason = [CChar](repeating: 0, count: 256)
        var text = expression
        let compiled = text.withUTF8 { bytes in
            unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
                unsafe (purpose == .search ? muster_re2_compile_search : muster_re2_compile)(
                    characters.baseAddress, characters.count, Int64(RE2Compiler.memoryBytes), &reason, reason.count)
            }
        }
        guard let compiled = unsafe compiled else {
            throw PatternError(expression: expression, reason: String(decoding: Self.bytes(reason), as: UTF8.self))
        }
        address = UInt(bitPattern: compiled)
        groups = unsafe Int(muster_re2_group_count(compiled))
        groupNames = unsafe Self.names(of: compiled, groups: groups, longest: expression.utf8.count)
    }

    deinit {
        unsafe muster_re2_free(OpaquePointer(bitPattern: address))
    }

    func isFullMatch(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
                unsafe muster_re2_full_match(
                    OpaquePointer(bitPattern: address), characters.baseAddress, characters.count)
            }
        }
    }

    func captures(_ text: String) -> [String?]? {
        var text = text
        var spans = [Int](repeating: -1, count: 2 * (groups + 1))
        return text.withUTF8 { bytes -> [String?]? in
            let isMatch = unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
                unsafe muster_re2_captures(
                    OpaquePointer(bitPattern: address), characters.baseAddress, characters.count, &spans, groups + 1)
            }
            guard isMatch else { return nil }
            return (0...groups).map { group in
                let (start, end) = (spans[2 * group], spans[2 * group + 1])
                guard start >= 0, start <= end, end <= bytes.count else { return nil }
                return unsafe String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<end]), as: UTF8.self)
            }
        }
    }

    func isFound(in bytes: Span<UInt8>) -> Bool {
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
                unsafe muster_re2_is_found(
                    OpaquePointer(bitPattern: address), characters.baseAddress, characters.count)
            }
        }
    }

    func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]? {
        guard start >= 0, start <= bytes.count else { return nil }
        var spans = [Int](repeating: -1, count: 2 * (groups + 1))
        let isFound = unsafe bytes.withUnsafeBytes { buffer in
            unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
                unsafe muster_re2_first_match(
                    OpaquePointer(bitPattern: address), characters.baseAddress, characters.count, start, &spans,
                    groups + 1)
            }
        }
        guard isFound else { return nil }
        return (0...groups).map { group in
            let (from, to) = (spans[2 * group], spans[2 * group + 1])
            return from >= 0 && from <= to && to <= bytes.count ? from..<to : nil
        }
    }

    private static func names(of compiled: OpaquePointer, groups: Int, longest: Int) -> [String: Int] {
        guard groups > 0 else { return [:] }
        var names: [String: Int] = [:]
        var buffer = [CChar](repeating: 0, count: longest + 1)
        for group in 1...groups
        where unsafe muster_re2_group_name(compiled, Int32(group), &buffer, buffer.count) {
            names[String(decoding: bytes(buffer), as: UTF8.self)] = group
        }
        return names
    }

    /// Up to the NUL.
    private static func bytes(_ characters: [CChar]) -> [UInt8] {
        characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    }
}
