// MusterQuery: questions about metrics, in the words of PromQL.
//
// This version reads one selector, `name{label="value",other=~"re.*"}`, and an optional comparison with a number,
// `selector > 0.9`. Spelling follows Prometheus: names, the four matchers, strings with escapes, comments.
//
// `Query.init` turns text into a value or throws a `QueryError` that points at the place. `QueryEvaluator` answers it
// at an instant or over a range of steps, reading through `SeriesSource`: the query knows no store. At each step a
// series has its newest sample of the last five minutes (left-open), unless that is the stale marker. What a query may
// cost is in `QueryLimits`.
