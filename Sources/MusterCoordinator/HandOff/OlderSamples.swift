import Dispatch
import Foundation
import MusterConfig
import MusterModel
import MusterQuery
import MusterTransport
import NIOCore
import Synchronization

/// Samples from before the hot window, from the engine that was handed them: a selector with a range is asked as an
/// instant query, whose answer is raw samples in Prometheus and in everything that speaks like it. The query itself is
/// evaluated here, so that its meaning does not change where its time crosses the edge.
final class OlderSamples: Sendable {
    static let timeout = Duration.seconds(30)
    static let answerBytes = 256 << 20

    private let config: HandOffConfig
    private let address: HTTPAddress
    private let client: any HTTPClient

    /// Nil when no engine answers older questions.
    init?(_ configs: [HandOffConfig], group: any EventLoopGroup) throws {
        guard let config = configs.first(where: { $0.query != nil }), let address = config.query else { return nil }
        self.config = config
        self.address = address
        client = try HandOffSender.client(config, group: group)
    }

    /// The series of a selector with their samples from `from` to `to`, both included (milliseconds). Blocks: for the
    /// threads that evaluate queries.
    func samples(_ matchers: [LabelMatcher], from: Int64, to: Int64) throws(QueryError) -> [SeriesSamples] {
        let outcome = Mutex<Result<HTTPResponse, HTTPFailure>?>(nil)
        let isDone = DispatchSemaphore(value: 0)
        let request = request(matchers, from: from, to: to)
        Task { [client, address] in
            let result: Result<HTTPResponse, HTTPFailure>
            do throws(HTTPFailure) {
                result = .success(
                    try await client.send(
                        request, to: .tcp(host: address.host, port: address.port), timeout: Self.timeout,
                        maxBytes: Self.answerBytes))
            } catch {
                result = .failure(error)
            }
            outcome.withLock { $0 = result }
            isDone.signal()
        }
        isDone.wait()
        switch outcome.withLock({ $0 }) {
        case .success(let response)? where response.isSuccess:
            return try Self.series(response.body).map { series in
                var kept = series
                kept.samples.removeAll { $0.milliseconds < from || $0.milliseconds > to }
                return kept
            }
        case .success(let response)?:
            throw failure(
                "it answered \(response.status): \(String(decoding: response.body.prefix(300), as: UTF8.self))")
        case .failure(let error)?: throw failure("\(error)")
        case nil: throw failure("it gave no answer")
        }
    }

    private func failure(_ reason: String) -> QueryError {
        .execution(
            "the query reaches back before the metrics kept here, and the engine \(config.name) does not answer "
                + "for the time before: \(reason)")
    }

    private func request(_ matchers: [LabelMatcher], from: Int64, to: Int64) -> HTTPRequest {
        let selector = VectorSelector(name: nil, matchers: matchers, position: TextRange(0, 0))
        // Where ranges are open on the left, the first millisecond would be missing.
        let query = "\(selector)[\(to - from + 1)ms]"
        var body = URLComponents()
        body.queryItems = [
            URLQueryItem(name: "query", value: query), URLQueryItem(name: "time", value: "\(Double(to) / 1_000)"),
        ]
        let form = (body.percentEncodedQuery ?? "").replacingOccurrences(of: "+", with: "%2B")
        let path = address.path.hasSuffix("/") ? String(address.path.dropLast()) : address.path
        return HTTPRequest(
            "POST", path + "/api/v1/query",
            headers: HandOffSender.headers(config) + [HTTPHeader("content-type", "application/x-www-form-urlencoded")],
            body: Array(form.utf8))
    }

    private static func series(_ body: [UInt8]) throws(QueryError) -> [SeriesSamples] {
        struct Answer: Decodable {
            struct Point: Decodable {
                var sample: Sample

                init(from decoder: any Decoder) throws {
                    var pair = try decoder.unkeyedContainer()
                    let seconds = try pair.decode(Double.self)
                    let text = try pair.decode(String.self)
                    let value =
                        text == "+Inf" ? Double.infinity : text == "-Inf" ? -Double.infinity : Double(text) ?? .nan
                    sample = Sample(milliseconds: Int64((seconds * 1_000).rounded()), value: value)
                }
            }
            struct Series: Decodable {
                var metric: [String: String]
                var values: [Point]
            }
            struct Content: Decodable {
                var result: [Series]
            }
            var data: Content
        }
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(body)).data.result.map {
                SeriesSamples(labels: Labels($0.metric), samples: $0.values.map(\.sample))
            }
        } catch {
            throw .execution("the engine for older samples answers in a form that cannot be read: \(error)")
        }
    }
}

/// Where queries of people and of rules read: the store, and for what is older the engine that has it.
struct StoreAndOlder: SampleSource {
    let store: MetricStore
    let older: OlderSamples?

    func view() -> any SampleView { MetricView(store, older: older) }
}

/// Samples of the store with those of an engine from before, by labels.
struct MergedSamples {
    private var texts: [String] = []
    private var numbers: [String: UInt32] = [:]
    private let limit: UInt32
    private let find: (String) -> UInt32?

    /// Texts that only the engine has are numbered from `limit` on.
    init(limit: UInt32, find: @escaping (String) -> UInt32?) {
        self.limit = limit
        self.find = find
    }

    /// Those made here, in order of their numbers.
    var made: [String] { texts }

    /// `older` ends before `newer` begins, series by series.
    mutating func merge(_ older: [SeriesSamples], _ newer: SelectedSeries) -> SelectedSeries {
        var byPairs: [[LabelPair]: SeriesSamples] = [:]
        for series in older where !series.samples.isEmpty { byPairs[pairs(series.labels)] = series }
        var merged = SelectedSeries()
        for entry in newer.entries {
            let pairs = Array(newer.pairs[entry.labels])
            let before = byPairs.removeValue(forKey: pairs)?.samples ?? []
            add(pairs, before, newer.times[entry.samples], newer.bits[entry.samples], to: &merged)
        }
        for (pairs, series) in byPairs { add(pairs, series.samples, [], [], to: &merged) }
        return merged
    }

    private func add(
        _ pairs: [LabelPair], _ before: [Sample], _ times: ArraySlice<Int64>, _ bits: ArraySlice<UInt64>,
        to merged: inout SelectedSeries
    ) {
        let (labels, samples) = (merged.pairs.count, merged.times.count)
        merged.pairs += pairs
        let edge = times.first ?? .max
        for sample in before where sample.milliseconds < edge {
            merged.times.append(sample.milliseconds)
            merged.bits.append(sample.value.bitPattern)
        }
        merged.times += times
        merged.bits += bits
        merged.entries.append(.init(labels: labels..<merged.pairs.count, samples: samples..<merged.times.count))
    }

    private mutating func pairs(_ labels: Labels) -> [LabelPair] {
        var pairs: [LabelPair] = []
        for label in labels.pairs where !label.value.isEmpty {
            pairs.append(LabelPair(name: symbol(label.name), value: symbol(label.value)))
        }
        return pairs.sorted { $0.name.id < $1.name.id }
    }

    private mutating func symbol(_ text: String) -> Symbol {
        if let known = find(text) ?? numbers[text] { return Symbol(id: known) }
        let number = limit &+ UInt32(clamping: texts.count)
        texts.append(text)
        numbers[text] = number
        return Symbol(id: number)
    }
}
