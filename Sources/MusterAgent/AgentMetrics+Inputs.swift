import MusterHost
import MusterInterchange
import MusterModel

/// What the agent says of its inputs; only of those that are in use.
extension AgentMetrics.Series {
    mutating func collect(_ inputs: MetricInputs, _ rows: MetricInputs.Rows, into table: inout MetricTable) {
        if let scraper = inputs.scraper { scrapes(scraper, &table) }
        if let receiver = inputs.statsD { statsD(receiver, &table) }
        if let receiver = inputs.otlp { otlp(receiver, &table) }
        for (input, count) in rows.refused where count > 0 || isKnown("muster_agent_input_refused_series", input) {
            set("muster_agent_input_refused_series", ("input", input), Double(count), &table)
        }
    }

    private mutating func scrapes(_ scraper: Scraper, _ table: inout MetricTable) {
        let counts = scraper.counts
        let counters = scraper.counters
        guard counts.targets > 0 || counters.scrapes > 0 else { return }
        set("muster_agent_scrape_targets", Double(counts.targets), &table)
        set("muster_agent_scrape_omitted_targets", Double(counts.omitted), &table)
        set("muster_agent_scrape_scrapes_total", Double(counters.scrapes), &table)
        set("muster_agent_scrape_samples_total", Double(counters.samples), &table)
        set("muster_agent_scrape_skipped_total", Double(counters.skipped), &table)
        set("muster_agent_scrape_duplicate_samples_total", Double(counters.duplicates), &table)
        set("muster_agent_scrape_ignored_timestamps_total", Double(counters.timestamps), &table)
        for (reason, count) in counters.failures {
            set("muster_agent_scrape_failures_total", ("reason", reason.rawValue), Double(count), &table)
        }
        for (reason, count) in counters.refusedSeries {
            set("muster_agent_scrape_refused_series_total", ("reason", reason.rawValue), Double(count), &table)
        }
    }

    private mutating func statsD(_ receiver: StatsDReceiver, _ table: inout MetricTable) {
        let counters = receiver.counters
        set("muster_agent_statsd_sockets", Double(receiver.openCount), &table)
        set("muster_agent_statsd_series", Double(receiver.seriesCount), &table)
        set("muster_agent_statsd_datagrams_total", Double(counters.datagrams), &table)
        set("muster_agent_statsd_lines_total", Double(counters.lines), &table)
        for (reason, count) in counters.refused {
            set("muster_agent_statsd_refused_lines_total", ("reason", reason.rawValue), Double(count), &table)
        }
    }

    private mutating func otlp(_ receiver: OTLPReceiver, _ table: inout MetricTable) {
        let counters = receiver.counters
        set("muster_agent_otlp_series", Double(receiver.seriesCount), &table)
        set("muster_agent_otlp_requests_total", Double(counters.requests), &table)
        set("muster_agent_otlp_points_total", Double(counters.points), &table)
        set("muster_agent_otlp_refused_samples_total", Double(counters.refusedSamples), &table)
        for (reason, count) in counters.refusedRequests {
            set("muster_agent_otlp_refused_requests_total", ("reason", reason.rawValue), Double(count), &table)
        }
        for (reason, count) in counters.refusedPoints {
            set("muster_agent_otlp_refused_points_total", ("reason", reason.rawValue), Double(count), &table)
        }
    }
}
