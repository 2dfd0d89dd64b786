/// Which entries are read: those of one of the units, with one of the identifiers, and of one of the priorities, where
/// an empty list asks for nothing.
package struct JournalMatches: Equatable, Sendable {
    /// A name without a dot is that of a service. What the system's manager says of a unit is included.
    package var units: [String]
    package var identifiers: [String]
    /// 0 (gravest) to 7.
    package var priorities: Set<UInt8>

    package init(units: [String] = [], identifiers: [String] = [], priorities: Set<UInt8> = []) {
        self.units = units
        self.identifiers = identifiers
        self.priorities = priorities
    }

    var count: Int { units.count + identifiers.count + priorities.count }

    /// What libsystemd is to be told, in order. Matches of one field are alternatives, those of several fields are
    /// requirements; a disjunction begins another set of these, a conjunction another set of sets.
    enum Step: Equatable {
        case match(String)
        case disjunction
        case conjunction
    }

    var steps: [Step] {
        var steps: [Step] = []
        for unit in units {
            let name = unit.utf8.contains(UInt8(ascii: ".")) ? unit : unit + ".service"
            steps += [.match("_SYSTEMD_UNIT=\(name)"), .disjunction]
            steps += [.match("_PID=1"), .match("UNIT=\(name)"), .disjunction]
        }
        if !units.isEmpty { steps.append(.conjunction) }
        steps += identifiers.map { .match("SYSLOG_IDENTIFIER=\($0)") }
        steps += priorities.sorted().map { .match("PRIORITY=\($0)") }
        return steps
    }
}
