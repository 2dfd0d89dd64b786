import Logging
import MusterHost
import MusterModel
import MusterStore
import Synchronization

/// Says what the disk did not give back of the state directory at the start, and what follows from it.
struct RecoveryReport {
    let logger: Logger

    /// `loss`: what follows when records of this journal are gone.
    func journal(_ path: String, _ recovery: Journal.Recovery, loss: String) {
        if let aside = recovery.quarantined {
            logger.error(
                "a journal cannot be read and was set aside",
                metadata: ["path": "\(path)", "kept": "\(aside)", "loss": "\(loss)"])
        }
        if recovery.damagedRegions > 0 {
            logger.error(
                "a journal is damaged",
                metadata: [
                    "path": "\(path)", "places": "\(recovery.damagedRegions)", "bytes": "\(recovery.damagedBytes)",
                    "loss": "\(loss)",
                ])
        }
        if recovery.trimmedBytes > 0 {
            logger.notice(
                "the unfinished end of a journal was cut off",
                metadata: ["path": "\(path)", "bytes": "\(recovery.trimmedBytes)"])
        }
    }

    func spool(_ path: String, _ recovery: Spool.Recovery) {
        for (name, found) in zip(TrafficClass.allCases, recovery.logs) {
            if found.damagedRegions > 0 || !found.unreadable.isEmpty {
                logger.error(
                    "the spool is damaged",
                    metadata: [
                        "path": "\(path)/\(name)", "places": "\(found.damagedRegions)",
                        "bytes": "\(found.damagedBytes)",
                        "unreadable": "\(found.unreadable.joined(separator: " "))",
                        "loss": "frames in them that the coordinator does not have yet",
                    ])
            }
            if found.trimmedBytes > 0 {
                logger.notice(
                    "the unfinished end of the spool was cut off",
                    metadata: ["path": "\(path)/\(name)", "bytes": "\(found.trimmedBytes)"])
            }
        }
    }
}

/// The log journal; says once why it fails, and once that it takes records again.
final class ReportedLogJournal: LedgerJournal {
    private let journal: LogJournal
    private let logger: Logger
    private let isFailing = Mutex(false)

    init(journal: LogJournal, logger: Logger) {
        self.journal = journal
        self.logger = logger
    }

    func append(_ record: [UInt8]) throws(LedgerJournalError) {
        do throws(LedgerJournalError) { try journal.append(record) } catch { throw failed(error) }
    }

    func sync() throws(LedgerJournalError) {
        do throws(LedgerJournalError) { try journal.sync() } catch { throw failed(error) }
        worked()
    }

    func compact(to records: [[UInt8]]) throws(LedgerJournalError) {
        do throws(LedgerJournalError) { try journal.compact(to: records) } catch { throw failed(error) }
        worked()
    }

    private func failed(_ error: LedgerJournalError) -> LedgerJournalError {
        let isNews = isFailing.withLock { isFailing in
            defer { isFailing = true }
            return !isFailing
        }
        if isNews { logger.error("the log journal failed", metadata: ["reason": "\(error)"]) }
        return error
    }

    private func worked() {
        let isNews = isFailing.withLock { isFailing in
            defer { isFailing = false }
            return isFailing
        }
        if isNews { logger.notice("the log journal takes records again") }
    }
}
