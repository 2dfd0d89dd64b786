/// The numbers of the series that have a label. One number is kept in place, more in an array. Numbers usually come in
/// ascending order; when they do not (a number is used again), the list is sorted before the next question.
package struct PostingList: Sendable {
    private var only: UInt32 = 0
    private var many: [UInt32] = []
    private var isSorted = true
    package private(set) var count = 0

    package init() {}

    /// The number is not in the list.
    package mutating func add(_ number: UInt32) {
        switch count {
        case 0: only = number
        case 1:
            many.reserveCapacity(4)
            many.append(min(only, number))
            many.append(max(only, number))
        default:
            if number < many[count - 1] { isSorted = false }
            many.appendSparing(number)
        }
        count += 1
    }

    /// Removes the numbers that are in the set.
    package mutating func remove(_ dead: NumberSet) {
        if count <= 1 {
            if count == 1, dead.contains(only) { count = 0 }
            return
        }
        many.removeAll { dead.contains($0) }
        count = many.count
        if count <= 1 {
            only = many.first ?? 0
            many = []
            isSorted = true
        } else {
            many.trim()
        }
    }

    /// Ascending.
    package mutating func numbers() -> [UInt32] {
        if !isSorted {
            many.sort()
            isSorted = true
        }
        return count == 1 ? [only] : many
    }

    package func insert(into set: inout NumberSet) {
        if count == 1 { set.insert(only) }
        for number in many { set.insert(number) }
    }

    /// What it holds beside itself.
    package var bytes: Int { many.capacity == 0 ? 0 : many.capacity * 4 + 32 }
}
