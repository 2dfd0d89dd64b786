/// Elements by number, in pages. A copy shares the pages, and a write to a page that is shared copies that page first:
/// a reader's copy stays as it was, at the price of one page for each page that changes afterwards.
package struct Paged<Element: BitwiseCopyable & Sendable>: Sendable {
    @inline(__always) package static var pageBits: Int { 11 }
    @inline(__always) package static var pageCount: Int { 1 << pageBits }

    private var pages: [[Element]] = []
    package private(set) var count = 0

    package init() {}

    package subscript(index: Int) -> Element {
        @inline(__always) get { pages[index >> Self.pageBits][index & (Self.pageCount - 1)] }
        @inline(__always) set { pages[index >> Self.pageBits][index & (Self.pageCount - 1)] = newValue }
    }

    package mutating func append(_ element: Element) {
        if count & (Self.pageCount - 1) == 0 {
            var page: [Element] = []
            page.reserveCapacity(Self.pageCount)
            pages.append(page)
        }
        pages[pages.count - 1].append(element)
        count += 1
    }

    /// Drops the elements from `newCount` on.
    package mutating func truncate(to newCount: Int) {
        guard newCount < count else { return }
        let lastCount = newCount & (Self.pageCount - 1)
        let pagesNeeded = (newCount + Self.pageCount - 1) >> Self.pageBits
        pages.removeLast(pages.count - pagesNeeded)
        if lastCount > 0 { pages[pagesNeeded - 1].removeLast(pages[pagesNeeded - 1].count - lastCount) }
        count = newCount
    }

    /// What it holds on to, in bytes.
    package var bytes: Int { pages.count * (Self.pageCount * MemoryLayout<Element>.stride + 40) }
}

/// Runs of elements, written once and read by anybody who has a copy. Runs are only added; the owner rewrites the whole
/// when more is dead than alive (`isWasteful`), and old copies keep the old pages.
package struct RunArena<Element: BitwiseCopyable & Sendable>: Sendable {
    /// A run is at most this long.
    @inline(__always) package static var pageBits: Int { 14 }
    @inline(__always) private static var pageCount: Int { 1 << pageBits }

    private var pages: [[Element]] = []
    /// Elements of runs that were let go.
    private var dead = 0

    package init() {}

    /// The place of the run: `page << pageBits | position`. Nil when it is longer than a page or all places are used.
    package mutating func append(_ run: Span<Element>) -> UInt32? {
        guard run.count <= Self.pageCount else { return nil }
        // An empty run has a place of its own page too.
        if pages.isEmpty || pages[pages.count - 1].count + Swift.max(1, run.count) > Self.pageCount {
            guard pages.count < 1 << (32 - Self.pageBits) else { return nil }
            if let last = pages.last { dead += Self.pageCount - last.count }
            var page: [Element] = []
            page.reserveCapacity(Self.pageCount)
            pages.append(page)
        }
        let place = UInt32((pages.count - 1) << Self.pageBits | pages[pages.count - 1].count)
        for index in run.indices { pages[pages.count - 1].append(run[index]) }
        return place
    }

    /// The element at a distance from the beginning of a run.
    @inline(__always)
    package func element(of place: UInt32, at distance: Int) -> Element {
        pages[Int(place >> UInt32(Self.pageBits))][Int(place) & (Self.pageCount - 1) + distance]
    }

    /// The run as a slice of its page.
    package func run(_ place: UInt32, count: Int) -> ArraySlice<Element> {
        let start = Int(place) & (Self.pageCount - 1)
        return pages[Int(place >> UInt32(Self.pageBits))][start..<start + count]
    }

    /// Runs `body` on the elements without copying them.
    @inline(__always)
    package func withRun<R>(_ place: UInt32, count: Int, _ body: (Span<Element>) -> R) -> R {
        let start = Int(place) & (Self.pageCount - 1)
        let page = pages[Int(place >> UInt32(Self.pageBits))]
        return body(page.span.extracting(start..<start + count))
    }

    /// Whether so many more runs of at most this length fit.
    package func hasRoom(runs: Int, of length: Int) -> Bool {
        let runsOfPage = Self.pageCount / Swift.max(1, length)
        return runsOfPage > 0 && pages.count + runs / runsOfPage + 1 < 1 << (32 - Self.pageBits)
    }

    package mutating func release(count: Int) { dead += count }

    package var isWasteful: Bool {
        let total = pages.count << Self.pageBits
        return dead > Self.pageCount && dead > total / 2
    }

    package var bytes: Int { pages.count * (Self.pageCount * MemoryLayout<Element>.stride + 40) }
}

/// Numbers that come and go: the lowest free one is given out first, so that what is indexed by them stays short.
package struct NumberPool: Sendable {
    /// Descending.
    private var free: [UInt32] = []
    /// All numbers given out are below it.
    package private(set) var limit: UInt32 = 0

    package init() {}

    /// A number that nobody has; nil when all 2^32 - 2 are in use.
    package mutating func take() -> UInt32? {
        if let number = free.popLast() { return number }
        guard limit < .max - 1 else { return nil }
        limit += 1
        return limit - 1
    }

    /// Whether the next number lies behind all others.
    package var isDense: Bool { free.isEmpty }

    /// Takes back numbers, each of which was given out. The limit falls when its last ones are free.
    package mutating func giveBack(_ numbers: some Sequence<UInt32>) {
        free.append(contentsOf: numbers)
        free.sort(by: >)
        var dropped = 0
        while dropped < free.count, free[dropped] == limit - 1 {
            limit -= 1
            dropped += 1
        }
        free.removeFirst(dropped)
        free.trim()
    }

    package var bytes: Int { free.capacity * 4 }
}

extension Array {
    /// Makes room for one more: an eighth at a time, since doubling would leave half of a long list unused.
    @inline(__always)
    mutating func appendSparing(_ element: Element) {
        if count == capacity { reserveCapacity(count + Swift.max(4, count / 8)) }
        append(element)
    }

    /// Gives back storage when less than half of it is used.
    mutating func trim() {
        guard capacity > 2 * count + 64 else { return }
        var exact: [Element] = []
        exact.reserveCapacity(count)
        exact.append(contentsOf: self)
        self = exact
    }
}
