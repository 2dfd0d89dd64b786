package import MusterModel

/// When a certificate is to be replaced.
package enum Renewal {
    /// At half of the certificate's life, earlier or later by up to a tenth of that life, so that hosts that joined
    /// together do not renew together. For a life that is over or empty: its end.
    package static func dueAt(
        notBefore: Instant, notAfter: Instant, using generator: inout some RandomNumberGenerator
    ) -> Instant {
        let life = (notAfter - notBefore).nanoseconds
        guard life > 0 else { return notAfter }
        let share = Double.random(in: 0.4...0.6, using: &generator)
        return notBefore + .nanoseconds(Int64(Double(life) * share))
    }
}
