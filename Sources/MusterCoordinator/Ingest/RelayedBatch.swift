package import MusterInterchange
package import MusterModel
import MusterSnappy

/// The samples of one pushed request, read once: where the labels of each series stand, and its samples. Kept as it
/// came in the log, and read from there again after a restart.
package struct RelayedBatch: Sendable {
    /// How a record of the metric log that is no agent's frame is encoded; beside `MetricFrame.codec`.
    package enum Codec: UInt8, Sendable, CaseIterable {
        case remoteWriteV1 = 0x41
        case remoteWriteV2 = 0x42

        package init(_ version: RemoteWriteVersion) { self = version == .v1 ? .remoteWriteV1 : .remoteWriteV2 }

        package var version: RemoteWriteVersion { self == .remoteWriteV1 ? .v1 : .v2 }
    }

    package struct Entry: Sendable {
        /// Within `bytes`: label bytes as `LabelBytes` reads them.
        package var labels: Range<Int>
        /// Within `samples`.
        package var samples: Range<Int>
    }

    package private(set) var bytes: [UInt8] = []
    package private(set) var entries: [Entry] = []
    package private(set) var samples: [Sample] = []
    /// By sample when its counter began to count, milliseconds; 0 when that was not said. Empty when it was said of
    /// none.
    package private(set) var starts: [Int64] = []
    package private(set) var metadata: [FamilyMetadata] = []
    package private(set) var tally = RemoteWriteTally()
    package let isOrderRequired: Bool

    /// Reads a request as it came. Throws what makes the whole of it unusable, in the words for its sender.
    package init(_ body: [UInt8], _ codec: Codec) throws(RemoteWriteRefusal) {
        isOrderRequired = codec == .remoteWriteV2
        let message: [UInt8]
        do throws(SnappyError) {
            message = try Snappy.uncompress(body, limit: PushLimits.remoteWriteBytes)
        } catch {
            throw RemoteWriteRefusal(status: Self.isTooLarge(error) ? 413 : 400, text: "\(error)")
        }
        do throws(RemoteWriteError) {
            switch codec {
            case .remoteWriteV1:
                var walker = RemoteWriteV1Walker(message)
                bytes = message
                try collect(&walker)
                metadata = walker.metadata
            case .remoteWriteV2:
                var walker = try RemoteWriteV2Walker(message)
                var known: Set<RemoteWriteV2Walker.Metadata> = []
                try collect(&walker) { batch, walker in
                    guard let said = walker.metadata, batch.metadata.count < InterchangeLimits.familiesPerRequest,
                        // Every series of a family says the same, in the same place.
                        said.help.isEmpty || known.insert(said).inserted
                    else { return }
                    batch.describe(said, walker)
                }
            }
        } catch {
            if case .otherVersion = error { throw RemoteWriteRefusal(status: 415, text: "\(error)") }
            throw RemoteWriteRefusal(status: 400, text: "\(error)")
        }
    }

    private static func isTooLarge(_ error: SnappyError) -> Bool {
        if case .tooLarge = error { true } else { false }
    }

    /// Samples made here: results of rules, pushed formats that were translated. `starts` by series and sample.
    package init(_ series: [SeriesSamples], starts: [[Int64]] = [], families: [FamilyMetadata] = []) {
        isOrderRequired = false
        metadata = families
        for (index, one) in series.enumerated() {
            let start = bytes.count
            bytes += LabelBytes.encode(one.labels)
            let first = samples.count
            samples += one.samples
            entries.append(Entry(labels: start..<bytes.count, samples: first..<samples.count))
            if index < starts.count { note(starts[index], from: first) }
        }
        finishStarts()
        tally.series = series.count
        tally.samples = samples.count
    }

    /// As a request of remote write 1.0, for the log.
    package var remoteWriteBody: [UInt8] {
        var encoder = RemoteWriteV1Encoder()
        for entry in entries {
            encoder.add(
                labels: Array(bytes[entry.labels]), samples: Array(samples[entry.samples]),
                starts: starts.isEmpty ? [] : Array(starts[entry.samples]))
        }
        for family in metadata { encoder.add(family) }
        return Snappy.compress(encoder.bytes)
    }

    private mutating func describe(_ said: RemoteWriteV2Walker.Metadata, _ walker: RemoteWriteV2Walker) {
        guard said.type != .unknown || !said.help.isEmpty || !said.unit.isEmpty else { return }
        var labels: [LabelRange] = []
        guard (try? LabelBytes.decode(walker.bytes.span, walker.labels, into: &labels)) != nil else { return }
        metadata.append(
            FamilyMetadata(
                name: LabelBytes.labels(walker.bytes.span, labels).metricName, type: said.type,
                help: String(decoding: walker.bytes[said.help].prefix(InterchangeLimits.helpBytes), as: UTF8.self),
                unit: String(decoding: walker.bytes[said.unit].prefix(InterchangeLimits.helpBytes), as: UTF8.self)))
    }

    private mutating func collect<Walker: RemoteWriteWalker>(
        _ walker: inout Walker, each: (inout Self, Walker) -> Void = { _, _ in }
    ) throws(RemoteWriteError) {
        let shared = bytes.count
        while try walker.next() {
            let first = samples.count
            samples += walker.samples
            var labels = walker.labels
            // Labels that the walker had to spell out stand behind the request, until the next series.
            if labels.upperBound > shared {
                let start = bytes.count
                bytes += walker.bytes[labels]
                labels = start..<bytes.count
            }
            entries.append(Entry(labels: labels, samples: first..<samples.count))
            note(walker.starts, from: first)
            each(&self, walker)
        }
        finishStarts()
        tally = walker.tally
    }

    /// What was said of the samples from `first` on.
    private mutating func note(_ said: [Int64], from first: Int) {
        guard said.contains(where: { $0 != 0 }) else { return }
        starts.append(contentsOf: repeatElement(0, count: first - starts.count))
        starts += said
    }

    private mutating func finishStarts() {
        guard !starts.isEmpty else { return }
        starts.append(contentsOf: repeatElement(0, count: samples.count - starts.count))
    }
}
