package import MusterModel

/// A place in a journal, to be kept with what was read up to it.
package struct JournalPosition: Equatable, Sendable {
    /// Names the entry that was read last, in journald's own way.
    package var cursor: String
    /// When that was received, in microseconds since 1970: where to go on when the entry is gone.
    package var realtimeMicroseconds: UInt64

    package init(cursor: String, realtimeMicroseconds: UInt64) {
        self.cursor = cursor
        self.realtimeMicroseconds = realtimeMicroseconds
    }
}

/// One entry as it stands in the journal.
package struct JournalFields: Equatable, Sendable {
    package struct Field: Equatable, Sendable {
        package var name: String
        /// Any bytes, at most `JournalLimits.fieldBytes`.
        package var value: [UInt8]

        package init(_ name: String, _ value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    package var position: JournalPosition
    /// Since boot.
    package var monotonicMicroseconds: UInt64
    /// 32 hexadecimal digits.
    package var bootID: String
    /// In the order of the journal; a name may come more than once.
    package var fields: [Field]
    /// Fields of which only the beginning is there.
    package var cutFields: Int
    /// Fields beyond the limits, without a name, or unreadable because the file is damaged.
    package var leftOutFields: Int

    package init(
        position: JournalPosition, monotonicMicroseconds: UInt64, bootID: String, fields: [Field], cutFields: Int = 0,
        leftOutFields: Int = 0
    ) {
        self.position = position
        self.monotonicMicroseconds = monotonicMicroseconds
        self.bootID = bootID
        self.fields = fields
        self.cutFields = cutFields
        self.leftOutFields = leftOutFields
    }

    /// When journald received it.
    package var received: Instant { JournalTime.instant(position.realtimeMicroseconds) }

    /// The first value of a name.
    package func first(_ name: String) -> [UInt8]? { fields.first { $0.name == name }?.value }

    /// The first value of a name, repaired where it is no UTF-8.
    package func text(_ name: String) -> String? { first(name).map { String(decoding: $0, as: UTF8.self) } }
}

enum JournalTime {
    /// Saturates beyond the year 2262.
    static func instant(_ microseconds: UInt64) -> Instant {
        let (nanoseconds, overflow) = Int64(clamping: microseconds).multipliedReportingOverflow(by: 1_000)
        return Instant(nanoseconds: overflow ? .max : nanoseconds)
    }
}
