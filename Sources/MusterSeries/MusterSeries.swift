// MusterSeries: metrics on their way from an agent to an answer.
//
// Frames. An agent reads all its series on one grid, so a frame is one tick: a timestamp and a column of values. Labels
// travel once: a dictionary "epoch" begins with a keyframe that defines every series under a small number (a ref),
// later frames define what is new, name what ended, and carry the values that were not to be expected after the frames
// before. `Frames/` holds both ends: `MetricFrameEncoder` on the agent, `MetricFrameDecoder` for each (host, boot) on
// the coordinator. What both know of an epoch's values is a `MetricColumn`: which series are read together
// (`PresencePatterns`), which surprise (`MissFlags`), and how each of them moves (`ValueModel`). A frame that cannot be
// read for want of an earlier one is reported as such and skipped until the next keyframe.
//
// Store. `Hot/SeriesStore` keeps series and the samples that no block has yet: labels once, as numbers of symbols, in
// flat tables; the samples of up to 64 series of one owner in rows that share their times (`GroupHead`); for each label
// value the ascending numbers of its series. One writer; readers get a picture (`SeriesView`) and hold nobody up. It is
// bounded in bytes, time and series by owner and metric, and what it refuses it counts. `HostSeries` joins stream and
// store: frames of one host in, samples under that host's labels out. `HostSilence` says whose samples have ceased.
//
// Blocks. `Blocks/` is how rows, series and the list of files look at rest, and which parts are merged next; it encodes
// and decodes, and MusterStore has the files. `HandOff/` is what of the store is due to other engines, and when.
//
// Values are exact: every bit pattern survives, NaN payloads, -0.0 and the stale marker included.
//
// Hot paths, each in a file of its own and without a String, a class or a Dictionary for each sample:
// `Frames/MetricColumn.swift`, `Frames/MissFlags.swift`, `Frames/ValueModel.swift`, `Frames/BitStream.swift`,
// `Hot/RowTile.swift`, `Hot/GroupHead.swift`, `Hot/SeriesStore+Append.swift` and `Blocks/BlockCodec.swift`.
