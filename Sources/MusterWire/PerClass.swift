package import MusterModel

/// One value for each class of traffic. Never absent, never out of range.
package struct PerClass<Value> {
    private var control: Value
    private var health: Value
    private var metrics: Value
    private var logs: Value

    package init(control: Value, health: Value, metrics: Value, logs: Value) {
        self.control = control
        self.health = health
        self.metrics = metrics
        self.logs = logs
    }

    package init(repeating value: Value) {
        self.init(control: value, health: value, metrics: value, logs: value)
    }

    /// Calls `make` for each class, most urgent first.
    package init<Failure: Error>(_ make: (TrafficClass) throws(Failure) -> Value) throws(Failure) {
        self.init(
            control: try make(.control), health: try make(.health), metrics: try make(.metrics), logs: try make(.logs))
    }

    package subscript(class: TrafficClass) -> Value {
        get {
            switch `class` {
            case .control: control
            case .health: health
            case .metrics: metrics
            case .logs: logs
            }
        }
        // In place: a queue behind this subscript must not be copied to be changed.
        _modify {
            switch `class` {
            case .control: yield &control
            case .health: yield &health
            case .metrics: yield &metrics
            case .logs: yield &logs
            }
        }
    }
}

extension PerClass: Sendable where Value: Sendable {}
extension PerClass: Equatable where Value: Equatable {}
