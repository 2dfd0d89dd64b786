import MusterModel

/// What one target's expositions were so far: reads the next one and tells what began, what ended and what the values
/// are. A series that is written as before costs a look-up of its bytes; a series that is not written any more ends.
///
/// After a failed reading the page is of no more use: `abandoned` gives what it had, and a new one begins.
package struct ScrapePage: Sendable {
    /// Rows below are for what the scrape says of itself, see `ScrapeReport`.
    static let firstRow = ScrapeReport.rows

    /// What one exposition held.
    package struct Read: Sendable {
        package var reading = SeriesReading()
        /// Samples written, whatever became of them.
        package var samples = 0
        /// Series that are new and break a rule: they are left out, in the readings after this one too.
        package var refusals = RefusalTally()
        /// Samples of a series that the exposition had already.
        package var duplicates = 0
        /// Samples with a time of their own, which does not count: they are of the tick like all others.
        package var timestamps = 0

        package init() {}
    }

    private var known = KnownSeries()
    private var numbers = RowNumbers(from: firstRow)
    /// By row: the last reading that had it, 0 for a row that is free.
    private var seen: [UInt32] = []
    /// By row: a series that breaks a rule has a row and no value.
    private var isRefused: [Bool] = []
    private var began: [UInt32] = []
    private var pass: UInt32 = 0
    /// The last reading that succeeded.
    private var lastGood: UInt32 = 0

    package init() {}

    /// Series of the last reading.
    package var seriesCount: Int { known.count }

    /// Reads an answer. Throws when it is no exposition, or has more samples than the target may have.
    package mutating func read(
        _ body: [UInt8], contentType: String?, target: ScrapeTarget
    ) throws(ScrapeFailure) -> Read {
        pass += 1
        var parser = ExpositionParser(format: ExpositionFormat(contentType: contentType))
        parser.feed(body)
        parser.finish()
        var read = Read()
        read.reading.values.reserveCapacity(known.count)
        var family = PageFamily()
        do throws(ExpositionError) {
            while let event = try parser.next() {
                guard case .sample(let sample) = event else {
                    family.heard(event, parser.bytes.span)
                    continue
                }
                read.samples += 1
                guard read.samples <= target.maxSeries else { break }
                try take(sample, of: parser, family, target.labels, &read)
            }
        } catch {
            throw ScrapeFailure(.malformed, "the exposition cannot be read: \(error)")
        }
        guard read.samples <= target.maxSeries else {
            throw ScrapeFailure(.tooManySeries, "more than the \(target.maxSeries) series allowed; see 'maxSeries'")
        }
        endUnseen(&read.reading)
        lastGood = pass
        return read
    }

    /// The rows of the last reading that succeeded.
    package var abandoned: [Int] {
        seen.indices.filter { seen[$0] >= lastGood && began[$0] <= lastGood && seen[$0] > 0 && !isRefused[$0] }
    }

    private mutating func take(
        _ sample: ExpositionSample, of parser: ExpositionParser, _ family: PageFamily,
        _ labels: TargetLabels, _ read: inout Read
    ) throws(ExpositionError) {
        let hash = KnownSeries.hash(parser.bytes.span, sample.series)
        let row: Int
        if let found = known.row(parser.bytes.span, sample.series, hash: hash) {
            row = found
            guard seen[row] != pass else {
                read.duplicates += 1
                return
            }
        } else {
            row = try begin(sample, hash, of: parser, family, labels, &read)
        }
        seen[row] = pass
        if sample.milliseconds != nil { read.timestamps += 1 }
        if !isRefused[row] { read.reading.values.append(SeriesReading.Value(row, sample.value)) }
    }

    private mutating func begin(
        _ sample: ExpositionSample, _ hash: UInt64, of parser: ExpositionParser, _ family: PageFamily,
        _ target: TargetLabels, _ read: inout Read
    ) throws(ExpositionError) -> Int {
        let written = try ExpositionLabels.labelBytes(of: sample, in: parser)
        let row = numbers.take()
        while seen.count <= row {
            seen.append(0)
            isRefused.append(false)
            began.append(0)
        }
        began[row] = pass
        known.insert(Array(parser.bytes.span, sample.series), hash: hash, row: row)
        do throws(SeriesRefusal) {
            let labels = try Self.labels(written, target)
            let metadata = family.metadata(of: labels.metricName, in: parser.bytes.span)
            read.reading.started.append(
                SeriesReading.Start(
                    row, labels, metadata?.kind(of: labels.metricName) ?? .untyped, unit: metadata?.unit ?? "",
                    help: metadata?.help ?? ""))
            isRefused[row] = false
        } catch {
            read.refusals.add(error)
            isRefused[row] = true
        }
        return row
    }

    private static func labels(_ written: [UInt8], _ target: TargetLabels) throws(SeriesRefusal) -> Labels {
        var ranges: [LabelRange] = []
        try LabelBytes.decode(written.span, 0..<written.count, into: &ranges)
        let labels = target.applied(to: LabelBytes.labels(written.span, ranges))
        guard labels.count <= Limits.labelsPerSet else {
            throw SeriesRefusal(
                .tooManyLabels, "more than the \(Limits.labelsPerSet) labels allowed with those of its target",
                series: labels.description)
        }
        if let long = labels.pairs.first(where: { $0.name.utf8.count > Limits.labelNameBytes }) {
            throw SeriesRefusal(
                .labelNameTooLong, "the label name \(long.name.prefix(32))... is too long after it was renamed",
                series: labels.description)
        }
        return labels
    }

    private mutating func endUnseen(_ reading: inout SeriesReading) {
        var gone: [Int] = []
        for row in seen.indices where seen[row] != pass && seen[row] != 0 {
            gone.append(row)
            if !isRefused[row] { reading.ended.append(row) }
            seen[row] = 0
            numbers.giveBack(row)
        }
        known.remove(gone)
    }
}

/// What the lines above a sample say of its family. Places are in the bytes of the exposition.
private struct PageFamily {
    private var name = 0..<0
    private var type = FamilyType.unknown
    private var help = 0..<0
    private var unit = 0..<0

    mutating func heard(_ event: ExpositionEvent, _ bytes: Span<UInt8>) {
        switch event {
        case .help(let name, let text):
            begin(name, bytes)
            help = text
        case .type(let name, let type):
            begin(name, bytes)
            self.type = type
        case .unit(let name, let unit):
            begin(name, bytes)
            self.unit = unit
        case .sample, .endOfFile: break
        }
    }

    private mutating func begin(_ name: Range<Int>, _ bytes: Span<UInt8>) {
        guard LabelBytes.compare(bytes, name, self.name) != 0 else { return }
        self = PageFamily()
        self.name = name
    }

    /// Nil for a metric of another family.
    func metadata(of metric: String, in bytes: Span<UInt8>) -> FamilyMetadata? {
        let family = FamilyMetadata(name: text(bytes, name), type: type)
        guard !name.isEmpty, family.covers(metric) else { return nil }
        let help = ExpositionText.unescaped(bytes, help, hasQuotes: false)
        return FamilyMetadata(
            name: family.name, type: type,
            help: String(decoding: help, as: UTF8.self).prefix(utf8: InterchangeLimits.helpBytes),
            unit: text(bytes, unit).prefix(utf8: InterchangeLimits.helpBytes))
    }

    private func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        String(decoding: Array(bytes, range), as: UTF8.self)
    }
}
