// MusterRollouts: change a fleet in waves, with a way back, and never twice.
//
// Coordinator/ is the side that decides: plan as data, carry out without choices, never forget.
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
//
// Agent/ is the side that acts, and the words both sides share.
//
//   RolloutStep    what one host is asked to do, under a key (rollout, step, attempt), and what it answers.
//   StepJournal    the agent's memory: whether a step that arrives is executed, answered from memory or refused.
//   StepRecord     the bytes of that memory on disk.
//
// The intent is on the host's disk before anything is touched and the outcome after, so that a key is executed at most
// once whatever crashes on either side. What a step does to containers is decided and done in MusterHost.
