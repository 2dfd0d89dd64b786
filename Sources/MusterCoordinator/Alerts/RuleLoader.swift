import Foundation
import MusterAlerts
import MusterModel
import MusterPattern
import MusterQuery
import MusterStore
import MusterYAML

/// Reads rule files. Everything that is wrong is found at the start, with its place.
package enum RuleLoader {
    package static func load(_ globs: [String]) throws -> [LoadedGroup] {
        var loaded: [LoadedGroup] = []
        for path in globs.flatMap(PathPattern.files) {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CoordinatorError("the rule file \(path) cannot be read", hint: "check its permissions")
            }
            for group in try RuleFile.decode(try YAML.parse(Array(data), file: path)) {
                loaded.append(LoadedGroup(group: group, expressions: try group.rules.map { rule in try parsed(rule) }))
            }
        }
        return loaded
    }

    private static func parsed(_ rule: Rule) throws(ConfigError) -> MusterQuery.Expression {
        let (text, position) = rule.expression
        do throws(QueryError) {
            let expression = try MusterQuery.Expression(parsing: text, compiler: RE2Compiler())
            guard expression.type == .vector || expression.type == .scalar else {
                throw QueryError.invalid("it gives a \(expression.type.rawValue)")
            }
            return expression
        } catch {
            throw ConfigError(
                position: position, key: "expr", problem: "of rule \(rule.name): \(error)",
                allowed: "a PromQL expression that gives an instant vector or a scalar")
        }
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
