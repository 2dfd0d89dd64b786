/// The samples of a selection in flat arrays: no object for each series.
package struct DecodedSeries: Sendable {
    package struct Entry: Equatable, Sendable {
        /// Within `pairs`; sorted by the symbol of the name, each name once, no empty value.
        package var labels: Range<Int>
        /// Within `times` and `bits`; ascending times, each once.
        package var samples: Range<Int>
    }

    package var entries: [Entry] = []
    package var pairs: [SymbolPair] = []
    /// Milliseconds.
    package var times: [Int64] = []
    /// Bit patterns, stale markers included.
    package var bits: [UInt64] = []
    /// There are more samples than were asked for; the rest is left out.
    package var isOverSamples = false
    /// Blocks that were left out because their rows were in no order or not complete.
    package var damagedBlocks = 0

    package init() {}
}

extension SeriesView {
    /// Reads a selection. Sealed blocks come from `read`, each once, with at least the values of the slots it is given:
    /// those of all selections, so that what it returned may be used again for another. Series without a sample in the
    /// range are left out. Stops behind `maxSamples`.
    package func decode<Failure: Error>(
        _ selection: Selection, maxSamples: Int = .max,
        read: (GroupID, BlockRef, _ slots: UInt64) throws(Failure) -> BlockRows
    ) throws(Failure) -> DecodedSeries {
        var decoded = DecodedSeries()
        var ranges = [Range<Int>](repeating: 0..<0, count: selection.count)
        let most = min(maxSamples, mostSamples(selection))
        decoded.times.reserveCapacity(most)
        decoded.bits.reserveCapacity(most)
        for members in membersByGroup(selection.entries) {
            let group = groups[Int(entries[members[0]].group)]
            var slots: UInt64 = 0
            for index in members { slots |= 1 << UInt64(entries[index].slot) }
            let pieces = try pieces(group, slots, selection, &decoded, read)
            let counts = Self.counts(pieces, slots, selection)
            let total = counts.reduce(0, +)
            guard total <= maxSamples - decoded.times.count else {
                decoded.isOverSamples = true
                break
            }
            var ends = counts
            var end = decoded.times.count
            for index in members {
                let slot = Int(entries[index].slot)
                ranges[index - selection.entries.lowerBound] = end..<end + counts[slot]
                ends[slot] = end
                end += counts[slot]
            }
            decoded.times.append(contentsOf: repeatElement(0, count: total))
            decoded.bits.append(contentsOf: repeatElement(0, count: total))
            Self.fill(&decoded.times, &decoded.bits, pieces, slots, selection, &ends)
        }
        appendEntries(selection.entries, ranges, &decoded)
        return decoded
    }

    /// No more than these can be in the range.
    private func mostSamples(_ selection: Selection) -> Int {
        let rowCounts = groups.map { group in
            let sealed = group.blocks.reduce(0) { sum, block in
                block.from <= selection.to && selection.from <= block.to ? sum + Int(block.rows) : sum
            }
            return group.sealing.reduce(sealed + group.rows.rowCount + 1) { $0 + $1.rowCount }
        }
        return entries[selection.entries].reduce(0) { $0 + rowCounts[Int($1.group)] }
    }

    /// The selection's entries by group, groups in the order in which they appear.
    private func membersByGroup(_ range: Range<Int>) -> [ArraySlice<Int>] {
        var counts = [Int](repeating: 0, count: groups.count)
        for index in range { counts[Int(entries[index].group)] += 1 }
        var ends: [Int] = []
        var end = 0
        for count in counts {
            ends.append(end)
            end += count
        }
        var order = [Int](repeating: 0, count: range.count)
        for index in range {
            let group = Int(entries[index].group)
            order[ends[group]] = index
            ends[group] += 1
        }
        return counts.indices.compactMap { counts[$0] == 0 ? nil : order[ends[$0] - counts[$0]..<ends[$0]] }
            .map { ArraySlice(Array($0)) }
    }

    /// Everything of a group that touches the range, in order of time.
    private func pieces<Failure: Error>(
        _ group: Group, _ slots: UInt64, _ selection: Selection, _ decoded: inout DecodedSeries,
        _ read: (GroupID, BlockRef, UInt64) throws(Failure) -> BlockRows
    ) throws(Failure) -> [BlockRows] {
        var pieces: [BlockRows] = []
        for block in group.blocks where block.from <= selection.to && selection.from <= block.to {
            let rows = try read(group.id, block, group.slots)
            if rows.isValid { pieces.append(rows) } else { decoded.damagedBlocks += 1 }
        }
        for rows in group.sealing + [group.rows] {
            let piece = rows.rows(slots: slots, from: selection.from, to: selection.to)
            if piece.rowCount > 0 { pieces.append(piece) }
        }
        if group.openMask != 0, selection.from <= group.openTime, group.openTime <= selection.to {
            var piece = BlockRows()
            let end = group.openStart + group.openMask.nonzeroBitCount
            piece.append(time: group.openTime, mask: group.openMask, values: openValues[group.openStart..<end])
            pieces.append(piece)
        }
        return Self.isAscending(pieces) ? pieces : [BlockRows.merged(pieces)]
    }

    private static func isAscending(_ pieces: [BlockRows]) -> Bool {
        var last: Int64?
        for piece in pieces {
            for time in piece.times {
                if let last, time <= last { return false }
                last = time
            }
        }
        return true
    }

    /// By slot.
    private static func counts(_ pieces: [BlockRows], _ slots: UInt64, _ selection: Selection) -> [Int] {
        var counts = [Int](repeating: 0, count: BlockRows.slots)
        for piece in pieces {
            for row in piece.times.indices
            where selection.from <= piece.times[row] && piece.times[row] <= selection.to {
                var left = piece.masks[row] & slots
                while left != 0 {
                    counts[left.trailingZeroBitCount] += 1
                    left &= left - 1
                }
            }
        }
        return counts
    }

    /// Writes the samples of the slots, each behind its own `ends`.
    private static func fill(
        _ times: inout [Int64], _ bits: inout [UInt64], _ pieces: [BlockRows], _ slots: UInt64,
        _ selection: Selection, _ ends: inout [Int]
    ) {
        var times = times.mutableSpan
        var bits = bits.mutableSpan
        for piece in pieces {
            var position = 0
            for row in piece.times.indices {
                let time = piece.times[row]
                let mask = piece.masks[row]
                if selection.from <= time, time <= selection.to {
                    var left = mask & slots
                    while left != 0 {
                        let slot = left.trailingZeroBitCount
                        let bit = left & (0 &- left)
                        times[ends[slot]] = time
                        bits[ends[slot]] = piece.values[position + (mask & (bit - 1)).nonzeroBitCount]
                        ends[slot] += 1
                        left &= left - 1
                    }
                }
                position += mask.nonzeroBitCount
            }
        }
    }

    private func appendEntries(_ range: Range<Int>, _ ranges: [Range<Int>], _ decoded: inout DecodedSeries) {
        for (samples, entry) in zip(ranges, entries[range]) where !samples.isEmpty {
            let start = decoded.pairs.count
            for index in 0..<Int(entry.labelCount) {
                decoded.pairs.append(pairs[Int(runs.element(of: entry.labels, at: index))])
            }
            decoded.entries.append(DecodedSeries.Entry(labels: start..<decoded.pairs.count, samples: samples))
        }
    }
}
