package import MusterModel

/// Walks an `io.prometheus.write.v2.Request`: symbols 4, series 5; 1 to 3 are reserved so that a request of 1.0 shows.
///
/// Every series is held to the rules before it is given out, because its references have to be followed anyway; one
/// that breaks a rule is counted in the tally and stepped over. Its labels are spelled out in the form of 1.0.
package struct RemoteWriteV2Walker: RemoteWriteWalker, Sendable {
    /// What a series says of its family; places of texts are in `bytes`.
    package struct Metadata: Hashable, Sendable {
        package var type: FamilyType
        package var help: Range<Int>
        package var unit: Range<Int>
    }

    /// The request; behind it the labels of the current series.
    package private(set) var bytes: [UInt8]
    package private(set) var labels = 0..<0
    package private(set) var metadata: Metadata?
    package var tally = RemoteWriteTally()

    private var request: ProtobufReader
    private var symbols = SymbolTable()
    private var series = RemoteWriteV2Series()

    package var samples: [Sample] { series.samples }
    /// Empty for what does not count.
    package var starts: [Int64] { metadata?.type.counts ?? true ? series.starts : [] }

    /// Reads the table of symbols.
    package init(_ bytes: [UInt8]) throws(RemoteWriteError) {
        self.bytes = bytes
        request = ProtobufReader(0..<bytes.count)
        let isOfV1: Bool
        do throws(ProtobufError) {
            isOfV1 = try symbols.read(bytes.span)
        } catch {
            throw .malformed(error)
        }
        guard !isOfV1 else { throw .otherVersion(.v1) }
        guard symbols[0]?.isEmpty ?? true else { throw .firstSymbolNotEmpty }
    }

    package mutating func next() throws(RemoteWriteError) -> Bool {
        do throws(ProtobufError) {
            var reader = request
            while let message = try Self.nextSeries(bytes.span, &reader) {
                guard try readSeries(message) else { continue }
                request = reader
                return true
            }
            request = reader
            return false
        } catch {
            throw .malformed(error)
        }
    }

    private static func nextSeries(
        _ bytes: Span<UInt8>, _ request: inout ProtobufReader
    ) throws(ProtobufError) -> ProtobufReader? {
        while let key = try request.key(bytes) {
            guard key != 0x2a else { return try request.message(bytes) }
            try request.skip(key, bytes, known: 5...5)
        }
        return nil
    }

    /// False when the series breaks a rule; it is then in the tally.
    private mutating func readSeries(_ message: ProtobufReader) throws(ProtobufError) -> Bool {
        guard let labelBytes = try resolveSeries(message) else { return false }
        let start = request.end
        let end = start + labelBytes
        if bytes.count < end { bytes.append(contentsOf: repeatElement(0, count: end - bytes.count)) }
        labels = start..<end
        let spelled = series.labels
        RemoteWriteV2Series.spell(spelled, into: &bytes, at: start)
        return true
    }

    /// How many bytes the labels of the series take, nil when it is refused. Works on a second reference to the bytes,
    /// so that the series may change beside them; it is gone before they do.
    private mutating func resolveSeries(_ message: ProtobufReader) throws(ProtobufError) -> Int? {
        let bytes = bytes
        let symbols = symbols
        let counts = try series.read(bytes.span, message)
        tally.series &+= 1
        tally.samples &+= counts.samples
        tally.histograms &+= counts.histograms
        tally.exemplars &+= counts.exemplars
        do throws(SeriesRefusal) {
            let resolved = try series.resolve(bytes.span, symbols)
            metadata = resolved.metadata
            return resolved.labelBytes
        } catch {
            tally.refuse(error, samples: counts.samples)
            return nil
        }
    }
}

/// The strings of a request, by number.
struct SymbolTable: Sendable {
    private struct Symbol: Sendable {
        var start: UInt32
        var count: UInt32
    }

    private var symbols: [Symbol] = []
    /// Symbols that are no UTF-8; a series that refers to one is refused.
    private(set) var broken: Set<UInt32> = []

    var count: Int { symbols.count }

    subscript(reference: UInt64) -> Range<Int>? {
        guard reference < UInt64(symbols.count) else { return nil }
        let symbol = symbols[Int(reference)]
        return Int(symbol.start)..<Int(symbol.start) &+ Int(symbol.count)
    }

    /// Collects field 4 of the whole request. True when the request has a field of 1.0.
    mutating func read(_ bytes: Span<UInt8>) throws(ProtobufError) -> Bool {
        var reader = ProtobufReader(0..<bytes.count)
        while let key = try reader.key(bytes) {
            guard key == 0x22 else {
                if key >> 3 <= 3 { return true }
                try reader.skip(key, bytes, known: 4...4)
                continue
            }
            guard symbols.count < InterchangeLimits.symbolsPerRequest else {
                throw ProtobufError(.overLimit("symbolsPerRequest"), at: reader.offset)
            }
            let range = try reader.range(bytes)
            guard let start = UInt32(exactly: range.lowerBound), let count = UInt32(exactly: range.count) else {
                throw ProtobufError(.overLimit("requestBytes"), at: range.lowerBound)
            }
            if (try? UTF8Span(validating: bytes.extracting(range))) == nil { broken.insert(UInt32(symbols.count)) }
            symbols.append(Symbol(start: start, count: count))
        }
        return false
    }
}
