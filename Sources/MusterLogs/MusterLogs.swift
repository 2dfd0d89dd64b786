// MusterLogs: lines of text on their way from a file to a question.
//
// Agent's side. `PlainLines` and `DockerLines` cut the bytes of a file into lines and append them to a
// `LogBlockBuilder`; the builder gives one `LogBlock` (`Blocks/`): a header that can be read without inflating anything
// (labels, counts, time range, levels, word filter) and a body of columns (`Columns/`) that is compressed once and
// never touched again on its way. `TailLedger`
// is the memory of what was read, sent and acknowledged: it gives every block its sequence and the record that has to
// be in the journal before the block may leave, so that after a crash exactly the same byte ranges are read again under
// the same sequences.
//
// Coordinator's side. `LogIndex` knows which stored blocks can hold an answer, `LogSearch` reads those blocks and keeps
// the first `limit` entries in the order of time, `LogSelector` reads what a person typed.
//
// A line is bytes, not text: invalid UTF-8, NULs and control characters arrive as they were written. A time is the one
// the container's runtime wrote, or the time of reading; times may repeat and may step back, order within a source is
// the order in the file. The files named *Lines, ByteScan, LogBlockBuilder and those of `Columns/` are the hot path:
// they work over raw buffers and allocate nothing for a line.

import MusterModel

/// The limits of this module; those that others know stand in `MusterModel.Limits`.
package enum LogLimits {
    /// A block's header, labels and token filter included.
    package static let headerBytes = 64 << 10
    /// Bytes of a word filter. With so many words that they had less than four bits each, a block has no filter.
    package static let wordFilterBytes = 16 << 10
    /// Lines of a block.
    package static let blockLines = Limits.logBlockBytes / 8
    /// Bytes of a block's columns before they are deflated: what its lines and their fields take at worst.
    package static let columnBytes = 4 * Limits.logBlockBytes
    /// Entries one search gives out.
    package static let searchEntries = 50_000
    /// Conditions in one selector.
    package static let selectorMatchers = 32
    /// Characters of a selector.
    package static let selectorBytes = 8_192
    /// Files one agent keeps account of.
    package static let tailedFiles = 20_000
    /// Blocks that are cut and not yet acknowledged.
    package static let pendingRanges = 4_096
    /// A path in the ledger.
    package static let pathBytes = 4_096
    /// One record in the ledger's journal.
    package static let ledgerRecordBytes = 512 << 10
    /// How long a file that cannot be found is remembered.
    package static let vanishedRetention = Duration.hours(24)
    /// Bytes at the head of a file that stand for its content.
    package static let headMarkerBytes = 256
    /// Bytes before the cursor that stand for the content read so far.
    package static let tailMarkerBytes = 64
}
