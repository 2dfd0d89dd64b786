import MusterModel

/// What a scrape says of itself, as Prometheus names it; these series stay while the target is a target.
enum ScrapeReport {
    private static let families: [(name: String, unit: String, help: String)] = [
        ("up", "", "1 when the last scrape of the target succeeded"),
        ("scrape_duration_seconds", "seconds", "How long the last scrape took"),
        ("scrape_samples_scraped", "", "Samples of the last scrape, 0 when it failed"),
    ]
    static var rows: Int { families.count }

    static func starts(_ target: ScrapeTarget) -> [SeriesReading.Start] {
        families.enumerated().map { row, family in
            var labels = target.labels.labels
            labels["__name__"] = family.name
            return SeriesReading.Start(row, labels, .gauge, unit: family.unit, help: family.help)
        }
    }

    /// The time in whole microseconds: what is finer is noise, and costs more to send than the rest.
    static func values(isUp: Bool, took: Duration, samples: Int) -> [SeriesReading.Value] {
        let values = [isUp ? 1 : 0, Double(took.nanoseconds / 1_000) / 1e6, Double(samples)]
        return values.enumerated().map { SeriesReading.Value($0.offset, $0.element) }
    }
}
