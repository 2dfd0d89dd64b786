/// An export of logs, read from protobuf or JSON: resources, their scopes, their records. `pushed` makes of it what a
/// store takes.
package struct OTLPLogs: Equatable, Sendable {
    package static let path = "/v1/logs"

    /// What sends the logs.
    package struct Resource: Equatable, Sendable {
        package var attributes: [OTLPAttribute] = []
        package var scopes: [Scope] = []

        package init() {}
    }

    /// The library within it that writes them.
    package struct Scope: Equatable, Sendable {
        package var name = ""
        package var version = ""
        package var attributes: [OTLPAttribute] = []
        package var records: [Record] = []

        package init() {}
    }

    /// One log record. Times are nanoseconds since 1970, 0 where the sender left them out.
    package struct Record: Equatable, Sendable {
        package var time: UInt64 = 0
        package var observed: UInt64 = 0
        /// 1 to 24; 0 when the sender said none, or one that does not exist.
        package var severity = 0
        package var severityText = ""
        /// A text as it was sent, which may be no UTF-8 in protobuf; any other value as JSON, bytes in base64.
        package var body: [UInt8] = []
        package var attributes: [OTLPAttribute] = []
        package var droppedAttributes: UInt64 = 0
        package var flags: UInt32 = 0
        /// 16 bytes, empty when absent or invalid: such a record belongs to no trace, says the format.
        package var traceID: [UInt8] = []
        /// 8 bytes, likewise.
        package var spanID: [UInt8] = []
        package var eventName = ""

        package init() {}
    }

    package var resources: [Resource] = []

    package init() {}

    package init(_ body: [UInt8], _ encoding: OTLPEncoding) throws(OTLPLogsError) {
        switch encoding {
        case .protobuf:
            do throws(ProtobufError) { try self.init(protobuf: body) } catch { throw .protobuf(error) }
        case .json:
            do throws(JSONError) { try self.init(json: body) } catch { throw .json(error) }
        }
    }
}

/// Why a body is no export of logs.
package enum OTLPLogsError: Error, Equatable, Sendable, CustomStringConvertible {
    case protobuf(ProtobufError)
    case json(JSONError)

    package var description: String {
        switch self {
        case .protobuf(let error): "\(error)"
        case .json(let error): "no export of logs in JSON: \(error)"
        }
    }
}

/// Ids of traces and spans.
enum OTLPTraceID {
    static let traceBytes = 16
    static let spanBytes = 8

    /// The id, empty when it is none: of another length, or all zeros.
    static func valid(_ bytes: [UInt8], count: Int) -> [UInt8] {
        bytes.count == count && bytes.contains { $0 != 0 } ? bytes : []
    }

    /// From hexadecimal digits of either case, empty when they are no id.
    static func parse(_ text: String, count: Int) -> [UInt8] {
        let digits = Array(text.utf8)
        guard digits.count == 2 * count else { return [] }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Character(Unicode.Scalar(digits[index])).hexDigitValue,
                let low = Character(Unicode.Scalar(digits[index + 1])).hexDigitValue
            else { return [] }
            bytes.append(UInt8(high << 4 | low))
        }
        return valid(bytes, count: count)
    }

    /// Lower-case hexadecimal digits.
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// The numbers of OpenTelemetry's log data model.
package enum OTLPSeverity {
    package static let range = 1...24

    /// From the names of the data model (`INFO`, `WARN2`, `SEVERITY_NUMBER_ERROR`) and of syslog as its appendix B maps
    /// them, in any case; 0 for another word.
    package static func number(_ text: String) -> Int {
        // What is longer is no name; and this bounds the work.
        guard text.utf8.count <= 32 else { return 0 }
        var name = text.uppercased()
        if name.hasPrefix("SEVERITY_NUMBER_") { name = String(name.dropFirst("SEVERITY_NUMBER_".count)) }
        if let number = names[name] { return number }
        guard let digit = name.last?.wholeNumberValue, (2...4).contains(digit) else { return 0 }
        guard let first = steps[String(name.dropLast())] else { return 0 }
        return first + digit - 1
    }

    /// Each is the first of four.
    private static let steps = ["TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21]
    private static let names = steps.merging(
        [
            "INFORMATION": 9, "INFORMATIONAL": 9, "NOTICE": 10, "WARNING": 13, "ERR": 17, "CRITICAL": 18, "CRIT": 18,
            "ALERT": 19, "EMERGENCY": 21, "EMERG": 21,
        ]
    ) { first, _ in first }
}
