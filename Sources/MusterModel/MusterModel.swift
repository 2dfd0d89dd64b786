// MusterModel: the nouns of Muster, shared by every other module.
//
// A value here has no behaviour beyond keeping itself well formed: identifiers check their spelling, labels keep their
// order, limits have a name and a unit. Two cores that must talk (health -> routing, catalogue -> alerts) do so in
// these words, passed along by the wiring, so that no core imports another.
//
// Everything is `Sendable`, nothing reads a clock, a file or a random number.
