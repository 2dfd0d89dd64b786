import MusterModel

extension Evaluator {
    /// An arithmetic operator or comparison between two vectors. Rows are matched once; whether a match was allowed is
    /// a question of each step, since only samples that are there at the same time meet.
    mutating func match(
        _ plan: QueryPlan.BinaryPlan, _ left: SeriesTable, _ right: SeriesTable, _ matching: BinaryOperation.Matching
    ) throws(QueryError) -> SeriesTable {
        let projection = projection(matching)
        let signatures = VectorSignatures(left, right, projection)
        var match = VectorMatch(plan: plan, matching: matching, left: left, right: right, signatures: signatures)
        try match.refuseDuplicatesOfOneSide(symbols, projection)
        try match.refuseSecondMatches()
        let labels = resultLabels(plan, matching)
        try budget.take(match.pairCount)
        try match.pairRows(labels)
        try budget.take(match.results.count * left.steps)
        try patience.worked(match.pairs.count * left.steps)
        return try match.result()
    }

    private mutating func resultLabels(
        _ plan: QueryPlan.BinaryPlan, _ matching: BinaryOperation.Matching
    ) -> VectorMatch.ResultLabels {
        VectorMatch.ResultLabels(
            dropped: plan.op.isComparison ? nil : metricName,
            projection: matching.cardinality == .oneToOne
                ? matching.isOn
                    ? .only(matching.labels.compactMap(symbols.find))
                    : .without(matching.labels.compactMap(symbols.find))
                : .without([]),
            included: matching.include.compactMap(symbols.find))
    }
}

/// Two vectors on their way to a result. The side of which several may match is called `many`, the other `one`; of
/// one-to-one the left is `many`.
struct VectorMatch {
    let plan: QueryPlan.BinaryPlan
    let matching: BinaryOperation.Matching
    let many: SeriesTable
    let one: SeriesTable
    /// `many` is the right side.
    let isSwapped: Bool
    private let manySignatures: [Int]
    private let oneRows: RowsByNumber
    private let signatureCount: Int
    /// Rows that meet, and which row of the result they give.
    private(set) var pairs: [(many: Int, one: Int, result: Int)] = []
    private(set) var results = LabelSets()

    /// How the labels of a result come from those of a match.
    struct ResultLabels {
        /// The name, when the operator changes what the number means.
        var dropped: Symbol?
        /// Of the labels of the `many` side.
        var projection: LabelProjection
        /// Copied from the `one` side.
        var included: [Symbol]
    }

    init(
        plan: QueryPlan.BinaryPlan, matching: BinaryOperation.Matching, left: SeriesTable, right: SeriesTable,
        signatures: VectorSignatures
    ) {
        self.plan = plan
        self.matching = matching
        isSwapped = matching.cardinality == .oneToMany
        (many, one) = isSwapped ? (right, left) : (left, right)
        manySignatures = isSwapped ? signatures.right : signatures.left
        signatureCount = signatures.count
        oneRows = RowsByNumber(isSwapped ? signatures.left : signatures.right, count: signatures.count)
    }

    private var steps: Int { many.steps }

    /// How many rows meet how many.
    var pairCount: Int { manySignatures.reduce(0) { $0 + oneRows[$1].count } }

    // MARK: - What is not allowed

    /// Two samples of the `one` side with one signature, at a step at which the other side has anything.
    func refuseDuplicatesOfOneSide(
        _ symbols: SymbolTable, _ projection: LabelProjection
    ) throws(QueryError) {
        guard let step = firstStep(of: one, oneRows, only: { many.hasValue(at: $0) }) else { return }
        let texts = [step.first, step.second].map { symbols.text(of: one.labels(of: $0)) }
            .sorted { $0.precedesInBytes($1) }
        var group: [LabelPair] = []
        projection.apply(one.rows[step.first].labels, of: one.pairs, into: &group)
        throw .execution(
            "found duplicate series for the match group \(symbols.text(of: group)) on the "
                + "\(isSwapped ? "left" : "right") hand-side of the operation: "
                + "[\(texts.joined(separator: ", "))]"
                + ";many-to-many matching not allowed: matching labels must be unique on one side")
    }

    /// Of one-to-one: two samples of the left side that meet the same sample.
    func refuseSecondMatches() throws(QueryError) {
        guard matching.cardinality == .oneToOne else { return }
        let manyRows = RowsByNumber(manySignatures, count: signatureCount)
        for signature in 0..<signatureCount where manyRows[signature].count > 1 && !oneRows[signature].isEmpty {
            for step in 0..<steps {
                guard oneRows[signature].contains(where: { !one.value($0, step).isAbsent }) else { continue }
                if manyRows[signature].count(where: { !many.value($0, step).isAbsent }) > 1 {
                    throw .execution(
                        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
                }
            }
        }
    }

    /// The first two rows with one number that have a value at the same step.
    private func firstStep(
        of table: SeriesTable, _ rows: RowsByNumber, only isAsked: (Int) -> Bool
    ) -> (first: Int, second: Int)? {
        for number in 0..<signatureCount where rows[number].count > 1 {
            for step in 0..<steps {
                let present = rows[number].lazy.filter { !table.value($0, step).isAbsent }.prefix(2)
                guard let first = present.first, let second = present.dropFirst().first, isAsked(step) else { continue }
                return (first, second)
            }
        }
        return nil
    }

    // MARK: - Result

    mutating func pairRows(_ labels: ResultLabels) throws(QueryError) {
        var scratch: [LabelPair] = []
        // Of each result its newest pair, of each pair the one before it with the same result; -1 ends the chain.
        var newest: [Int] = []
        var previous: [Int] = []
        pairs.reserveCapacity(many.rows.count)
        for (row, signature) in manySignatures.enumerated() {
            for partner in oneRows[signature] {
                labels.projection.apply(many.rows[row].labels, of: many.pairs, into: &scratch)
                if let dropped = labels.dropped { scratch.set(dropped, nil) }
                for name in labels.included { scratch.set(name, one.label(name, of: partner)) }
                let result = results.number(of: scratch)
                if result == newest.count { newest.append(-1) }
                var earlier = newest[result]
                while earlier >= 0 {
                    try refuse(pairs[earlier], (row, partner))
                    earlier = previous[earlier]
                }
                previous.append(newest[result])
                newest[result] = pairs.count
                pairs.append((row, partner, result))
            }
        }
    }

    /// Two matches with the same labels, when all four samples are there at one step.
    private func refuse(
        _ earlier: (many: Int, one: Int, result: Int), _ later: (many: Int, one: Int)
    ) throws(QueryError) {
        guard earlier.many != later.many else { return }
        let isSameGroup = manySignatures[earlier.many] == manySignatures[later.many]
        let meet = (0..<steps).contains { step in
            isMatched(earlier.many, earlier.one, step) && isMatched(later.many, later.one, step)
                && (isSameGroup || (isKept(earlier.many, earlier.one, step) && isKept(later.many, later.one, step)))
        }
        guard meet else { return }
        throw .execution(
            isSameGroup
                ? "multiple matches for labels: grouping labels must ensure unique matches"
                : "vector cannot contain metrics with the same labelset")
    }

    private func isMatched(_ row: Int, _ partner: Int, _ step: Int) -> Bool {
        !many.value(row, step).isAbsent && !one.value(partner, step).isAbsent
    }

    private func isKept(_ row: Int, _ partner: Int, _ step: Int) -> Bool {
        !value(many.value(row, step), one.value(partner, step)).isAbsent
    }

    @inline(__always)
    private func value(_ manyValue: Double, _ oneValue: Double) -> Double {
        let (left, right) = isSwapped ? (oneValue, manyValue) : (manyValue, oneValue)
        return plan.op.result(left, right, kept: left, returnsBool: plan.returnsBool)
    }

    func result() throws(QueryError) -> SeriesTable {
        var table = SeriesTable(steps: steps, labels: results)
        for pair in pairs {
            for step in 0..<steps {
                let manyValue = many.values[pair.many * steps + step]
                let oneValue = one.values[pair.one * steps + step]
                if manyValue.isAbsent || oneValue.isAbsent { continue }
                let result = value(manyValue, oneValue)
                if !result.isAbsent { table.values[pair.result * steps + step] = result }
            }
            // A filter keeps what its operand was: a name that was on its way out stays so.
            if plan.returnsBool || (plan.op.isComparison && many.rows[pair.many].dropsName) {
                table.rows[pair.result].dropsName = true
            }
        }
        table.removeEmptyRows()
        return table
    }
}

extension SeriesTable {
    fileprivate func hasValue(at step: Int) -> Bool {
        rows.indices.contains { !value($0, step).isAbsent }
    }
}
