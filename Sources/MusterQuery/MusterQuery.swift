// MusterQuery: PromQL, the language of Prometheus 3, over floats.
//
// `Syntax/` turns text into an `Expression`, types checked, or throws a `QueryError` that points at the place; it
// prints expressions in Prometheus's spelling. Constructs that do not exist here, such as native histograms, are
// refused by name.
//
// `Evaluate/` answers an expression at one time or at the steps of a range. `QueryPlan` gives each node its steps and
// collects what the selectors read; a `SampleView` is asked once, so that all of them see one picture; `Evaluator`
// computes each node once, for all steps, over columns of numbers. Labels are symbols, text is made at the end. The
// query knows no store.
//
// What a query may cost is in `QueryLimits`.
