import MusterModel

/// From each label to the series that have it: label name -> value -> numbers of series, ascending ("postings").
struct LabelIndex: Sendable {
    private var postings: [String: [String: [UInt32]]] = [:]

    /// The labels with their texts replaced by the equal ones the index holds, so that each text is stored once.
    mutating func insert(_ labels: Labels, number: UInt32) -> Labels {
        var interned: [(String, String)] = []
        interned.reserveCapacity(labels.count)
        for label in labels.pairs {
            postings[label.name, default: [:]][label.value, default: []].insertAscending(number)
            guard let name = postings.index(forKey: label.name),
                let value = postings.values[name].index(forKey: label.value)
            else { continue }
            interned.append((postings.keys[name], postings.values[name].keys[value]))
        }
        return Labels(interned)
    }

    mutating func remove(_ labels: Labels, number: UInt32) {
        for label in labels.pairs {
            postings[label.name]?[label.value]?.removeAscending(number)
            if postings[label.name]?[label.value]?.isEmpty == true { postings[label.name]?[label.value] = nil }
            if postings[label.name]?.isEmpty == true { postings[label.name] = nil }
        }
    }

    var names: [String] { postings.keys.sorted() }

    func values(of name: String) -> [String] { (postings[name]?.keys.sorted()) ?? [] }

    /// Series that may match, ascending; nil when the matchers exclude nobody by presence and every series has to be
    /// asked. A matcher that accepts the empty value also accepts series without the label, which have no postings.
    func candidates(_ matchers: [LabelMatcher]) -> [UInt32]? {
        var found: [UInt32]?
        for matcher in matchers where !matcher.isMatch("") {
            let numbers = numbers(matcher)
            found = found.map { Self.intersection($0, numbers) } ?? numbers
            if found?.isEmpty == true { break }
        }
        return found
    }

    private func numbers(_ matcher: LabelMatcher) -> [UInt32] {
        guard let values = postings[matcher.name] else { return [] }
        if case .equal = matcher.operator { return values[matcher.value] ?? [] }
        let lists = values.filter { matcher.isMatch($0.key) }.values
        if lists.count == 1, let only = lists.first { return only }
        // A series has one value for a label, so the lists have nothing in common.
        return lists.flatMap { $0 }.sorted()
    }

    private static func intersection(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
        var common: [UInt32] = []
        var i = 0
        var j = 0
        while i < a.count, j < b.count {
            if a[i] == b[j] {
                common.append(a[i])
                i += 1
                j += 1
            } else if a[i] < b[j] {
                i += 1
            } else {
                j += 1
            }
        }
        return common
    }
}

extension [UInt32] {
    /// The first position whose element is not below `number`, of an ascending array.
    private func position(of number: UInt32) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    fileprivate mutating func insertAscending(_ number: UInt32) {
        if let last, last < number {
            append(number)
            return
        }
        let position = position(of: number)
        if position == count || self[position] != number { insert(number, at: position) }
    }

    fileprivate mutating func removeAscending(_ number: UInt32) {
        let position = position(of: number)
        if position < count, self[position] == number { remove(at: position) }
    }
}
