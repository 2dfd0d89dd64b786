import CMusterYAML
import MusterModel

/// One event of a document, copied out of libyaml's memory.
enum YAMLEvent {
    case documentStart
    case documentEnd
    case streamEnd
    case alias(String)
    case scalar(String, isQuoted: Bool)
    case sequenceStart
    case sequenceEnd
    case mappingStart
    case mappingEnd
}

/// The events of one document, in order, with their places. Owns the libyaml parser for as long as it lives.
@safe struct YAMLEvents: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeBufferPointer<UInt8>
    let file: String

    /// `bytes` stay where they are while `body` runs: libyaml keeps a pointer to them.
    static func withEvents<Value>(
        of bytes: [UInt8], file: String, _ body: (inout YAMLEvents) throws(ConfigError) -> Value
    ) throws(ConfigError) -> Value {
        let result: Result<Value, ConfigError> = unsafe bytes.withUnsafeBufferPointer { input in
            do throws(ConfigError) {
                var events = try unsafe YAMLEvents(input: input, file: file)
                return .success(try body(&events))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(input: UnsafeBufferPointer<UInt8>, file: String) throws(ConfigError) {
        self.file = file
        unsafe self.input = unsafe input
        unsafe parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        unsafe parser.initialize(to: yaml_parser_t())
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            unsafe parser.deallocate()
            throw ConfigError(
                position: SourcePosition(file: file, line: 1, column: 1), key: "",
                problem: "cannot be read: libyaml got no memory", allowed: "")
        }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    /// The next event and where it begins. Anchors and tags are refused here, on every kind of node.
    mutating func next() throws(ConfigError) -> (event: YAMLEvent, position: SourcePosition) {
        while true {
            var raw = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(parser, &raw) == 1 else { throw failure() }
            defer { unsafe yaml_event_delete(&raw) }
            let position = place(unsafe raw.start_mark)
            if let event = try unsafe Self.event(raw, position: position) { return (event, position) }
        }
    }

    /// Nil for the start of the stream, which says nothing.
    private static func event(_ raw: yaml_event_t, position: SourcePosition) throws(ConfigError) -> YAMLEvent? {
        switch unsafe raw.type {
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_STREAM_END_EVENT: return .streamEnd
        case YAML_ALIAS_EVENT: return .alias(unsafe text(raw.data.alias.anchor))
        case YAML_SCALAR_EVENT:
            let scalar = unsafe raw.data.scalar
            try unsafe refuse(anchor: scalar.anchor, tag: scalar.tag, at: position)
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let value = unsafe String(decoding: bytes, as: UTF8.self)
            return .scalar(value, isQuoted: unsafe scalar.style != YAML_PLAIN_SCALAR_STYLE)
        case YAML_SEQUENCE_START_EVENT:
            try unsafe refuse(
                anchor: raw.data.sequence_start.anchor, tag: raw.data.sequence_start.tag, at: position)
            return .sequenceStart
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            try unsafe refuse(anchor: raw.data.mapping_start.anchor, tag: raw.data.mapping_start.tag, at: position)
            return .mappingStart
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        default: return nil
        }
    }

    private static func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, at position: SourcePosition
    ) throws(ConfigError) {
        if unsafe anchor != nil {
            throw ConfigError(
                position: position, key: "", problem: "uses the anchor '&\(unsafe text(anchor))'",
                allowed: "values written out in full; anchors and aliases are not read")
        }
        if unsafe tag != nil {
            throw ConfigError(
                position: position, key: "", problem: "uses the tag '\(unsafe text(tag))'",
                allowed: "values without a tag; write a text that looks like a number in quotes")
        }
    }

    private static func text(_ characters: UnsafeMutablePointer<yaml_char_t>?) -> String {
        guard let characters = unsafe characters else { return "" }
        return unsafe String(decodingCString: characters, as: UTF8.self)
    }

    private func place(_ mark: yaml_mark_t) -> SourcePosition {
        SourcePosition(file: file, line: mark.line + 1, column: mark.column + 1)
    }

    /// What libyaml says is wrong. Its reader (bad UTF-8, control characters) knows an offset only.
    private func failure() -> ConfigError {
        var problem = "the document cannot be read"
        if let text = unsafe parser.pointee.problem { problem = unsafe String(cString: text) }
        var position = place(unsafe parser.pointee.problem_mark)
        if unsafe parser.pointee.error == YAML_READER_ERROR {
            position = unsafe place(offset: parser.pointee.problem_offset)
        }
        if let context = unsafe parser.pointee.context { problem = unsafe String(cString: context) + ": " + problem }
        let isTab = problem.contains("cannot start any token") && byte(at: position) == UInt8(ascii: "\t")
        return ConfigError(
            position: position, key: "", problem: "is not valid YAML: \(problem)",
            allowed: isTab ? "spaces for indentation, never tabs" : "")
    }

    private func place(offset: Int) -> SourcePosition {
        let before = unsafe input.prefix(max(0, min(offset, input.count)))
        let line = unsafe before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = unsafe before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
        return SourcePosition(file: file, line: line, column: column)
    }

    /// The byte at a place whose line holds ASCII only up to there, which is all that is needed to find a tab.
    private func byte(at position: SourcePosition) -> UInt8? {
        var line = 1
        var column = 1
        for index in unsafe 0..<input.count {
            let byte = unsafe input[index]
            if line == position.line, column == position.column { return byte }
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else {
                column += 1
            }
        }
        return nil
    }
}
