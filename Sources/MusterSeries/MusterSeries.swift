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
// Store. `HotStore` keeps the samples of the last hours in memory: labels once, samples in compressed chunks, an index
// from each label value to its series. It is bounded in bytes, time and series for each host, and what it refuses it
// counts. `HostSeries` joins the two: frames of one host in, samples under that host's labels out.
//
// Values are exact: every bit pattern survives, NaN payloads, -0.0 and the stale marker included.
//
// Hot paths, each in a file of its own and without a String, a class or a Dictionary for each sample:
// `Frames/MetricColumn.swift`, `Frames/MissFlags.swift`, `Frames/ValueModel.swift`, `Frames/BitStream.swift` and
// `Store/SampleChunk.swift`.
