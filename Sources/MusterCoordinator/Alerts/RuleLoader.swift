import Foundation
import MusterAlerts
import MusterModel
import MusterPattern
import MusterQuery
import MusterStore
import MusterYAML

/// Reads rule files. Everything that is wrong is found at the start, with its place.
package enum RuleLoader {
    package static func load(_ globs: [String]) throws -> [AlertDesk.LoadedRule] {
        var loaded: [AlertDesk.LoadedRule] = []
        for path in globs.flatMap(PathPattern.files) {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CoordinatorError("the rule file \(path) cannot be read", hint: "check its permissions")
            }
            for rule in try RuleFile.decode(try YAML.parse(Array(data), file: path)) {
                do throws(QueryError) {
                    loaded.append(
                        AlertDesk.LoadedRule(rule: rule, query: try Query(rule.expression, compiler: RE2Compiler())))
                } catch {
                    throw ConfigError(
                        position: rule.expressionPosition, key: "expr", problem: "of rule \(rule.name): \(error)",
                        allowed: "a selector with an optional comparison, such as node_load1 > 4")
                }
            }
        }
        return loaded
    }
}

/// Why the coordinator cannot start or go on, and the way out.
package struct CoordinatorError: Error, Equatable, CustomStringConvertible {
    package var message: String
    package var hint: String

    package init(_ message: String, hint: String = "") {
        self.message = message
        self.hint = hint
    }

    package var description: String { hint.isEmpty ? message : "\(message)\nTry: \(hint)" }
}
