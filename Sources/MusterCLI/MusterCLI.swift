// MusterCLI: the operator's verbs. It is a client of the coordinator's HTTPS API and knows nothing else of Muster.
//
// Every verb follows one shape: ask the API once, then either print the answer as it came (`--json`, for programs) or
// turn it into a table (for people). A verb says what it is waiting for when that takes more than a second, uses colour
// only on a terminal, and ends with one of the codes in `ExitCode`. What goes wrong is one sentence that says what,
// where and the way out; it goes to standard error, never into a table.
//
// What is drawn is a value first: `Metrics` turns answers of Prometheus's routes into lines, `Top` turns several
// answers into one picture and that into a screen. Only `Redrawing` moves the cursor, and it gives the terminal back
// as it was.

package import ArgumentParser

/// The verbs, for the executable's command list.
package enum OperatorVerbs {
    package static let all: [any ParsableCommand.Type] = [
        StatusVerb.self, HostsVerb.self, ContainersVerb.self, ServicesVerb.self, RouteVerb.self, TopVerb.self,
        QueryVerb.self, SeriesVerb.self, LogsVerb.self, AlertsVerb.self, RolloutVerb.self, TokenVerb.self,
    ]
}
