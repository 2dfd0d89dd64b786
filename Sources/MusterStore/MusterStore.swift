// MusterStore: the only driver that writes Muster's own files.
//
// Everything goes through `FileIO`, one synchronous protocol with two engines: `SystemFileIO` (Glibc) and
// `MemoryFileIO`, a simulated disk that knows the difference between "written" and "durable" and can be crashed, filled
// and damaged by a seed. Whatever holds under the second is then trusted with the first.
//
// From the bottom up:
//
// - `FrameFormat` and `FrameScanner`: checksummed frames in a file and the way through them. A file begins with a
//   preamble that carries a random salt; every checksum starts from that salt, so bytes a peer sent can never be
//   mistaken for a frame of ours when the scanner looks for the next intact one behind a damaged place.
// - `SegmentLog`: a directory of append-only segments. Torn tails are trimmed, damage in the middle costs exactly the
//   records it touched, disk use is bounded by bytes and by age.
// - `GroupCommit`: a thread that appends and syncs in groups and completes only after fdatasync returned.
// - `Spool`: what an agent cannot send now and cannot read again later, first in first out per class, in a byte budget.
// - `Journal`: a small log of intents and results with snapshots; `TwoSlotState`: one small value, replaced atomically.
// - `PartDirectory`: the metric store at rest. Part files of sealed blocks, a catalogue that grows, and a manifest that
//   says which of them count; a checkpoint or a merge happens as a whole or not at all. What the bytes of blocks,
//   directories, catalogue and manifest mean is MusterSeries' business, this module adds checksums.
// - `DirectoryLock`: one process for one state directory.
//
// Two rules hold everywhere. Nothing counts as stored before fdatasync returned, and after a failed fdatasync the same
// file is never synced again: the kernel may have dropped the dirty pages and would report success. The file is cut
// back to its last durable length, sealed, and the records are reported failed, so that whoever still has them sends
// again.
//
// Names that came over the network are never used as paths.
