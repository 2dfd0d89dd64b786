import MusterModel
import MusterRollouts

/// Names for examples; a name that is none is a fault of the test.
enum ExampleNames {
    static func host(_ text: String) -> HostID { valid(HostID(text), text) }
    static func service(_ text: String) -> ServiceName { valid(ServiceName(text), text) }
    static func rollout(_ text: String) -> RolloutID { valid(RolloutID(text), text) }

    private static func valid<Name>(_ name: Name?, _ text: String) -> Name {
        guard let name else { preconditionFailure("\"\(text)\" is no name") }
        return name
    }
}
