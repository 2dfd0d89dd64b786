/// Every limit of reading journals, with its unit.
package enum JournalLimits {
    /// The value of a field; what is longer is cut and counted.
    package static let fieldBytes = 64 << 10
    /// A name; journald's own limit, so that no journal has longer ones. Data without a name is counted as left out.
    package static let nameBytes = 64
    /// Fields of an entry; the rest is counted. journald's own limit is 1024, common entries have 30.
    package static let fields = 512
    /// All fields of an entry together; the rest is counted.
    package static let entryBytes = 1 << 20
    /// Units, identifiers and priorities selected by.
    package static let matches = 256
    /// One wait.
    package static let wait = Duration.seconds(60)
}
