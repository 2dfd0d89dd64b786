import Glibc
import MusterLogs
import MusterModel

/// After a restart: the blocks that an earlier run cut and nobody acknowledged, read again from the same bytes.
extension TailLoop {
    /// A file that cannot be opened for another reason than its absence is asked this often.
    private static let resendTriesLimit = 10

    private enum Reread {
        case block(TailedBlock)
        case unreadable
        /// No line of it is wanted any more.
        case dropped
        case notNow
    }

    func resend(now: Instant) {
        guard now >= resendRetryAt else { return }
        while hasRoom, let range = resends.last {
            guard let first = ledger.pending.first, range.sequence >= first.sequence else {
                resends.removeLast()
                continue
            }
            switch reread(range, now: now) {
            case .block(let block):
                batch.append(block)
                counters.resentBlocks += 1
            case .notNow where resendTries < Self.resendTriesLimit:
                resendTries += 1
                resendRetryAt = now + options.retryInterval
                return
            case .dropped: record(ledger.rangeLost(range.sequence))
            case .notNow, .unreadable:
                counters.gaps += 1
                record(ledger.rangeLost(range.sequence))
            }
            resendTries = 0
            resends.removeLast()
        }
    }

    private func reread(_ range: TailedRange, now: Instant) -> Reread {
        let length = range.end - range.start
        guard let file = files[range.source], length <= UInt64(options.slabBytes) else { return .unreadable }
        guard openIfNeeded(range.source, now: now), let descriptor = files[range.source]?.descriptor else {
            let facts = try? FileFacts.at(file.path)
            return facts.map { Self.isSame($0.identity, file.identity) } == true ? .notNow : .unreadable
        }
        let before = min(range.start, UInt64(LogLimits.tailMarkerBytes))
        let wanted = Int(before + length)
        let buffer = unsafe UnsafeMutableRawBufferPointer(rebasing: slab[..<wanted])
        let got = unsafe try? Descriptor.read(descriptor, into: buffer, at: range.start - before)
        guard let got else { return .notNow }
        let tail = unsafe UnsafeRawBufferPointer(rebasing: buffer[max(0, wanted - LogLimits.tailMarkerBytes)...])
        guard got == wanted, unsafe ContentMarker(tail) == range.tail else { return .unreadable }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[Int(before)...])
        _ = unsafe parse(bytes, end: .closed, range.source, arrival: range.arrival, isReread: true)
        let lines = builder.lineCount
        // What the source's rules drop now, they may have kept before.
        if lines == 0 { return .dropped }
        guard let payload = builder.finish(labels: file.labels, compressor: compressor) else { return .unreadable }
        return .block(
            TailedBlock(sequence: range.sequence, labels: file.labels, lineCount: lines, payload: payload))
    }
}
