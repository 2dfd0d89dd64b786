// MusterRouting: which instances of a service get traffic, how much, and why.
//
//   RoutingView    the answer for one service: instances with weight and reason, the excluded ones with reason.
//   RouteTable     keeps the views of all services up to date; a view has a version that rises when it changed.
//   RouteWatches   who waits for which service from which version, so that a change wakes only whom it concerns.
//
// The rules, in order; the first that applies decides:
//
//   1. drained (instance or host)            excluded, reason of the operator
//   2. host unreachable or dead              excluded, the host's reason
//   3. check starting or critical            excluded, the check's reason
//   4. check warning                         weight x warningPercent / 100, at least 1
//   5. check passing                         its own weight
//
// A suspect host keeps its traffic: a late heartbeat is weak evidence, and taking half a fleet out because the network
// hiccuped is the larger harm. The same thought leads to the panic rule, which is off by default: when fewer than
// `panicPercent` of the instances that are not drained would get traffic, the checks are more likely wrong than the
// service, and rules 2 and 3 are not applied (fail open). Weight 0 is a person's decision and stays 0.
