// MusterHealth: from single observations to a state that others may act on.
//
// Two machines, for two questions:
//
//   CheckHealth    what do the results of one check say of its instance? Runs on the agent, one for each check.
//   HostLiveness   does the coordinator hear from its hosts? Runs on the coordinator, one for the fleet.
//
// Both turn a noisy input (a single timeout, a late packet) into a state with a reason for people, and both would
// rather be slow to accuse than wrong: a check falls after `fall` failures in a row, a host is suspect before it is
// unreachable, and a coordinator that was itself asleep blames nobody for the silence it slept through.
//
// Neither reads a clock. The loop that owns a machine passes `now`, asks `wakeAt` when to come back, and acts on what
// the event returned.
