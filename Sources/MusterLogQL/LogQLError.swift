/// Why a query cannot be read or answered.
package struct LogQLError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// It is no LogQL.
        case syntax
        /// It is LogQL that is not understood here.
        case unsupported
        /// It, or what it finds, is larger than allowed.
        case limit
        /// A line could not be processed, and a number made without it would be wrong.
        case pipeline
        /// Two series cannot be told apart.
        case matching
    }

    package var kind: Kind
    /// Line and column of the place in the query, from 1; nil when no single place is to blame.
    package var line: Int?
    package var column: Int?
    package var message: String

    package init(_ kind: Kind, _ message: String, line: Int? = nil, column: Int? = nil) {
        self.kind = kind
        self.message = message
        self.line = line
        self.column = column
    }

    package var description: String {
        guard let line, let column else { return "the query: \(message)" }
        return "the query, line \(line), column \(column): \(message)"
    }
}
