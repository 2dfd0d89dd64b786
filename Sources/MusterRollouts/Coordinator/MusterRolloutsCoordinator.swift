// The coordinator's side of a rollout: plan as data, carry out without choices, never forget.
//
//   RolloutSpec    what an operator wants, decoded from their document.
//   RolloutPlan    who gets what in which wave: made once from spec and inventory, checked for drift before the start.
//   Rollout        the machine that carries the plan out, and the whole of what is stored of it.
//
// `Rollout` is one `Codable` value. Every event changes it and returns what to do: store it, then send the steps. After
// a crash the stored value is read back, given the new epoch by `restored`, and goes on; it sends again what is
// outstanding, under the same keys, and the agents' journals answer what they have done already. Deadlines are instants
// in the value, so a coordinator that was away for long acts on them at once.
//
// A step that was offered is never simply given up: the host may be working on it. Until it answers, or its deadline
// has passed, the host counts as touched and is not asked for anything else.
