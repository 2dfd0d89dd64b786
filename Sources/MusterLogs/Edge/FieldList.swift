/// Fields of one line, names and values one behind the other in a buffer that is used again for the next line. What is
/// over a limit is left out and counted.
package struct FieldList: Sendable {
    package static let maxFields = 64
    package static let nameBytes = 256
    package static let valueBytes = 4_096
    /// Names and values together.
    package static let totalBytes = 16 << 10

    /// The storage is kept from line to line; `name` and `value` are views of it.
    package struct Field: Sendable {
        package let name: ArraySlice<UInt8>
        package let value: ArraySlice<UInt8>
    }

    private struct Entry: Sendable {
        var start: Int
        var value: Int
        var end: Int
    }

    /// A point to go back to.
    struct Mark {
        fileprivate let bytes: Int
        fileprivate let entries: Int
        fileprivate let omitted: Int
    }

    /// The first `used` count; the rest is room that was made before.
    private var bytes: [UInt8] = []
    private var used = 0
    private var entries: [Entry] = []
    /// The field that is being written: where its name and its value begin.
    private var openName = 0
    private var openValue = 0
    private var overflows = false
    /// Fields left out since `removeAll()`: beyond a limit, or without a name.
    package private(set) var omitted = 0

    package init() {}

    package var count: Int { entries.count }

    /// Nil beyond the last.
    package subscript(index: Int) -> Field? {
        guard entries.indices.contains(index) else { return nil }
        let entry = entries[index]
        return Field(name: bytes[entry.start..<entry.value], value: bytes[entry.value..<entry.end])
    }

    package mutating func removeAll() {
        used = 0
        entries.removeAll(keepingCapacity: true)
        omitted = 0
        overflows = false
    }

    package mutating func append(name: Span<UInt8>, value: Span<UInt8>) {
        begin(name: name)
        write(value, 0..<value.count)
        commit()
    }

    /// What a field's line had before this one.
    var mark: Mark { Mark(bytes: used, entries: entries.count, omitted: omitted) }

    mutating func rewind(to mark: Mark) {
        used = mark.bytes
        entries.removeLast(max(0, entries.count - mark.entries))
        omitted = mark.omitted
        overflows = false
    }

    // MARK: Writing a field piece by piece

    mutating func begin(name: Span<UInt8>) {
        openName = used
        overflows = name.isEmpty || name.count > Self.nameBytes || entries.count >= Self.maxFields
        if !overflows { copy(name, 0..<name.count) }
        openValue = used
    }

    mutating func write(_ source: Span<UInt8>, _ range: Range<Int>) {
        guard !overflows, range.count <= Self.valueBytes &- (used &- openValue) else {
            overflows = true
            return
        }
        copy(source, range)
    }

    mutating func write(_ byte: UInt8) {
        guard !overflows, used &- openValue < Self.valueBytes else {
            overflows = true
            return
        }
        makeRoom(1)
        bytes[used] = byte
        used &+= 1
    }

    mutating func commit() {
        guard !overflows, used <= Self.totalBytes else {
            used = openName
            omitted += 1
            overflows = false
            return
        }
        entries.append(Entry(start: openName, value: openValue, end: used))
    }

    private mutating func copy(_ source: Span<UInt8>, _ range: Range<Int>) {
        makeRoom(range.count)
        let piece = source.extracting(range)
        let start = used
        var room = bytes.mutableSpan
        for index in piece.indices { room[start &+ index] = piece[index] }
        used &+= range.count
    }

    /// At most a name and a value beyond `totalBytes`.
    @inline(__always)
    private mutating func makeRoom(_ count: Int) {
        if used &+ count > bytes.count { grow(count) }
    }

    private mutating func grow(_ count: Int) {
        bytes.append(contentsOf: repeatElement(0, count: max(count, bytes.count, 1_024)))
    }
}
