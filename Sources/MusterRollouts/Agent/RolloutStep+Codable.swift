import MusterModel

// A coordinator keeps keys and steps inside its stored state; names are stored as their text and checked on the way in.

extension StepKey: Codable {
    private enum Field: String, CodingKey { case rollout, step, attempt }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        let text = try fields.decode(String.self, forKey: .rollout)
        guard let rollout = RolloutID(text) else {
            throw DecodingError.dataCorruptedError(
                forKey: .rollout, in: fields, debugDescription: "\"\(text)\" is no rollout's name")
        }
        self.init(
            rollout: rollout, step: try fields.decode(String.self, forKey: .step),
            attempt: try fields.decode(Int.self, forKey: .attempt))
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        try fields.encode(rollout.text, forKey: .rollout)
        try fields.encode(step, forKey: .step)
        try fields.encode(attempt, forKey: .attempt)
    }
}

extension RolloutStep: Codable {
    private enum Field: String, CodingKey { case key, epoch, host, action, expiresAt }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        let key = try fields.decode(StepKey.self, forKey: .key)
        let text = try fields.decode(String.self, forKey: .host)
        guard let host = HostID(text) else {
            throw DecodingError.dataCorruptedError(
                forKey: .host, in: fields, debugDescription: "\"\(text)\" is no host's id")
        }
        self.init(
            rollout: key.rollout, step: key.step, attempt: key.attempt,
            epoch: try fields.decode(UInt64.self, forKey: .epoch), host: host,
            action: try fields.decode(StepAction.self, forKey: .action),
            expiresAt: Instant(nanoseconds: try fields.decode(Int64.self, forKey: .expiresAt)))
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        try fields.encode(key, forKey: .key)
        try fields.encode(epoch, forKey: .epoch)
        try fields.encode(host.text, forKey: .host)
        try fields.encode(action, forKey: .action)
        try fields.encode(expiresAt.nanoseconds, forKey: .expiresAt)
    }
}
