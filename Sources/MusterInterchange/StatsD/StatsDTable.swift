package import MusterModel

/// Adds up StatsD lines between two readings and gives them out as Prometheus series: counters that only grow, gauges,
/// classic histograms for timers (in seconds), histograms and distributions, and for sets a gauge of how many different
/// members there were since the reading before.
///
/// Bounded in series and in members of sets. A series nobody mentioned for `idle` ends.
package struct StatsDTable: Sendable {
    package struct Options: Sendable {
        /// Upper bounds of histogram buckets, ascending, the infinite one left out.
        package var buckets: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
        package var maxSeries = InterchangeLimits.statsDSeries
        package var idle = Duration.minutes(60)

        package init() {}
    }

    private enum State: Sendable {
        case counter(Double)
        case gauge(Double)
        case histogram(Histogram)
        case set(Set<String>)
    }

    private struct Histogram: Sendable {
        /// By bucket, not cumulative; the last one has no bound.
        var counts: [Double]
        var sum = 0.0
    }

    private struct Entry: Sendable {
        let labels: Labels
        let kind: StatsDLine.Kind
        /// A histogram has one for each bucket, then the sum, then the count.
        let rows: [Int]
        var state: State
        var touched: Instant
        var isNew = true
    }

    private let options: Options
    private var entries: [Entry] = []
    /// Places in `entries` by name and labels; `__name__` is among them.
    private var places: [Labels: Int] = [:]
    /// What a name is used for, and by how many series.
    private var kinds: [String: (kind: StatsDLine.Kind, series: Int)] = [:]
    private var numbers = RowNumbers()

    package init(options: Options = Options()) { self.options = options }

    package var seriesCount: Int { entries.count }

    /// Takes one line that arrived at `now`. What is refused changes nothing but values of the same line before it.
    package mutating func add(_ line: StatsDLine, now: Instant) throws(StatsDError) {
        let labels = try Self.labels(line)
        let name = labels.metricName
        let kind: StatsDLine.Kind = line.kind == .timer ? .histogram : line.kind
        if let known = kinds[name], known.kind != kind {
            throw StatsDError(.typeConflict, "\(name) is a \(known.kind) already")
        }
        if let place = places[labels] {
            entries[place].touched = now
            return try apply(line, to: &entries[place].state)
        }
        guard entries.count < options.maxSeries else {
            throw StatsDError(.overLimit, "\(options.maxSeries) series are there already, \(name) would be one more")
        }
        var state = initial(kind)
        try apply(line, to: &state)
        let width = kind == .histogram ? options.buckets.count + 3 : 1
        let rows = (0..<width).map { _ in numbers.take() }
        places[labels] = entries.count
        entries.append(Entry(labels: labels, kind: kind, rows: rows, state: state, touched: now))
        kinds[name] = (kind, (kinds[name]?.series ?? 0) + 1)
    }

    private func initial(_ kind: StatsDLine.Kind) -> State {
        switch kind {
        case .counter: .counter(0)
        case .gauge: .gauge(0)
        case .timer, .histogram:
            .histogram(Histogram(counts: Array(repeating: 0, count: options.buckets.count + 1)))
        case .set: .set([])
        }
    }

    private func apply(_ line: StatsDLine, to state: inout State) throws(StatsDError) {
        let weight = 1 / line.rate
        for value in line.values {
            switch (state, value) {
            case (.counter(let total), .number(let number)):
                guard number >= 0 else { throw StatsDError(.badValue, "a counter does not go down") }
                state = .counter(total + number * weight)
            case (.gauge, .number(let number)): state = .gauge(number)
            case (.gauge(let level), .change(let change)): state = .gauge(level + change)
            case (.histogram(var histogram), .number(let number)):
                // Taken out while it changes, so that the counts are not copied.
                state = .set([])
                let scaled = line.kind == .timer ? number / 1_000 : number
                histogram.counts[options.buckets.firstIndex { scaled <= $0 } ?? options.buckets.count] += weight
                histogram.sum += scaled * weight
                state = .histogram(histogram)
            case (.set(var members), .member(let member)):
                state = .counter(0)
                let isFull = members.count >= InterchangeLimits.statsDSetMembers && !members.contains(member)
                if !isFull { members.insert(member) }
                state = .set(members)
                guard !isFull else {
                    throw StatsDError(
                        .overLimit, "a set of more than \(InterchangeLimits.statsDSetMembers) members")
                }
            default: throw StatsDError(.badValue, "the value does not fit the type")
            }
        }
    }

    /// Everything as of `now`. Sets start over; what was idle for too long ends and is forgotten.
    package mutating func flush(now: Instant) -> SeriesReading {
        var reading = SeriesReading()
        for place in entries.indices.reversed() where now - entries[place].touched >= options.idle {
            forget(place, &reading)
        }
        for place in entries.indices {
            if entries[place].isNew {
                start(entries[place], &reading)
                entries[place].isNew = false
            }
            append(entries[place], &reading)
            if case .set = entries[place].state { entries[place].state = .set([]) }
        }
        return reading
    }

    private mutating func forget(_ place: Int, _ reading: inout SeriesReading) {
        let entry = entries[place]
        if !entry.isNew { reading.ended += entry.rows }
        for row in entry.rows { numbers.giveBack(row) }
        places[entry.labels] = nil
        let last = entries.removeLast()
        if place < entries.count {
            entries[place] = last
            places[last.labels] = place
        }
        let name = entry.labels.metricName
        guard let known = kinds[name] else { return }
        kinds[name] = known.series > 1 ? (known.kind, known.series - 1) : nil
    }

    private func append(_ entry: Entry, _ reading: inout SeriesReading) {
        switch entry.state {
        case .counter(let value), .gauge(let value): reading.values.append(.init(entry.rows[0], value))
        case .set(let members): reading.values.append(.init(entry.rows[0], Double(members.count)))
        case .histogram(let histogram):
            var total = 0.0
            for (index, count) in histogram.counts.enumerated() {
                total += count
                reading.values.append(.init(entry.rows[index], total))
            }
            let buckets = histogram.counts.count
            reading.values.append(.init(entry.rows[buckets], histogram.sum))
            reading.values.append(.init(entry.rows[buckets + 1], total))
        }
    }

    private func start(_ entry: Entry, _ reading: inout SeriesReading) {
        // A tag is never called `host` in the end: that label is the agent's to give.
        let labels = TargetLabels().applied(to: entry.labels)
        guard case .histogram(let histogram) = entry.state else {
            let kind: MetricKind = entry.kind == .counter ? .counter : .gauge
            return reading.started.append(.init(entry.rows[0], labels, kind))
        }
        let name = labels.metricName
        for index in histogram.counts.indices {
            var bucket = labels
            bucket["__name__"] = name + "_bucket"
            bucket["le"] = index < options.buckets.count ? GoFloat.general(options.buckets[index]) : "+Inf"
            reading.started.append(.init(entry.rows[index], bucket, .histogram))
        }
        for (offset, suffix) in ["_sum", "_count"].enumerated() {
            var plain = labels
            plain["__name__"] = name + suffix
            reading.started.append(.init(entry.rows[histogram.counts.count + offset], plain, .histogram))
        }
    }

    /// Name and tags in Prometheus's characters; of tags that become one label the last counts, an empty value is none.
    private static func labels(_ line: StatsDLine) throws(StatsDError) -> Labels {
        var labels: Labels = ["__name__": ExpositionWriter.legacy(line.name, isLabel: false)]
        for tag in line.tags {
            let name = ExpositionWriter.legacy(tag.name, isLabel: true)
            guard name != "__name__" else { throw StatsDError(.malformed, "a tag called __name__") }
            labels[name] = tag.value.isEmpty ? nil : tag.value
        }
        for label in labels.pairs {
            guard label.name.utf8.count <= Limits.labelNameBytes, label.value.utf8.count <= Limits.labelValueBytes
            else {
                throw StatsDError(.overLimit, "a name or tag of more than \(Limits.labelValueBytes) bytes")
            }
        }
        return labels
    }
}
