// The metric store's half in memory.
//
// `SeriesStore` is one value with one writer: the wiring keeps it behind a lock. It is made of tables that know nothing
// of each other. `SymbolTable` has each text once, `PairTable` each label once with its postings, `SeriesTable` a
// record of 16 bytes for each series and finds one by its labels, `FingerprintCache` by the bytes of its labels in a
// message, `OwnerTable` keeps the budgets, `GroupTable` the rows that are not sealed. An id in one table is an index in
// another; there is no object for a series and none for a sample.
//
// Readers take a `SeriesView` under the lock and read it without. Tables that a view needs are made of pages, a copy of
// which shares them: who writes to a shared page copies it first (`Paged`), runs of label pairs and texts are only
// added (`RunArena`), closed rows too (`HeadRows`). So a view stays as it was, holds nobody up, and nothing it uses has
// to be kept from being used again.
//
// A sample's way: `GroupHead.fill` puts it into the open row of its group; a sample of another time closes the row. The
// wiring takes rows to seal (`takeSealable`), encodes and writes them, and says where they are (`sealed`).

package import MusterModel

/// The series of the fleet and their unsealed samples.
package struct SeriesStore: ~Copyable, Sendable {
    package struct Settings: Sendable {
        package var retention: Duration
        /// New series are refused once this much memory is used, those of pushed samples at four fifths; samples that
        /// need more once a quarter more is.
        package var maxBytes: Int
        package var seriesPerOwner: Int
        package var seriesPerMetric: Int
        package var maxOwners: Int
        /// Samples this far ahead of the coordinator's clock are taken; later ones would lock out true ones for long.
        package var futureTolerance: Duration
        /// How far a relayed sample may lie behind its series' newest.
        package var outOfOrderWindow: Duration
        /// Rows of a head that are worth a block.
        package var rowsPerBlock: Int
        /// Samples that may wait for somebody to look into sealed blocks.
        package var maxUndecided: Int
        /// Metrics with a type, unit or help.
        package var maxMetadata: Int

        package init(
            retention: Duration = .hours(24), maxBytes: Int = 4 << 30, seriesPerOwner: Int = Limits.seriesPerHost,
            seriesPerMetric: Int = 1_000_000, maxOwners: Int = 200_000, futureTolerance: Duration = .minutes(10),
            outOfOrderWindow: Duration = .minutes(5), rowsPerBlock: Int = 120, maxUndecided: Int = 65_536,
            maxMetadata: Int = 50_000
        ) {
            self.retention = retention
            self.maxBytes = maxBytes
            self.seriesPerOwner = seriesPerOwner
            self.seriesPerMetric = seriesPerMetric
            self.maxOwners = maxOwners
            self.futureTolerance = futureTolerance
            self.outOfOrderWindow = outOfOrderWindow
            self.rowsPerBlock = rowsPerBlock
            self.maxUndecided = maxUndecided
            self.maxMetadata = maxMetadata
        }
    }

    /// Everything that was refused or dropped, and the rest to compare it with.
    package struct Counters: Equatable, Sendable {
        package var stored: UInt64 = 0
        package var duplicate: UInt64 = 0
        package var conflicting: UInt64 = 0
        package var tooOld: UInt64 = 0
        package var tooFarAhead: UInt64 = 0
        package var unknownSeries: UInt64 = 0
        /// Samples refused for want of memory.
        package var full: UInt64 = 0
        /// Samples refused because too many were undecided.
        package var undecidedDropped: UInt64 = 0
        package var seriesCreated: UInt64 = 0
        package var seriesForgotten: UInt64 = 0
        package var refusedOverOwnerBudget: UInt64 = 0
        package var refusedOverMetricBudget: UInt64 = 0
        package var refusedOutOfMemory: UInt64 = 0
        package var refusedBadLabels: UInt64 = 0
        package var refusedOwners: UInt64 = 0
        package var refusedMetadata: UInt64 = 0

        package init() {}
    }

    /// How near the memory is to its end.
    package enum Pressure: Comparable, Sendable {
        case none
        /// From 70 % on: seal what there is.
        case high
        /// New series are refused: seal, and drop the oldest part.
        case full
    }

    package let settings: Settings
    package internal(set) var counters = Counters()
    /// Samples that came in for a series refused for its metric's sake, by the metric's pair.
    var refusedByMetric: [UInt32: UInt64] = [:]
    var symbols: SymbolTable
    var pairs: PairTable
    var table: SeriesTable
    var fingerprints = FingerprintCache()
    var owners: OwnerTable
    var groups = GroupTable()
    var metadata = MetadataTable()
    /// Numbers of series that no catalogue has; may name some that are forgotten.
    var uncatalogued: [UInt32] = []
    /// Groups that were dropped since somebody asked.
    var droppedGroups: [GroupID] = []
    /// Places of groups that have rows for a block; may name some that have not.
    var fullGroups: [UInt32] = []
    var undecided: [UndecidedSample] = []
    /// See `takeBegun`; no more than series that were made or came again.
    var begun: Set<Int64> = []
    /// Storage for one set of labels.
    var scratch: [UInt64] = []
    var scratchPairs: [UInt32] = []
    var scratchSymbols: [SymbolPair] = []
    /// Milliseconds that samples may have.
    var now = Int64.min
    var earliest = Int64.min
    var latest = Int64.max
    let window: Int64
    let seed: HashSeed
    let metricName = Array("__name__".utf8)

    package init(settings: Settings = Settings(), seed: HashSeed) {
        self.settings = settings
        self.seed = seed
        symbols = SymbolTable(seed: seed)
        pairs = PairTable(seed: seed)
        table = SeriesTable(seed: seed)
        owners = OwnerTable(maxOwners: settings.maxOwners)
        window = settings.outOfOrderWindow.nanoseconds / 1_000_000
    }

    package var seriesCount: Int { table.count }
    package var ownerCount: Int { owners.count }
    package var groupCount: Int { groups.count }

    /// The memory in use: every table by its capacity, every chunk of rows. What only older views hold is not in it.
    package var memoryBytes: Int {
        symbols.bytes + pairs.bytes + table.bytes + fingerprints.bytes + owners.bytes + groups.bytes
            + metadata.bytes + refusedByMetric.count * 32
            + (uncatalogued.capacity + fullGroups.capacity + droppedGroups.capacity) * 4
            + undecided.capacity * MemoryLayout<UndecidedSample>.stride
    }

    package var pressure: Pressure {
        let used = memoryBytes
        if used >= settings.maxBytes { return .full }
        return used >= settings.maxBytes / 100 * 70 ? .high : .none
    }

    /// Says what time it is. Before the first time samples of all times are taken.
    package mutating func timeAdvanced(to now: Instant) {
        self.now = now.milliseconds
        earliest = (now - settings.retention).milliseconds
        latest = (now + settings.futureTolerance).milliseconds
    }
}
