// MusterHost: the driver for the machine the agent runs on. It is the only module that reads the kernel's files, speaks
// to the container engine, follows log files, probes services and carries out the actions of a rollout.
//
//     Metrics/   /proc, /sys and cgroup files -> `MetricTable`: one row of doubles for each tick
//     Docker/    the engine's API over its unix socket: list, inspect, events; containers as they are now
//     Logs/      files by glob, inotify, rotation, the containers' json-file logs -> slabs of lines with their offsets
//     Checks/    HTTP, TCP and engine health probes; what they saw goes to the core MusterHealth, which judges it
//     Inputs/    what other programs measure: scrapes over HTTP, StatsD over UDP, OTLP -> rows of `MetricTable`
//     Actions/   the executors of rollout steps; what must happen is decided in the core MusterRollouts
//
// The parts do not know one another. MusterAgent joins them: the containers that Docker/ lists become the targets of
// the container metrics, the sources of Logs/, the instances of Checks/ and, if their labels ask, targets of Inputs/.
//
// Three rules hold for all of them.
//   - Nothing here waits for ever. A mount, a socket or a process that does not answer costs its own reading and no
//     other.
//   - Nothing here trusts what it reads. The kernel's files, the engine's answers and log lines are bounded and
//     checked; a malformed one is a typed error that names the file, and is counted.
//   - Nothing here decides. Whether a check counts as failed, which frame is dropped, what the next step of a rollout
//     is: cores say so, with the time as an argument.
