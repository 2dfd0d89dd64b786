import Foundation
import MusterHealth
import MusterInterchange
import MusterModel
import MusterPattern
import MusterQuery
import MusterTransport

/// What speaks Prometheus: the shapes and words are those of its HTTP API, version 3.
extension APIHandlers {
    /// The version whose language and API this is; Grafana chooses its requests by it.
    static let prometheusVersion = "3.5.0"
    /// Points of one series of a range.
    static let pointsMax: Int64 = 11_000
    /// Series, names or values in one answer when the request sets no limit.
    static let listedMax = 100_000

    func prometheus(_ route: APIRoute, _ call: APICall) async throws -> APIAnswer {
        switch route {
        case .query: .prometheus(try await instant(call))
        case .queryRange: .prometheus(try await range(call))
        case .formatQuery: .prometheus(try formatted(call))
        case .series: .prometheus(try series(call))
        case .labels: .prometheus(try labelNames(call))
        case .labelValues: .prometheus(try labelValues(call))
        case .metadata: .prometheus(try metadata(call))
        case .exemplars: .prometheus(PrometheusJSON.success("[]".utf8))
        case .ruleGroups: .prometheus(try ruleGroups(call))
        case .prometheusAlerts: .prometheus(prometheusAlerts())
        case .targets: .prometheus(targets(call))
        case .buildInfo: .prometheus(buildInfo())
        case .runtimeInfo: .prometheus(runtimeInfo())
        case .tsdbStatus: .prometheus(try tsdbStatus(call))
        case .healthy: .text("Muster is healthy.\n")
        case .ready: .text("Muster is ready.\n")
        case .federate: try await federate(call)
        case .ownMetrics: .content(200, ownMetrics(), type: Self.expositionType)
        default: throw APIError.notFound(route.path)
        }
    }

    // MARK: Queries

    private func instant(_ call: APICall) async throws -> [UInt8] {
        let at = try call.prometheusTime("time") ?? MachineClock.wall.milliseconds
        return try await answer(call, .instant(at))
    }

    private func range(_ call: APICall) async throws -> [UInt8] {
        guard let start = try call.prometheusTime("start") else { throw Self.missing("start") }
        guard let end = try call.prometheusTime("end") else { throw Self.missing("end") }
        guard let step = try call.prometheusDuration("step") else { throw Self.missing("step") }
        guard end >= start else {
            throw APIError.badRequest("invalid parameter \"end\": end timestamp must not be before start time")
        }
        guard step > 0 else {
            throw APIError.badRequest(
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. "
                    + "Try a positive integer")
        }
        guard (end - start) / step <= Self.pointsMax else {
            throw APIError.badRequest(
                "exceeded maximum resolution of 11,000 points per timeseries. "
                    + "Try decreasing the query resolution (?step=XX)")
        }
        return try await answer(call, .range(start: start, end: end, step: step))
    }

    private func answer(_ call: APICall, _ time: QueryTime) async throws -> [UInt8] {
        guard let text = call.query["query"], !text.isEmpty else {
            throw APIError.badRequest("invalid parameter \"query\": it is missing", hint: "query=node_load1")
        }
        let limit = try call.prometheusLimit()
        var question = QueryDesk.Question(text, at: time, lookback: try call.prometheusDuration("lookback_delta"))
        if let timeout = try call.prometheusDuration("timeout") {
            question.timeout = min(.milliseconds(timeout), QueryDesk.timeout)
        }
        do throws(QueryError) {
            return PrometheusJSON.answer(try await queries.answer(question).limited(to: limit), to: text)
        } catch {
            throw APIError.prometheus(error)
        }
    }

    private static func missing(_ name: String) -> APIError {
        .badRequest("invalid parameter \"\(name)\": it is missing", hint: "seconds since 1970, or RFC 3339")
    }

    private func formatted(_ call: APICall) throws -> [UInt8] {
        let text = call.query["query"] ?? ""
        do throws(QueryError) {
            var json = PrometheusJSON()
            json.string(try MusterQuery.Expression(parsing: text, compiler: RE2Compiler()).prettyPrinted)
            return PrometheusJSON.success(json.bytes)
        } catch {
            throw APIError.prometheus(error)
        }
    }

    // MARK: Catalogue of series

    /// The time range a listing is about; without one it is everything that is stored.
    private func listing(_ call: APICall) throws(APIError) -> MetricStore.Listing {
        MetricStore.Listing(
            selectors: try call.selectors(), from: try call.prometheusTime("start"), to: try call.prometheusTime("end"),
            limit: try call.prometheusLimit() ?? Self.listedMax)
    }

    private func series(_ call: APICall) throws -> [UInt8] {
        let listing = try listing(call)
        guard !listing.selectors.isEmpty else { throw APIError.badRequest("no match[] parameter provided") }
        let found = ingest.metrics.series(listing)
        var json = PrometheusJSON()
        json.list(found.items) { $0.labels($1) }
        return PrometheusJSON.success(json.bytes, warnings: Self.cut(found.isCut))
    }

    private func labelNames(_ call: APICall) throws -> [UInt8] {
        Self.texts(ingest.metrics.labelNames(try listing(call)))
    }

    private func labelValues(_ call: APICall) throws -> [UInt8] {
        let name = LabelName.unescaped(call.id.removingPercentEncoding ?? call.id)
        guard !name.isEmpty else { throw APIError.badRequest("invalid label name: it is empty") }
        return Self.texts(ingest.metrics.labelValues(name, try listing(call)))
    }

    private static func texts(_ found: MetricStore.Found<String>) -> [UInt8] {
        var json = PrometheusJSON()
        json.list(found.items) { $0.string($1) }
        return PrometheusJSON.success(json.bytes, warnings: cut(found.isCut))
    }

    private static func cut(_ isCut: Bool) -> [String] { isCut ? ["results truncated due to limit"] : [] }

    private func metadata(_ call: APICall) throws -> [UInt8] {
        let limit = try call.prometheusLimit() ?? Self.listedMax
        var json = PrometheusJSON()
        json.raw("{")
        for (index, family) in ingest.metrics.metadata(metric: call.query["metric"], limit: limit).enumerated() {
            if index > 0 { json.raw(",") }
            json.string(family.name)
            json.raw(":[{\"type\":")
            json.string(family.type.name)
            json.raw(",\"unit\":")
            json.string(family.unit)
            json.raw(",\"help\":")
            json.string(family.help)
            json.raw("}]")
        }
        json.raw("}")
        return PrometheusJSON.success(json.bytes)
    }

    private func tsdbStatus(_ call: APICall) throws -> [UInt8] {
        let limit = try call.prometheusLimit() ?? 10
        let cardinality = ingest.metrics.cardinality(limit: min(limit, 10_000))
        var json = PrometheusJSON()
        json.raw("{\"headStats\":{\"numSeries\":\(cardinality.series),\"numLabelPairs\":\(cardinality.labelPairs),")
        json.raw("\"chunkCount\":\(cardinality.blocks),\"minTime\":\(cardinality.from),\"maxTime\":\(cardinality.to)}")
        for (name, counts) in [
            ("seriesCountByMetricName", cardinality.byMetric), ("labelValueCountByLabelName", cardinality.byLabelName),
            ("memoryInBytesByLabelName", cardinality.bytesByLabelName),
            ("seriesCountByLabelValuePair", cardinality.byPair), ("refusedByMetricName", cardinality.refusedByMetric),
        ] {
            json.raw(",\"\(name)\":")
            json.list(counts) { json, count in
                json.raw("{\"name\":")
                json.string(count.name)
                json.raw(",\"value\":\(count.value)}")
            }
        }
        json.raw(",\"seriesByOwner\":")
        json.list(cardinality.byOwner) { json, owner in
            json.raw("{\"name\":")
            json.string(owner.name)
            json.raw(",\"value\":\(owner.series),\"budget\":\(owner.budget),\"refused\":\(owner.refused)}")
        }
        json.raw("}")
        return PrometheusJSON.success(json.bytes)
    }

    // MARK: The server

    private func buildInfo() -> [UInt8] {
        var json = PrometheusJSON()
        json.raw("{\"version\":\"\(Self.prometheusVersion)\",\"revision\":\"muster-\(Self.version)\",")
        json.raw("\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}")
        return PrometheusJSON.success(json.bytes)
    }

    private func runtimeInfo() -> [UInt8] {
        var json = PrometheusJSON()
        json.raw("{\"startTime\":\"\(startedAt)\",\"CWD\":\"\",\"reloadConfigSuccess\":true,")
        json.raw("\"lastConfigTime\":\"\(startedAt)\",\"corruptionCount\":\(ingest.metrics.damagedBlocks),")
        json.raw("\"storageRetention\":\"\(ingest.metrics.retention.shortText)\"}")
        return PrometheusJSON.success(json.bytes)
    }

    /// The hosts, as the targets that they are.
    private func targets(_ call: APICall) -> [UInt8] {
        let wanted = call.query["state"] ?? "any"
        var json = PrometheusJSON()
        json.raw("{\"activeTargets\":")
        json.list(wanted == "dropped" ? [] : fleet.hosts(now: clock.now)) { json, view in
            let state = view.status?.state.rawValue ?? "suspect"
            var labels = view.snapshot.labels
            labels["host"] = view.snapshot.host.text
            labels["instance"] = view.snapshot.name
            labels["job"] = "muster-agent"
            json.raw("{\"discoveredLabels\":{},\"labels\":")
            json.labels(labels)
            json.raw(",\"scrapePool\":\"agents\",\"scrapeUrl\":")
            json.string("muster-agent://\(view.snapshot.host)")
            json.raw(",\"globalUrl\":")
            json.string("muster-agent://\(view.snapshot.host)")
            json.raw(",\"lastError\":")
            json.string(state == "alive" ? "" : view.status?.reason ?? state)
            json.raw(",\"lastScrape\":\"\(view.status?.lastSeen ?? startedAt)\",\"lastScrapeDuration\":0,\"health\":")
            json.string(state == "alive" ? "up" : state == "suspect" ? "unknown" : "down")
            json.raw(",\"scrapeInterval\":\"1s\",\"scrapeTimeout\":\"1s\"}")
        }
        json.raw(",\"droppedTargets\":[],\"droppedTargetCounts\":{}}")
        return PrometheusJSON.success(json.bytes)
    }
}

extension QueryAnswer {
    /// At most so many series, as Prometheus's `limit` does it.
    fileprivate func limited(to limit: Int?) -> QueryAnswer {
        guard let limit else { return self }
        var cut = self
        switch value {
        case .vector(let elements): cut.value = .vector(Array(elements.prefix(limit)))
        case .matrix(let series): cut.value = .matrix(Array(series.prefix(limit)))
        case .scalar, .string: break
        }
        return cut
    }
}

/// Label names in addresses.
package enum LabelName {
    /// `U__http_2e_status` is `http.status`: what a path cannot hold comes with its code point between underscores, an
    /// underscore as two. Everything else is itself.
    package static func unescaped(_ text: String) -> String {
        guard text.hasPrefix("U__") else { return text }
        var name = ""
        var rest = text.dropFirst(3)
        while let first = rest.first {
            guard first == "_" else {
                name.append(first)
                rest.removeFirst()
                continue
            }
            rest.removeFirst()
            if rest.first == "_" {
                name.append("_")
                rest.removeFirst()
                continue
            }
            guard let end = rest.firstIndex(of: "_"), let code = UInt32(rest[..<end], radix: 16),
                let scalar = Unicode.Scalar(code)
            else { return text }
            name.unicodeScalars.append(scalar)
            rest = rest[rest.index(after: end)...]
        }
        return name
    }
}
