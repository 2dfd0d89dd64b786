/// A value of this module inside stored state: encoded in a plain form, checked on the way in.
package protocol StoredValue: Equatable, Sendable {
    associatedtype Form: Codable
    var storedForm: Form { get }
    /// Nil for a form that no value has: what is stored may be damaged.
    init?(storedForm: Form)
}

/// Lets a `Codable` state hold a `StoredValue`; decoding throws `DecodingError.dataCorrupted` for a form that is none.
@propertyWrapper
package struct Stored<Value: StoredValue>: Codable, Equatable, Sendable {
    package var wrappedValue: Value

    package init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Value(storedForm: try container.decode(Value.Form.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "the stored form is no \(Value.self)")
        }
        wrappedValue = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue.storedForm)
    }
}

/// Nanoseconds since 1970.
extension Instant: StoredValue {
    package var storedForm: Int64 { nanoseconds }
    package init?(storedForm: Int64) { self.init(nanoseconds: storedForm) }
}

extension HostID: StoredValue {
    package var storedForm: String { text }
    package init?(storedForm: String) { self.init(storedForm) }
}

extension RolloutID: StoredValue {
    package var storedForm: String { text }
    package init?(storedForm: String) { self.init(storedForm) }
}

extension Labels: StoredValue {
    package var storedForm: [String: String] { dictionary }
    package init?(storedForm: [String: String]) { self.init(storedForm) }
}

/// The bit pattern: NaN and the infinities have no spelling in JSON.
extension Double: StoredValue {
    package var storedForm: UInt64 { bitPattern }
    package init?(storedForm: UInt64) { self.init(bitPattern: storedForm) }
}

extension Optional: StoredValue where Wrapped: StoredValue {
    package var storedForm: Wrapped.Form? { map(\.storedForm) }
    package init?(storedForm: Wrapped.Form?) {
        guard let storedForm else {
            self = .none
            return
        }
        guard let value = Wrapped(storedForm: storedForm) else { return nil }
        self = .some(value)
    }
}
