/// A name that a test wrote itself.
func valid<Value>(_ value: Value?, line: UInt = #line) -> Value {
    guard let value else { preconditionFailure("the name on line \(line) is not valid") }
    return value
}
