/// Merges sorted runs into one, k ways at once, and stops at a limit.
package enum LogMerge {
    package static func merged<Element>(
        _ runs: [[Element]], limit: Int, isBefore: (Element, Element) -> Bool
    ) -> [Element] {
        guard runs.count != 1 else { return Array(runs[0].prefix(limit)) }
        // A tournament over run numbers: small, and free of a closure inside `Comparable`.
        var heads = [Int](repeating: 0, count: runs.count)
        var queue = runs.indices.filter { !runs[$0].isEmpty }
        var merged: [Element] = []
        func precedes(_ a: Int, _ b: Int) -> Bool {
            let (x, y) = (runs[a][heads[a]], runs[b][heads[b]])
            if isBefore(x, y) { return true }
            return !isBefore(y, x) && a < b
        }
        func sink(_ start: Int) {
            var parent = start
            while true {
                var best = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count {
                    if precedes(queue[child], queue[best]) { best = child }
                }
                guard best != parent else { return }
                queue.swapAt(best, parent)
                parent = best
            }
        }
        for index in stride(from: queue.count / 2 - 1, through: 0, by: -1) { sink(index) }
        while merged.count < limit, let run = queue.first {
            merged.append(runs[run][heads[run]])
            heads[run] += 1
            if heads[run] == runs[run].count {
                queue.swapAt(0, queue.count - 1)
                queue.removeLast()
            }
            sink(0)
        }
        return merged
    }
}
