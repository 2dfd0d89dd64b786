// MusterCatalog: who offers what.
//
// The truth about a host is owned by its agent, which sends whole snapshots: (host, boot, sequence). The catalogue
// keeps the newest of each host and derives everything else (services, versions, listings) from them, so two catalogues
// that were given the same snapshots in any order are equal. A heartbeat carries the hash of what the agent has; when
// it differs from the catalogue's, the agent is asked for a whole snapshot (anti-entropy), so no lost or damaged update
// stays lost.
//
// A service has a version that rises when, and only when, one of its instances changed. Watchers wait for it.
//
// After a restart the catalogue begins with what storage knew last and says that it is warming up: stale answers are
// better than an empty list, and readers are told which they get.
