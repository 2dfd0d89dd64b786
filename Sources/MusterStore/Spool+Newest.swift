package import MusterModel
import Synchronization

extension Spool {
    /// The highest sequence known of a class: stored by this process, even if released since, or found when the spool
    /// was opened. Nil when there is none. A restarted agent continues behind it, but an emptied spool remembers
    /// nothing: the agent's own journal must reserve sequences too.
    package func newestSequence(_ trafficClass: TrafficClass) -> UInt64? {
        lanes.withLock { $0[Int(trafficClass.rawValue)].lastSequence }
    }
}
