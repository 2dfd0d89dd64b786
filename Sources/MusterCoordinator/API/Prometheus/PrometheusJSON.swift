package import MusterModel
package import MusterQuery

/// Answers in Prometheus's envelope, byte for byte as Prometheus writes them: values are strings with Go's formatting,
/// times are seconds, which no encoder does. Those of points have no digits behind the point or three, those of scalars
/// and strings as many as it takes; scalars have no exponent.
package struct PrometheusJSON {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    // MARK: Envelopes

    package static func answer(_ answer: QueryAnswer, to query: String) -> [UInt8] {
        var json = PrometheusJSON()
        json.raw("{\"status\":\"success\",\"data\":{\"resultType\":\"\(answer.typeName)\",\"result\":")
        json.value(answer.value)
        json.raw("}")
        json.notes("warnings", answer.annotations.filter { $0.severity == .warning }.map { $0.text(in: query) })
        json.notes("infos", answer.annotations.filter { $0.severity == .info }.map { $0.text(in: query) })
        json.raw("}")
        return json.bytes
    }

    /// An envelope around `data`, which is JSON already. `warnings` tell that something was cut.
    package static func success(_ data: some Sequence<UInt8>, warnings: [String] = []) -> [UInt8] {
        var json = PrometheusJSON()
        json.raw("{\"status\":\"success\",\"data\":")
        json.bytes.append(contentsOf: data)
        json.notes("warnings", warnings)
        json.raw("}")
        return json.bytes
    }

    package static func error(_ error: APIError) -> [UInt8] {
        var json = PrometheusJSON()
        json.raw("{\"status\":\"error\",\"errorType\":")
        json.string(error.prometheusType)
        json.raw(",\"error\":")
        json.string(error.hint.isEmpty ? error.message : "\(error.message) (\(error.hint))")
        json.raw("}")
        return json.bytes
    }

    // MARK: Pieces

    package mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    package mutating func list<Element>(_ elements: some Sequence<Element>, _ write: (inout Self, Element) -> Void) {
        raw("[")
        var isFirst = true
        for element in elements {
            if !isFirst { raw(",") }
            isFirst = false
            write(&self, element)
        }
        raw("]")
    }

    package mutating func labels(_ labels: Labels) {
        raw("{")
        for (index, label) in labels.pairs.enumerated() {
            if index > 0 { raw(",") }
            string(label.name)
            raw(":")
            string(label.value)
        }
        raw("}")
    }

    /// As Go's encoder does: also `<`, `>`, `&` and the line separators are escaped.
    package mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 0xE2 where rest.starts(with: [0x80, 0xA8]) || rest.starts(with: [0x80, 0xA9]):
                raw(rest.starts(with: [0x80, 0xA8]) ? "\\u2028" : "\\u2029")
                rest = rest.dropFirst(2)
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case UInt8(ascii: "\n"): raw("\\n")
            case UInt8(ascii: "\r"): raw("\\r")
            case UInt8(ascii: "\t"): raw("\\t")
            case 0..<0x20, 0x3C, 0x3E, 0x26:
                raw("\\u00")
                bytes.append(Self.hexadecimal(byte >> 4))
                bytes.append(Self.hexadecimal(byte & 15))
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// `isShort`: without zeros at the end.
    package mutating func seconds(milliseconds: Int64, isShort: Bool = true) {
        let (whole, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1_000)
        if milliseconds < 0 { bytes.append(UInt8(ascii: "-")) }
        decimal(whole)
        guard rest > 0 else { return }
        bytes.append(UInt8(ascii: "."))
        var left = rest
        for divisor in [100, 10, 1] as [UInt64] where left > 0 || !isShort {
            bytes.append(UInt8(ascii: "0") + UInt8(left / divisor))
            left %= divisor
        }
    }

    private mutating func decimal(_ number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor > 9 { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    private mutating func value(_ value: QueryAnswer.Value) {
        switch value {
        case .scalar(let sample):
            raw("[")
            seconds(milliseconds: sample.milliseconds)
            raw(",\"\(GoFloat.fixed(sample.value))\"]")
        case .string(let text, let milliseconds):
            raw("[")
            seconds(milliseconds: milliseconds)
            raw(",")
            string(text)
            raw("]")
        case .vector(let elements):
            list(elements) { json, element in
                json.raw("{\"metric\":")
                json.labels(element.labels)
                json.raw(",\"value\":")
                json.point(element.sample)
                json.raw("}")
            }
        case .matrix(let series):
            list(series) { json, series in
                json.raw("{\"metric\":")
                json.labels(series.labels)
                json.raw(",\"values\":")
                json.list(series.samples) { $0.point($1) }
                json.raw("}")
            }
        }
    }

    private mutating func point(_ sample: Sample) {
        raw("[")
        seconds(milliseconds: sample.milliseconds, isShort: false)
        raw(",\"")
        GoFloat.append(json: sample.value, to: &bytes)
        raw("\"]")
    }

    private mutating func notes(_ key: String, _ texts: [String]) {
        guard !texts.isEmpty else { return }
        raw(",\"\(key)\":")
        list(texts) { $0.string($1) }
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}

extension APIError {
    /// Prometheus's `errorType` for a status.
    fileprivate var prometheusType: String {
        switch status {
        case 400, 401, 403, 413, 415: "bad_data"
        case 404: "not_found"
        case 406: "not_acceptable"
        case 422: "execution"
        case 499: "canceled"
        case 503: code == "timeout" ? "timeout" : "unavailable"
        default: "internal"
        }
    }

    static func prometheus(_ error: QueryError) -> APIError {
        switch error {
        case .canceled: APIError(499, "canceled", "\(error)")
        case .timedOut: APIError(503, "timeout", "\(error)")
        case .overloaded: APIError(503, "overloaded", "\(error)", retryAfterSeconds: 1)
        case .syntax, .invalid, .unsupported: APIError(400, "bad_request", "\(error)")
        default: APIError(422, "execution", "\(error)")
        }
    }
}
