/// Words that one writer fills from front to back while others read what is already there. A hot path.
///
/// The writer (who holds the store) writes each word once and tells readers, under the same lock, how much there is; a
/// reader never looks beyond what it was told, so no word is read before or while it is written. Swift cannot know that
/// of a pointer, hence the address is kept as a number. The words live until the last reference goes.
package final class RowChunk: Sendable {
    package let capacity: Int
    private let address: UInt

    package init(capacity: Int) {
        self.capacity = capacity
        address = UInt(bitPattern: UnsafeMutablePointer<UInt64>.allocate(capacity: capacity))
    }

    deinit {
        unsafe UnsafeMutablePointer<UInt64>(bitPattern: address)?.deallocate()
    }

    /// `index` is below the capacity.
    @inline(__always)
    package subscript(index: Int) -> UInt64 {
        precondition(index >= 0 && index < capacity, "a row lies within its chunk")
        guard let words = unsafe UnsafePointer<UInt64>(bitPattern: address) else { return 0 }
        return unsafe words[index]
    }

    /// Only the writer, only behind what readers know, `index` below the capacity.
    @inline(__always)
    package func store(_ word: UInt64, at index: Int) {
        precondition(index >= 0 && index < capacity, "a row lies within its chunk")
        guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: address) else { return }
        unsafe words[index] = word
    }

    package var bytes: Int { capacity * 8 + 56 }
}
