import ArgumentParser
import Foundation
import MusterCLI
import MusterModel
import Synchronization
import Testing

/// An HTTP client that answers by what it is asked, whatever the order, and remembers it.
final class AnsweringHTTP: HTTPClient {
    private let answer: @Sendable (HTTPRequest) -> Result<HTTPResponse, HTTPFailure>
    private let asked = Mutex<[HTTPRequest]>([])

    init(_ answer: @escaping @Sendable (HTTPRequest) -> Result<HTTPResponse, HTTPFailure>) { self.answer = answer }

    /// Path and query, in the order of the alphabet.
    var targets: [String] { asked.withLock { $0.map(\.target).sorted() } }

    func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse {
        asked.withLock { $0.append(request) }
        return try answer(request).get()
    }

    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) {
        throw .closed("nothing is streamed")
    }
}

/// A session whose output is kept.
final class Paper: Sendable {
    private let printed = Mutex<[String]>([])
    private let remarked = Mutex<[String]>([])

    var lines: [String] { printed.withLock { $0 } }
    var remarks: [String] { remarked.withLock { $0 } }

    func session(
        _ http: any HTTPClient, isJSON: Bool = false, terminal: Terminal = .paper
    ) throws -> Session {
        Session(
            api: try APIClient(http: http, address: "muster:7444", token: "t"), terminal: terminal, isJSON: isJSON,
            print: { line in self.printed.withLock { $0.append(line) } },
            remark: { line in self.remarked.withLock { $0.append(line) } })
    }
}

extension Terminal {
    /// No terminal.
    static let paper = Terminal(isOutputTerminal: false, isErrorTerminal: false, hasColour: false, width: 80)

    static func screen(_ width: Int, _ height: Int = 24, hasColour: Bool = false) -> Terminal {
        Terminal(
            isOutputTerminal: true, isErrorTerminal: false, hasColour: hasColour, canRedraw: true, width: width,
            height: height)
    }
}

/// 2026-03-01T12:00:00Z.
let noon = Instant(seconds: 1_772_366_400)

/// A verb as it is typed.
func typed<Verb: ParsableCommand>(_ verb: Verb.Type, _ arguments: String...) throws -> Verb {
    try #require(try verb.parseAsRoot(arguments) as? Verb)
}

/// The data of an answer, as it comes over the wire.
func queryData(_ json: String) throws -> QueryData {
    try JSONDecoder().decode(QueryData.self, from: Data(json.utf8))
}

/// `{"resultType":"matrix",...}` of series with a point every `step` seconds from noon; nil is a gap.
func matrix(_ series: [(labels: String, values: [String?])], step: Int = 10) throws -> [QueryData.Series] {
    let texts = series.map { labels, values in
        let points = values.enumerated().compactMap { index, value in
            value.map { "[\(1_772_366_400 + index * step),\"\($0)\"]" }
        }
        return "{\"metric\":{\(labels)},\"values\":[\(points.joined(separator: ","))]}"
    }
    guard
        case .matrix(let decoded) = try queryData(
            "{\"resultType\":\"matrix\",\"result\":[\(texts.joined(separator: ","))]}")
    else { return try #require(nil) }
    return decoded
}
