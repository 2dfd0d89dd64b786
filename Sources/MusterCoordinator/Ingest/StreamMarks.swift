package import MusterModel
package import MusterWire
import Synchronization

/// The stream of frames of one lineage of one agent.
package struct StreamKey: Hashable, Sendable {
    package let host: HostID
    package let boot: BootID

    package init(host: HostID, boot: BootID) {
        self.host = host
        self.boot = boot
    }
}

/// What was received and what is durable of every stream, shared by the sessions of a host and the commit threads.
package final class StreamMarks: Sendable {
    private let streams = Mutex<[StreamKey: ReceiveMarks]>([:])

    /// Marks as the segments show them at start.
    package func restored(_ durable: [StreamKey: PerClass<UInt64>]) {
        streams.withLock { streams in
            for (key, marks) in durable { streams[key] = ReceiveMarks(durable: marks) }
        }
    }

    package func with<Answer, Failure: Error>(
        _ key: StreamKey, _ body: (inout ReceiveMarks) throws(Failure) -> Answer
    ) throws(Failure) -> Answer {
        try streams.withLock { streams throws(Failure) in try body(&streams[key, default: ReceiveMarks()]) }
    }

    package var duplicates: UInt64 {
        streams.withLock { streams in
            streams.values.reduce(0) { sum, marks in
                TrafficClass.allCases.reduce(sum) { $0 &+ marks.duplicates[$1] }
            }
        }
    }
}
