import MusterHost
import MusterLogs
import MusterModel
import MusterStore
import MusterWire

/// The ledger's journal on disk.
struct LogJournal: LedgerJournal {
    let journal: Journal

    func append(_ record: [UInt8]) throws(LedgerJournalError) {
        try wrapped { () throws(StoreError) in try journal.append([record]) }
    }
    func sync() throws(LedgerJournalError) { try wrapped { () throws(StoreError) in try journal.sync() } }
    func compact(to records: [[UInt8]]) throws(LedgerJournalError) {
        try wrapped { () throws(StoreError) in try journal.compact(records) }
    }

    private func wrapped(_ work: () throws(StoreError) -> Void) throws(LedgerJournalError) {
        do throws(StoreError) { try work() } catch { throw LedgerJournalError(reason: "\(error)") }
    }
}

/// Blocks go onto the uplink under their own numbers.
struct UplinkLogSink: LogSink {
    static let codec: UInt8 = 1
    let uplink: Uplink

    func canCut(undelivered: Int) -> Bool {
        uplink.isUp && uplink.hasRoom(.logs, payloadBytes: (undelivered + 1) * Limits.logBlockBytes)
    }

    func blockCut(_ block: TailedBlock) {
        uplink.enqueue(
            DataFrame(class: .logs, sequence: block.sequence, codec: Self.codec, payload: block.payload))
    }
}
