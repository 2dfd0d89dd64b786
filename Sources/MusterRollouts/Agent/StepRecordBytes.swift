import MusterModel

/// Writes the fields of a step record.
struct StepRecordWriter {
    private(set) var bytes: [UInt8] = []
    private(set) var isListTooLong = false

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func word(_ value: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func signed(_ value: Int64) { word(UInt64(bitPattern: value)) }

    private mutating func count(_ value: Int) {
        let value = UInt32(clamping: value)
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func text(_ value: String) {
        let utf8 = Array(value.utf8)
        count(utf8.count)
        bytes += utf8
    }

    mutating func list<Element>(_ elements: [Element], _ write: (inout Self, Element) -> Void) {
        if elements.count > StepRecord.listCount { isListTooLong = true }
        count(elements.count)
        for element in elements { write(&self, element) }
    }

    mutating func key(_ key: StepKey) {
        text(key.rollout.text)
        text(key.step)
        signed(Int64(key.attempt))
    }

    mutating func step(_ step: RolloutStep) {
        key(step.key)
        word(step.epoch)
        text(step.host.text)
        signed(step.expiresAt.nanoseconds)
        switch step.action {
        case .replace(let selector, let image, let gate):
            byte(1)
            list(selector.sorted { $0.key < $1.key }) { writer, label in
                writer.text(label.key)
                writer.text(label.value)
            }
            text(image)
            signed(gate.healthyFor.nanoseconds)
            signed(gate.deadline.nanoseconds)
        case .restore: byte(2)
        case .commit: byte(3)
        }
    }

    mutating func outcome(_ outcome: StepOutcome) {
        switch outcome {
        case .succeeded(let detail):
            byte(1)
            text(detail.previousImage)
            list(detail.containers) { $0.text($1) }
            text(detail.note)
        case .failed(let reason, let rolledBack):
            byte(2)
            text(reason)
            byte(rolledBack ? 1 : 0)
        case .refused(let reason):
            byte(3)
            text(reason)
        }
    }
}

/// Reads the fields of a step record; every length is checked before it is used.
struct StepRecordReader {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private mutating func take(_ count: Int) throws(StepRecordError) -> ArraySlice<UInt8> {
        guard count <= bytes.count - offset else { throw .truncated(at: bytes.count) }
        defer { offset += count }
        return bytes[offset..<offset + count]
    }

    func finish() throws(StepRecordError) {
        guard offset == bytes.count else { throw .trailingBytes(bytes.count - offset) }
    }

    mutating func byte() throws(StepRecordError) -> UInt8 {
        let slice = try take(1)
        return slice[slice.startIndex]
    }

    mutating func word() throws(StepRecordError) -> UInt64 {
        try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func signed() throws(StepRecordError) -> Int64 { Int64(bitPattern: try word()) }

    private mutating func count() throws(StepRecordError) -> Int {
        try take(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    mutating func text(_ field: String) throws(StepRecordError) -> String {
        guard let text = String(validating: try take(try count()), as: UTF8.self) else { throw .invalidField(field) }
        return text
    }

    mutating func list<Element>(
        _ field: String, _ read: (inout Self) throws(StepRecordError) -> Element
    ) throws(StepRecordError) -> [Element] {
        let count = try count()
        guard count <= StepRecord.listCount else { throw .invalidField(field) }
        var elements: [Element] = []
        for _ in 0..<count { elements.append(try read(&self)) }
        return elements
    }

    mutating func key() throws(StepRecordError) -> StepKey {
        guard let rollout = RolloutID(try text("rollout")) else { throw .invalidField("rollout") }
        let step = try text("step")
        guard let attempt = Int(exactly: try signed()) else { throw .invalidField("attempt") }
        return StepKey(rollout: rollout, step: step, attempt: attempt)
    }

    mutating func step() throws(StepRecordError) -> RolloutStep {
        let key = try key()
        let epoch = try word()
        guard let host = HostID(try text("host")) else { throw .invalidField("host") }
        let expiresAt = Instant(nanoseconds: try signed())
        return RolloutStep(
            rollout: key.rollout, step: key.step, attempt: key.attempt, epoch: epoch, host: host,
            action: try action(), expiresAt: expiresAt)
    }

    private mutating func action() throws(StepRecordError) -> StepAction {
        switch try byte() {
        case 1:
            let labels = try list("selector") { reader throws(StepRecordError) in
                (try reader.text("selector"), try reader.text("selector"))
            }
            let image = try text("image")
            let gate = HealthGate(
                healthyFor: .nanoseconds(try signed()), deadline: .nanoseconds(try signed()))
            return .replace(selector: Dictionary(labels) { $1 }, image: image, gate: gate)
        case 2: return .restore
        case 3: return .commit
        default: throw .invalidField("action")
        }
    }

    mutating func outcome() throws(StepRecordError) -> StepOutcome {
        switch try byte() {
        case 1:
            let previousImage = try text("previous image")
            let containers = try list("containers") { reader throws(StepRecordError) in try reader.text("containers") }
            return .succeeded(
                StepDetail(previousImage: previousImage, containers: containers, note: try text("note")))
        case 2:
            let reason = try text("reason")
            let flag = try byte()
            guard flag <= 1 else { throw .invalidField("rolled back") }
            return .failed(reason: reason, rolledBack: flag == 1)
        case 3: return .refused(reason: try text("reason"))
        default: throw .invalidField("outcome")
        }
    }
}
