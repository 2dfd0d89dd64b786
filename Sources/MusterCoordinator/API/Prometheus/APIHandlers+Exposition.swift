import MusterHealth
import MusterInterchange
import MusterModel
import MusterQuery
import MusterSeries
import MusterTransport

/// What others scrape: the newest samples of chosen series (`/federate`), and the coordinator's own (`/metrics`).
extension APIHandlers {
    static let expositionType = ExpositionWriter.contentType

    func federate(_ call: APICall) async throws -> APIAnswer {
        let selectors = try call.vectorSelectors()
        guard !selectors.isEmpty else {
            throw APIError.badRequest("no match[] parameter provided", hint: "match[]={job=\"node\"}")
        }
        var families: [String: [QueryAnswer.Element]] = [:]
        let now = MachineClock.wall.milliseconds
        var seen: Set<Labels> = []
        for selector in selectors {
            let values = try await federated(selector, now)
            for element in values where seen.insert(element.labels).inserted {
                families[element.labels.metricName, default: []].append(element)
            }
        }
        var writer = ExpositionWriter()
        for name in families.keys.sorted() {
            let family = ingest.metrics.metadata(metric: name, limit: 1).first
            writer.family(FamilyMetadata(name: name, type: family?.type ?? .unknown, help: family?.help ?? ""))
            for element in (families[name] ?? []).sorted(by: { $0.labels.description < $1.labels.description }) {
                writer.sample(element.labels, element.sample.value, milliseconds: element.sample.milliseconds)
            }
        }
        return .content(200, writer.bytes, type: Self.expositionType)
    }

    /// The newest sample of each series within the lookback, with its own time.
    private func federated(_ selector: VectorSelector, _ now: Int64) async throws -> [QueryAnswer.Element] {
        let lookback = QueryLimits().lookback.nanoseconds / 1_000_000
        let text = Expression.range(selector, milliseconds: lookback, selector.position).description
        do throws(QueryError) {
            guard case .matrix(let series) = try await queries.answer(.init(text, at: .instant(now))).value
            else { return [] }
            return series.compactMap { series in
                guard let last = series.samples.last, !StaleMarker.isMarker(last.value) else { return nil }
                return QueryAnswer.Element(labels: series.labels, sample: last)
            }
        } catch {
            throw APIError.prometheus(error)
        }
    }

    // MARK: The coordinator itself

    /// One family with one sample.
    private struct Gauge {
        var name: String
        var type: FamilyType
        var help: String
        var values: [(labels: Labels, value: Double)]

        init(_ name: String, _ type: FamilyType, _ help: String, _ value: Double) {
            self.init(name, type, help, values: [([:], value)])
        }

        init(_ name: String, _ type: FamilyType, _ help: String, values: [(labels: Labels, value: Double)]) {
            self.name = "muster_coordinator_" + name
            self.type = type
            self.help = help
            self.values = values
        }
    }

    func ownMetrics() -> [UInt8] {
        var writer = ExpositionWriter()
        for gauge in ingestMetrics() + storeMetrics() + queryMetrics() + handOffMetrics() + fleetMetrics() {
            writer.family(FamilyMetadata(name: gauge.name, type: gauge.type, help: gauge.help))
            for (labels, value) in gauge.values {
                var all = labels
                all["__name__"] = gauge.name
                writer.sample(all, value)
            }
        }
        return writer.bytes
    }

    private func ingestMetrics() -> [Gauge] {
        let counts = ingest.counts
        return [
            Gauge(
                "received_frames_total", .counter, "Frames from agents that are durable.",
                values: [
                    (["class": "metrics"], Double(counts.metricFrames)), (["class": "logs"], Double(counts.logFrames)),
                ]),
            Gauge("received_bytes_total", .counter, "Payload bytes that are durable.", Double(counts.bytes)),
            Gauge(
                "duplicate_frames_total", .counter, "Frames that came a second time and were not stored again.",
                Double(ingest.marks.duplicates)),
            Gauge("failed_frames_total", .counter, "Frames that could not be stored.", Double(counts.failed)),
            Gauge(
                "relayed_requests_total", .counter, "Pushed requests (remote write, OTLP, rules) that are durable.",
                Double(counts.relayedRequests)),
            Gauge("queued_bytes", .gauge, "Received and not yet durable.", Double(ingest.queuedBytes)),
        ]
    }

    private func storeMetrics() -> [Gauge] {
        let metrics = ingest.metrics
        let kept = ingest.keeper.counts
        return [
            Gauge("series", .gauge, "Series in the hot store.", Double(metrics.seriesCount)),
            Gauge("store_memory_bytes", .gauge, "Memory of the hot store.", Double(metrics.memoryBytes)),
            Gauge(
                "store_disk_bytes", .gauge, "Parts, catalogue and log of the hot store.",
                Double(ingest.keeper.diskBytes)),
            Gauge(
                "samples_total", .counter, "Samples by what became of them.",
                values: metrics.sampleCounts.map { (["outcome": $0.name], Double($0.value)) }),
            Gauge(
                "refused_series_total", .counter, "New series that were refused, by the budget that was used up.",
                values: metrics.refusalCounts.map { (["reason": $0.name], Double($0.value)) }),
            Gauge(
                "undecodable_frames_total", .counter, "Metric frames that could not be read.",
                Double(metrics.undecodable)),
            Gauge(
                "damaged_blocks_total", .counter, "Sealed blocks whose checksum or content is wrong.",
                Double(metrics.damagedBlocks)),
            Gauge("checkpoints_total", .counter, "Checkpoints of the hot store.", Double(kept.checkpoints)),
            Gauge("merges_total", .counter, "Merges of parts.", Double(kept.merges)),
            Gauge(
                "store_failures_total", .counter, "Work on the disk that failed and was tried again.",
                Double(kept.failures)),
            Gauge(
                "dropped_parts_total", .counter, "Parts that went, by why.",
                values: [
                    (["reason": "retention"], Double(kept.expiredParts)),
                    (["reason": "size"], Double(kept.evictedParts)),
                ]),
        ]
    }

    private func queryMetrics() -> [Gauge] {
        let counters = queries.counters
        return [
            Gauge(
                "queries_total", .counter, "Queries by how they ended.",
                values: [
                    (["outcome": "answered"], Double(counters.answered)),
                    (["outcome": "failed"], Double(counters.failed)),
                    (["outcome": "canceled"], Double(counters.canceled)),
                    (["outcome": "timed_out"], Double(counters.timedOut)),
                    (["outcome": "overloaded"], Double(counters.overloaded)),
                ]),
            Gauge(
                "queries_shared_total", .counter, "Queries answered by the computation of an identical one.",
                Double(counters.shared)),
            Gauge("queries_running", .gauge, "Queries that are evaluated now.", Double(counters.running)),
            Gauge("query_samples_total", .counter, "Samples that queries read.", Double(counters.samples)),
            Gauge(
                "rule_missed_iterations_total", .counter, "Evaluations of rule groups that were left out.",
                Double(rules.groups.reduce(0) { $0 + $1.missed })),
            Gauge(
                "rules_failing", .gauge, "Rules whose last evaluation failed.",
                Double(rules.groups.reduce(0) { $0 + $1.rules.count { $0.problem != nil } })),
        ]
    }

    private func handOffMetrics() -> [Gauge] {
        let statuses = handOff.statuses
        guard !statuses.isEmpty else { return [] }
        func gauge(
            _ name: String, _ type: FamilyType, _ help: String, _ value: (HandOffDesk.Status) -> Double
        ) -> Gauge {
            Gauge("handoff_" + name, type, help, values: statuses.map { (["engine": $0.engine], value($0)) })
        }
        return [
            gauge("samples_total", .counter, "Samples an engine has taken.") { Double($0.samples) },
            gauge("windows_total", .counter, "Windows an engine has taken.") { Double($0.counters.given) },
            gauge("refused_windows_total", .counter, "Windows of which an engine refused something for good.") {
                Double($0.counters.refused)
            },
            gauge("lost_windows_total", .counter, "Windows that were dropped here before an engine took them.") {
                Double($0.counters.lost)
            },
            gauge("failures_total", .counter, "Requests that an engine did not take and that come again.") {
                Double($0.counters.failures)
            },
            gauge("pending_windows", .gauge, "Windows that wait for an engine.") { Double($0.backlog) },
            gauge("up", .gauge, "Whether the last request went well.") { $0.problem == nil ? 1 : 0 },
        ]
    }

    private func fleetMetrics() -> [Gauge] {
        let hosts = Dictionary(
            grouping: fleet.hosts(now: clock.now), by: { ($0.status?.state ?? .suspect).rawValue }
        ).mapValues(\.count)
        return [
            Gauge(
                "hosts", .gauge, "Hosts by state.",
                values: hosts.sorted { $0.key < $1.key }.map { (["state": $0.key], Double($0.value)) }),
            Gauge("log_blocks", .gauge, "Log blocks in the index.", Double(ingest.logs.counts.blocks)),
            Gauge("log_lines", .gauge, "Log lines in the index.", Double(ingest.logs.counts.lines)),
            Gauge("log_index_bytes", .gauge, "Index files of logs.", Double(ingest.logs.counts.indexBytes)),
            Gauge(
                "log_unreadable_frames", .gauge, "Stored frames that are no log block of their host.",
                Double(ingest.logs.counts.unreadable)),
            Gauge(
                "start_time_seconds", .gauge, "When this coordinator started, since 1970.",
                Double(startedAt.milliseconds) / 1_000),
        ]
    }
}
