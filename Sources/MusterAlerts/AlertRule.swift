package import MusterModel

/// One alerting rule of a Prometheus rule file.
package struct AlertRule: Equatable, Sendable {
    /// `<file>;<group>/<alert>`, with `#2` and so on for the second rule of one name in a group: stable when other
    /// rules are added or moved.
    package let id: String
    package let group: String
    package let name: String
    /// PromQL, as written. Whoever evaluates it parses it, and should do so when the file is loaded.
    package let expression: String
    /// Where `expr` stands, for error messages of its parser.
    package let expressionPosition: SourcePosition
    /// `for`: how long the expression has to hold before the alert fires.
    package let holdFor: Duration
    /// How long the alert goes on firing after the expression stopped to hold.
    package let keepFiringFor: Duration
    /// More alerts than this make the evaluation fail; at most `AlertLimits.alertsPerRule`.
    package let limit: Int
    package let labels: [String: AlertTemplate]
    package let annotations: [String: AlertTemplate]

    package init(
        id: String, group: String, name: String, expression: String, expressionPosition: SourcePosition,
        holdFor: Duration = .zero, keepFiringFor: Duration = .zero, limit: Int = AlertLimits.alertsPerRule,
        labels: [String: AlertTemplate] = [:],
        annotations: [String: AlertTemplate] = [:]
    ) {
        self.id = id
        self.group = group
        self.name = name
        self.expression = expression
        self.expressionPosition = expressionPosition
        self.holdFor = holdFor
        self.keepFiringFor = keepFiringFor
        self.limit = limit
        self.labels = labels
        self.annotations = annotations
    }

    /// The labels of the alert that a result makes: the result's without its metric name, then the rule's, `alertname`.
    func alertLabels(for result: Labels, value: Double) -> Labels {
        var all = result.filtered { $0 != "__name__" }
        for (name, template) in labels {
            let text = template.expanded(labels: result, value: value)
            all[name] = text.isEmpty ? nil : text
        }
        all["alertname"] = name
        return all
    }

    func alertAnnotations(for result: Labels, value: Double) -> Labels {
        Labels(annotations.mapValues { $0.expanded(labels: result, value: value) })
    }
}
