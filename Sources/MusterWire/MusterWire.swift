// MusterWire: bytes <-> frames, and the machines on both ends of a link.
//
// A link is one TLS connection from an agent to the coordinator. What travels on it is a stream of frames:
//
//     u32 length of what follows | u8 kind | body of that kind            (little endian, at most Limits.frameBytes)
//
// A conversation:
//
//     agent                                     coordinator
//     hello (version, host, boot)        ->
//                                        <-     welcome (what is durable, windows)   or   refuse (code, why)
//     data (class, sequence, payload)    ->
//                                        <-     acknowledgement (class, everything up to this sequence is on disk)
//     heartbeat                          ->
//                                        <-     heartbeatEcho
//                                        <-     message (command)
//     messageReceipt                     ->
//
// Every class of traffic has its own sequence, window and acknowledgement. A frame is named for ever by (host, boot,
// class, sequence). Sequences start at 1 and strictly increase; gaps are legal (numbers reserved and lost in a crash),
// a number at or below the high-water mark is a duplicate. An acknowledgement is cumulative and is sent only after the
// coordinator's disk has the frame, so whatever the agent forgets is safe.
//
// The machines, each a value; time is an argument and the wiring does all I/O:
//
//     FrameDecoder         bytes in any split -> frames, or one typed error for ever
//     AgentSession         one connection as the agent sees it
//     Outbound             what the agent has not got acknowledged yet, across connections, with the disk spool's part
//     SequenceReservation  numbers for frames that no crash can hand out twice
//     Reconnect            when to dial which address again
//     CoordinatorSession   one connection as the coordinator sees it
//     ReceiveMarks         what the coordinator received and has on disk of one (host, boot), across connections
//
// What a peer sends never traps: lengths are checked before anything is allocated, arithmetic on them cannot overflow,
// and a violation is a `WireError` that says what, where and the way out.

import MusterModel

/// The version of the protocol this code speaks. Both sides must speak the same one. A later version may append fields
/// to hello and refuse, never change those of today, so that any two versions can still tell each other why they part.
package let wireVersion: UInt16 = 2

/// Limits of the link that nobody outside this module has to enforce.
package enum WireLimits {
    /// Length and kind in front of every body.
    package static let headerBytes = 5
    /// A whole hello frame. Until a peer has said hello nothing larger is read from it.
    package static let helloFrameBytes = 4_096
    package static let agentVersionBytes = 64
    package static let refusalMessageBytes = 512
    /// The payload of one data frame: what is left of a frame beside header, class, codec and sequence.
    package static let dataPayloadBytes = Limits.frameBytes - headerBytes - 11
    /// The payload of one message: what is left of a frame beside header and id.
    package static let messagePayloadBytes = Limits.frameBytes - headerBytes - 8
    /// Messages to one agent without a receipt.
    package static let messagesOutstanding = 32
    /// What a welcome may ask for.
    package static let heartbeatIntervalMilliseconds: ClosedRange<UInt32> = 50...60_000
    /// What a queued frame costs of a memory budget beside its payload, so that tiny frames are bounded too.
    package static let queuedFrameOverheadBytes = 64
    /// Acknowledged frames of one class that are kept because later ones build on them, overhead included. Beyond it
    /// they are forgotten all at once: without its beginning the rest of them is of no use.
    package static let retainedBytes = 512 << 10
    /// Spills of one class that the disk has neither taken nor refused yet.
    package static let spillsOutstanding = 256
    /// Sequences are handed out up to here. At a million a second this lasts 292,000 years; a higher number on the disk
    /// or the wire is damage.
    package static let sequenceCeiling = UInt64.max / 2
}
