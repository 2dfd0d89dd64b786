import MusterAgent
import MusterModel
import Testing

@Suite struct TickGridTests {
    /// Both clocks of a host; the wall clock may be set.
    private struct Clocks {
        var now = Instant(milliseconds: 5_000_000)
        var wall = Instant(milliseconds: 1_800_000_000_400)

        mutating func pass(_ duration: Duration) {
            now = now + duration
            wall = wall + duration
        }
    }

    private var clocks = Clocks()
    private var grid = TickGrid(interval: .seconds(1))

    /// Waits, and wakes `late` after the tick was due.
    private mutating func tick(late: Duration = .zero) -> TickGrid.Tick {
        let wait = grid.wait(wall: clocks.wall)
        clocks.pass(wait + late)
        return grid.woke(wall: clocks.wall, now: clocks.now)
    }

    @Test mutating func aTickIsStampedWithItsPlaceOnTheGrid() {
        #expect(tick() == .init(milliseconds: 1_800_000_001_000, lateness: .zero, missed: 0))
        #expect(
            tick(late: .milliseconds(300))
                == .init(milliseconds: 1_800_000_002_000, lateness: .milliseconds(300), missed: 0))
        // The wait is for the next place, not for a whole interval.
        #expect(grid.wait(wall: clocks.wall) == .milliseconds(700))
        #expect(tick() == .init(milliseconds: 1_800_000_003_000, lateness: .zero, missed: 0))
    }

    @Test(arguments: [(999, 1, 0), (1_000, 2, 1), (1_250, 2, 1), (5_900, 6, 5)] as [(Int64, Int64, UInt64)])
    mutating func aTickThatIsLaterThanAnIntervalIsMissed(late: Int64, place: Int64, missed: UInt64) {
        let first = tick()
        let second = tick(late: .milliseconds(late))
        #expect(second.milliseconds == first.milliseconds + place * 1_000)
        #expect(second.missed == missed)
        #expect(second.lateness == .milliseconds(late % 1_000))
        // It is told once.
        #expect(tick().missed == 0)
    }

    @Test mutating func aReadingLongerThanAnIntervalMissesTicks() {
        _ = tick()
        clocks.pass(.milliseconds(2_100))
        let next = tick()
        #expect(next.missed == 2 && next.lateness == .zero)
    }

    @Test mutating func aTimerThatIsALittleEarlyIsInTime() {
        let first = tick()
        clocks.pass(grid.wait(wall: clocks.wall) - .microseconds(80))
        let second = grid.woke(wall: clocks.wall, now: clocks.now)
        #expect(second == .init(milliseconds: first.milliseconds + 1_000, lateness: .zero, missed: 0))
        // The 80 microseconds that are left are no tick.
        #expect(tick() == .init(milliseconds: first.milliseconds + 2_000, lateness: .zero, missed: 0))
    }

    @Test(arguments: [3_600_000, -3_600_000, 5_000, -5_000] as [Int64])
    mutating func aWallClockThatIsSetMissesNothing(step: Int64) {
        let first = tick()
        clocks.wall = clocks.wall + .milliseconds(step)
        let second = tick()
        #expect(second == .init(milliseconds: first.milliseconds + step + 1_000, lateness: .zero, missed: 0))
    }

    @Test mutating func aWallClockThatIsSetDuringTheWaitMissesNothing() {
        let first = tick()
        let wait = grid.wait(wall: clocks.wall)
        clocks.pass(wait)
        clocks.wall = clocks.wall - .seconds(100)
        let second = grid.woke(wall: clocks.wall, now: clocks.now)
        #expect(second == .init(milliseconds: first.milliseconds - 99_000, lateness: .zero, missed: 0))
    }

    @Test func otherIntervalsHaveGridsOfTheirOwn() {
        var grid = TickGrid(interval: .milliseconds(250))
        #expect(grid.wait(wall: Instant(milliseconds: 1_100)) == .milliseconds(150))
        let tick = grid.woke(wall: Instant(milliseconds: 1_251), now: Instant(milliseconds: 9))
        #expect(tick == .init(milliseconds: 1_250, lateness: .milliseconds(1), missed: 0))
    }
}
