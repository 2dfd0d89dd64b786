package import MusterModel

/// How an export becomes Prometheus series.
package struct OTLPTranslation: Sendable {
    /// Units and `_total` at the end of names.
    package var hasSuffixes = true
    /// `otel_scope_name`, `otel_scope_version`, `otel_scope_schema_url` and the scope's attributes as labels.
    package var hasScopeLabels = false
    /// Attributes of the resource that become labels of every series, not only of `target_info`.
    package var promotedAttributes: Set<String> = []

    package init() {}
}

/// Turns exports into series, one after the other; keeps the totals of delta streams in between.
package struct OTLPTranslator: Sendable {
    private let options: OTLPTranslation
    private var deltas: DeltaAccumulator
    private var output = OTLPSeries()
    private var places: [Labels: Int] = [:]
    private var families: Set<String> = []
    private var now = Instant.distantPast
    /// Data points so far.
    private var point = 0

    package init(options: OTLPTranslation = OTLPTranslation(), deltas: DeltaAccumulator = DeltaAccumulator()) {
        self.options = options
        self.deltas = deltas
    }

    /// `now` is the time for points without one, and the age of delta streams.
    package mutating func translate(_ metrics: OTLPMetrics, now: Instant) -> OTLPSeries {
        output = OTLPSeries()
        places = [:]
        families = []
        self.now = now
        point = 0
        deltas.expire(now: now)
        for resource in metrics.resources { translate(resource) }
        let result = output
        output = OTLPSeries()
        return result
    }

    private mutating func translate(_ resource: OTLPMetrics.Resource) {
        let base = OTLPLabels(resource: resource, promoted: options.promotedAttributes)
        var newest: UInt64 = 0
        for scope in resource.scopes {
            var labels = base.common
            if options.hasScopeLabels { OTLPLabels.add(scope, to: &labels) }
            for metric in scope.metrics { translate(metric, labels, newest: &newest) }
        }
        guard newest > 0, let info = base.targetInfo else { return }
        append(info, 1, time: newest, OTLPSeries.Origin(point: nil, start: 0))
        describe(FamilyMetadata(name: "target_info", type: .gauge, help: "Attributes of the resource"))
    }

    private mutating func translate(_ metric: OTLPMetrics.Metric, _ common: [String: String], newest: inout UInt64) {
        let kind: OTLPNames.Kind
        let type: FamilyType
        switch metric.data {
        case .none: return
        case .gauge: (kind, type) = (.gauge, .gauge)
        case .sum(_, _, let isMonotonic):
            (kind, type) = isMonotonic ? (.counter, .counter) : (.other, .gauge)
        case .histogram: (kind, type) = (.other, .histogram)
        case .summary: (kind, type) = (.other, .summary)
        case .exponentialHistogram(let points):
            let refusal = SeriesRefusal(
                .exponentialHistogram, "exponential histograms are not stored; export explicit buckets",
                series: metric.name)
            return output.refusals.add(refusal, count: points)
        }
        guard
            let name = OTLPNames.metric(
                metric.name, unit: metric.unit, kind: kind, hasSuffixes: options.hasSuffixes)
        else {
            return refuse(.noName, "no character of the metric's name can be kept", metric.name, metric.pointCount)
        }
        let context = Context(name: name, common: common, counts: type.counts)
        let before = output.points
        switch metric.data {
        case .gauge(let points): for point in points { add(point, .cumulative, context, &newest) }
        case .sum(let points, let temporality, _): for point in points { add(point, temporality, context, &newest) }
        case .histogram(let points, let temporality):
            for point in points { add(point, temporality, context, &newest) }
        case .summary(let points): for point in points { add(point, context, &newest) }
        case .none, .exponentialHistogram: break
        }
        guard output.points > before else { return }
        describe(
            FamilyMetadata(
                name: name, type: type, help: metric.description.prefix(utf8: InterchangeLimits.helpBytes),
                unit: OTLPNames.unit(metric.unit)))
    }

    private mutating func describe(_ family: FamilyMetadata) {
        guard output.families.count < InterchangeLimits.familiesPerRequest, families.insert(family.name).inserted else {
            return
        }
        output.families.append(family)
    }
}

// MARK: - Points

extension OTLPTranslator {
    private struct Context {
        var name: String
        var common: [String: String]
        var counts: Bool

        func origin(_ point: Int, start: UInt64) -> OTLPSeries.Origin {
            OTLPSeries.Origin(point: point, start: counts ? Int64(start / 1_000_000) : 0)
        }
    }

    private mutating func add(
        _ point: OTLPMetrics.NumberPoint, _ temporality: OTLPMetrics.Temporality, _ context: Context,
        _ newest: inout UInt64
    ) {
        self.point += 1
        guard let labels = labels(point.head, context) else { return }
        if point.head.hasNoRecordedValue {
            deltas.end(labels)
            append(labels, StaleMarker.value, time: time(point.head, &newest), context.origin(self.point, start: 0))
        } else if let value = point.value {
            guard let total = total([value], [], temporality, labels, point.head) else { return }
            append(
                labels, total.values[0], time: time(point.head, &newest),
                context.origin(self.point, start: total.start))
        } else {
            return refuse(.noValue, "a data point without a value", context.name)
        }
        output.points += 1
    }

    private mutating func add(
        _ point: OTLPMetrics.HistogramPoint, _ temporality: OTLPMetrics.Temporality, _ context: Context,
        _ newest: inout UInt64
    ) {
        self.point += 1
        guard let labels = labels(point.head, context) else { return }
        let isWellFormed =
            point.counts.isEmpty ? point.bounds.isEmpty : point.counts.count == point.bounds.count + 1
        guard isWellFormed, zip(point.bounds, point.bounds.dropFirst()).allSatisfy({ $0 < $1 }) else {
            return refuse(
                .malformedHistogram,
                "\(point.counts.count) buckets for \(point.bounds.count) bounds, or bounds that do not rise",
                context.name)
        }
        let isStale = point.head.hasNoRecordedValue
        let values = [Double(point.count), point.sum ?? 0] + point.counts.map { Double($0) }
        let ended = DeltaAccumulator.Total(start: 0, values: values.map { _ in StaleMarker.value })
        guard let total = isStale ? ended : total(values, point.bounds, temporality, labels, point.head) else {
            return
        }
        if isStale { deltas.end(labels) }
        let time = time(point.head, &newest)
        let origin = context.origin(self.point, start: total.start)
        var running = 0.0
        for (index, bound) in point.bounds.enumerated() where bound != .infinity {
            running += total.values[index + 2]
            append(labels, "_bucket", ("le", GoFloat.fixed(bound)), isStale ? StaleMarker.value : running, time, origin)
        }
        append(labels, "_bucket", ("le", "+Inf"), total.values[0], time, origin)
        append(labels, "_count", nil, total.values[0], time, origin)
        if point.sum != nil { append(labels, "_sum", nil, total.values[1], time, origin) }
        output.points += 1
    }

    private mutating func add(_ point: OTLPMetrics.SummaryPoint, _ context: Context, _ newest: inout UInt64) {
        self.point += 1
        guard let labels = labels(point.head, context) else { return }
        let isStale = point.head.hasNoRecordedValue
        let time = time(point.head, &newest)
        let origin = context.origin(self.point, start: isStale ? 0 : point.head.start)
        for quantile in point.quantiles {
            append(
                labels, "", ("quantile", GoFloat.fixed(quantile.quantile)),
                isStale ? StaleMarker.value : quantile.value, time,
                OTLPSeries.Origin(point: origin.point, start: 0))
        }
        append(labels, "_count", nil, isStale ? StaleMarker.value : Double(point.count), time, origin)
        append(labels, "_sum", nil, isStale ? StaleMarker.value : point.sum, time, origin)
        output.points += 1
    }

    /// The cumulative values of a point, and since when; nil when it was refused.
    private mutating func total(
        _ values: [Double], _ shape: [Double], _ temporality: OTLPMetrics.Temporality, _ labels: Labels,
        _ head: OTLPMetrics.Head
    ) -> DeltaAccumulator.Total? {
        switch temporality {
        case .cumulative: return DeltaAccumulator.Total(start: head.start, values: values)
        case .unspecified:
            refuse(.noTemporality, "neither cumulative nor delta", labels.description)
            return nil
        case .delta:
            do throws(DeltaAccumulator.Refusal) {
                let time = head.time == 0 ? nanoseconds(now) : head.time
                return try deltas.add(values, shape: shape, to: labels, start: head.start, time: time, now: now)
            } catch {
                switch error {
                case .outOfOrder:
                    refuse(.deltaOutOfOrder, "a delta that ends before one already added", labels.description)
                case .overLimit:
                    refuse(.deltaOverLimit, "too many series with deltas; export cumulative values", labels.description)
                }
                return nil
            }
        }
    }

    private mutating func labels(_ head: OTLPMetrics.Head, _ context: Context) -> Labels? {
        var (own, hasCollision) = OTLPLabels.translated(head.attributes)
        for (name, value) in context.common { own[name] = value }
        own["__name__"] = context.name
        let labels = Labels(own.filter { !$0.value.isEmpty })
        var ranges: [LabelRange] = []
        let bytes = LabelBytes.encode(labels)
        do throws(SeriesRefusal) {
            try LabelBytes.decode(bytes.span, 0..<bytes.count, into: &ranges)
        } catch {
            output.refusals.add(error)
            return nil
        }
        if hasCollision { output.attributeCollisions += 1 }
        return labels
    }

    private mutating func refuse(
        _ reason: SeriesRefusal.Reason, _ detail: String, _ series: String, _ points: Int = 1
    ) {
        guard points > 0 else { return }
        output.refusals.add(SeriesRefusal(reason, detail, series: series), count: points)
    }

    private func time(_ head: OTLPMetrics.Head, _ newest: inout UInt64) -> UInt64 {
        let time = head.time == 0 ? nanoseconds(now) : head.time
        newest = max(newest, time)
        return time
    }

    private func nanoseconds(_ instant: Instant) -> UInt64 { UInt64(max(0, instant.nanoseconds)) }

    private mutating func append(
        _ labels: Labels, _ suffix: String, _ extra: (name: String, value: String)?, _ value: Double, _ time: UInt64,
        _ origin: OTLPSeries.Origin
    ) {
        var labels = labels
        if !suffix.isEmpty { labels["__name__"] = labels.metricName + suffix }
        if let extra { labels[extra.name] = extra.value }
        append(labels, value, time: time, origin)
    }

    private mutating func append(_ labels: Labels, _ value: Double, time: UInt64, _ origin: OTLPSeries.Origin) {
        let sample = Sample(milliseconds: Int64(time / 1_000_000), value: value)
        if let place = places[labels] {
            output.series[place].samples.append(sample)
            output.origins[place].append(origin)
            return
        }
        places[labels] = output.series.count
        output.series.append(SeriesSamples(labels: labels, samples: [sample]))
        output.origins.append([origin])
    }
}

extension OTLPMetrics.Metric {
    package var pointCount: Int {
        switch data {
        case .none: 0
        case .gauge(let points), .sum(let points, _, _): points.count
        case .histogram(let points, _): points.count
        case .exponentialHistogram(let points): points
        case .summary(let points): points.count
        }
    }
}
