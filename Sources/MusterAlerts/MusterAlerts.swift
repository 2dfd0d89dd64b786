// MusterAlerts: from rule results to a person who knows.
//
//     RuleFile --> AlertRules --> AlertGroups --> notifications
//                  pending,       route, group,   webhooks, one message for
//                  firing,        wait, dedup,    each receiver URL at a time,
//                  resolved       escalate        retried until it is out
//
// The words are the field's own (Prometheus, Alertmanager): fingerprint, firing, resolved, route, group key,
// group_wait, group_interval, repeat_interval, receiver, notification log. Three promises hold beyond theirs:
//
//   Firing was sent, therefore resolved is sent. To every level of a receiver that was told of an alert, also when the
//   configuration changed or the process was killed in between. A running incident keeps the route, the receiver and
//   the times it began with; a new configuration applies to what fires next.
//
//   Timers are instants, not sleeps. Every deadline is part of the stored state, so a process that comes back late does
//   at once what was due, and once.
//
//   The intent is stored before it is acted on. Effects list what to persist first and what to send second; a
//   notification has an id that survives a crash, so that a receiver can tell a second copy from a second incident.
//
// State is `Codable`; the wiring chooses the bytes. The expression of a rule is text here: whoever evaluates it hands
// in results as values.
