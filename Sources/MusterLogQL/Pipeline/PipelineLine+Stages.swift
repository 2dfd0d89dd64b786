import MusterModel

extension PipelineLine {
    static func isAboutErrors(_ name: String) -> Bool { name == errorLabel || name == detailsLabel }

    mutating func add(parsed pairs: [(name: String, value: String)]) {
        for (name, value) in pairs { add(parsed: name, value) }
    }

    // MARK: JSON

    /// Without paths every value becomes a label, named after all keys above it joined by `_`; lists and nulls do not.
    mutating func parseJSON(_ paths: [(label: String, path: JSONPath)]) {
        guard let document = JSONValue(line), case .object = document else {
            return fail("JSONParserErr", "the line is no JSON object, or a very large one")
        }
        guard !paths.isEmpty else { return flatten(document, prefix: "") }
        for (label, path) in paths {
            if let text = path.value(in: document)?.text(in: line) { add(parsed: label, text) }
        }
    }

    private mutating func flatten(_ value: JSONValue, prefix: String) {
        switch value {
        case .object(let members, _):
            for member in members {
                let key = prefix.isEmpty ? member.key : prefix + "_" + member.key
                guard let name = Self.labelName(key) else { continue }
                flatten(member.value, prefix: name)
            }
        case .string(let text), .plain(let text): add(parsed: prefix, text)
        case .array, .null: break
        }
    }

    /// What a packed line holds: labels, and the line itself as `_entry`.
    mutating func unpack() {
        guard case .object(let members, _) = JSONValue(line) else {
            return fail("JSONParserErr", "the line is no packed entry: a JSON object of texts")
        }
        for member in members {
            guard case .string(let text) = member.value else { continue }
            if member.key == "_entry" {
                line = Array(text.utf8)
            } else if let name = Self.labelName(member.key) {
                add(parsed: name, text)
            }
        }
    }

    // MARK: logfmt

    /// Of keys that stand twice the first counts. Empty values are no labels here, so keeping them changes nothing but
    /// that a key alone is no error.
    mutating func parseLogfmt(_ extractions: [LogStage.Extraction], isStrict: Bool, keepsEmpty: Bool) {
        let (pairs, isClean) = Logfmt.pairs(line, limit: LogQLLimits.parsedLabels)
        let hasBareKeys = !keepsEmpty && pairs.contains { $0.value.isEmpty }
        if isStrict, !isClean || hasBareKeys {
            return fail("LogfmtParserErr", "the line is not key=value pairs throughout")
        }
        guard extractions.isEmpty else {
            for extraction in extractions {
                if let pair = pairs.first(where: { $0.key == extraction.path }) {
                    add(parsed: extraction.label, pair.value)
                }
            }
            return
        }
        var seen: Set<String> = []
        for pair in pairs where seen.insert(pair.key).inserted {
            if let name = Self.labelName(pair.key) { add(parsed: name, pair.value) }
        }
    }

    // MARK: Writing

    /// Each assignment sees what those before it did.
    mutating func format(_ assignments: [(label: String, source: CompiledStage.Source)]) {
        for (label, source) in assignments {
            switch source {
            case .label(let name):
                guard let value = labels[name] else { continue }
                labels[name] = nil
                labels[label] = value
            case .template(let template):
                let text = template.text(self)
                labels[label] = text.isEmpty ? nil : text
            }
        }
    }

    /// Takes out what colours a terminal: ESC `[`, parameters, a letter.
    mutating func decolorize() {
        guard line.contains(0x1b) else { return }
        var plain: [UInt8] = []
        var index = 0
        while index < line.count {
            guard line[index] == 0x1b, index + 1 < line.count, line[index + 1] == UInt8(ascii: "[") else {
                plain.append(line[index])
                index += 1
                continue
            }
            index += 2
            while index < line.count, (0x20...0x3f).contains(line[index]) { index += 1 }
            if index < line.count, (0x40...0x7e).contains(line[index]) { index += 1 }
        }
        line = plain
    }

    // MARK: Numbers

    /// False without the label: such a line gives no number.
    mutating func unwrap(_ label: String, _ conversion: LogStage.Conversion) -> Bool {
        guard let text = labels[label], !text.isEmpty else { return false }
        let number: Double? =
            switch conversion {
            case .number: Units.number(text)
            case .duration, .durationSeconds: Units.duration(text).map { Double($0) / 1e9 }
            case .bytes: Units.bytes(text)
            }
        value = number ?? 0
        if number == nil {
            fail("SampleExtractionErr", "the label \(label) is no \(conversion.rawValue): \(text.prefix(100))")
        }
        return true
    }
}
