package import MusterModel

/// What arrives for StatsD between two ticks, and what became of it. One line at a time, so that whoever reads at the
/// tick waits for no more than a line.
package struct StatsDIntake: Sendable {
    /// Lines taken in a second, whatever the interval of the ticks; more are refused and counted. So a sender gone wild
    /// costs at most a fraction of one core.
    package static let linesPerSecond = 50_000

    package struct Counters: Equatable, Sendable {
        package var datagrams: UInt64 = 0
        package var lines: UInt64 = 0
        package var refused: [StatsDError.Reason: UInt64] = [:]

        package init() {}
    }

    package private(set) var counters = Counters()
    private var table: StatsDTable
    private let linesPerTick: Int
    private var linesLeft: Int

    package init(interval: Duration, options: StatsDTable.Options = StatsDTable.Options()) {
        table = StatsDTable(options: options)
        linesPerTick = max(1, Int(interval.nanoseconds / 1_000 * Int64(Self.linesPerSecond) / 1_000_000))
        linesLeft = linesPerTick
    }

    package var seriesCount: Int { table.seriesCount }

    package mutating func datagramReceived() { counters.datagrams += 1 }

    /// Nil when the line was taken.
    @discardableResult
    package mutating func received(_ line: ArraySlice<UInt8>, now: Instant) -> StatsDError? {
        guard linesLeft > 0 else {
            return refuse(StatsDError(.overRate, "more than \(Self.linesPerSecond) lines in a second"))
        }
        linesLeft -= 1
        do throws(StatsDError) {
            try table.add(StatsDLine(line), now: now)
            counters.lines += 1
            return nil
        } catch {
            return refuse(error)
        }
    }

    package mutating func tickBegan(now: Instant) -> SeriesReading {
        linesLeft = linesPerTick
        return table.flush(now: now)
    }

    private mutating func refuse(_ error: StatsDError) -> StatsDError {
        counters.refused[error.reason, default: 0] += 1
        return error
    }
}
