// MusterAgent: the wiring of the agent. It joins cores and drivers and decides nothing itself.
//
//     MetricsLoop   collectors, on the second ---> frames --+   <-- MetricInputs: scrapes, StatsD, OTLP
//     LogTailer     files, on a thread of its own -> blocks -+--> Uplink --> LinkConnection --> coordinator
//     HostReporter  containers, checks ----------> snapshot -+
//     StepRunner    rollout steps <--> journal --> reports --+
//
// `Uplink` owns what waits to be acknowledged and the connection; everything else puts frames in and is told what
// became durable. What survives a crash is in the state directory: identity, boot and sequence ceilings, cursors,
// spool, steps.
