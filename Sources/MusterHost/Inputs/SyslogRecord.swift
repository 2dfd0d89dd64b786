package import MusterInterchange
package import MusterModel

/// How a message came.
package enum SyslogTransport: String, Sendable, CaseIterable {
    case udp
    case tcp
    case tls
    /// A datagram socket of this host, such as `/dev/log`.
    case unix
}

/// A message and where it came from.
package struct SyslogRecord: Equatable, Sendable {
    package var message: SyslogMessage
    package var transport: SyslogTransport
    /// The address it came from, without the port: a relay's, where there is one. Nil for `.unix`.
    package var peer: String?
    package var arrived: Instant
    /// The message was longer than `SyslogLimits.messageBytes`, or its connection ended within it.
    package var isCut: Bool
}

/// What a `SyslogReceiver` has seen since it was made.
package struct SyslogCounters: Equatable, Sendable {
    /// Given to the sink.
    package var records: UInt64 = 0
    /// Of those: of no known form; cut.
    package var unparsed: UInt64 = 0
    package var cut: UInt64 = 0
    /// Datagrams the sink had no room for.
    package var droppedDatagrams: UInt64 = 0
    /// Messages and bytes of connections that were not given to the sink: the receiver stopped first, or a sender
    /// closed with more on the way than is held for a connection.
    package var lostMessages: UInt64 = 0
    package var lostBytes: UInt64 = 0
    /// Connections that were refused because all places were taken, closed because nothing came, and that failed.
    package var refusedConnections: UInt64 = 0
    package var idleConnections: UInt64 = 0
    package var failedConnections: UInt64 = 0
    /// Places in connections where a count should have been.
    package var damagedCounts: UInt64 = 0

    package init() {}
}
