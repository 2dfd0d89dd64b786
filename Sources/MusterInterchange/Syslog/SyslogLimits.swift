/// Every limit of syslog, with its unit. A test reaches each.
package enum SyslogLimits {
    /// One message. What is longer is cut, and said to be.
    package static let messageBytes = 64 << 10
    /// Digits of the count in front of a message: 9,999,999 bytes are skipped before somebody is not believed.
    package static let countDigits = 7
    /// A host, application, process or message id. The standards allow 255, 48, 128 and 32; senders allow themselves
    /// more.
    package static let fieldBytes = 255
    /// A tag of RFC 3164, which allows 32.
    package static let tagBytes = 64
    /// Parameters of all structured data of one message that are kept; the rest is counted.
    package static let parameters = 256
    /// Elements of structured data that are kept; the rest is counted.
    package static let elements = 64
}
