package import MusterModel

/// A stream in an answer of Loki's query API.
package struct LokiStream: Equatable, Sendable {
    /// An entry of it.
    package struct Entry: Equatable, Sendable {
        package var time: Instant
        /// What is no UTF-8 is written as U+FFFD.
        package var line: [UInt8]
        /// Written only in an answer whose labels are told apart by origin; else they belong into the stream's labels.
        package var metadata: [PushedLogs.Field]
        /// What the query made of the line, likewise.
        package var parsed: [PushedLogs.Field]

        package init(
            time: Instant, line: [UInt8], metadata: [PushedLogs.Field] = [], parsed: [PushedLogs.Field] = []
        ) {
            self.time = time
            self.line = line
            self.metadata = metadata
            self.parsed = parsed
        }
    }

    package var labels: Labels
    package var entries: [Entry]

    package init(labels: Labels, entries: [Entry]) {
        self.labels = labels
        self.entries = entries
    }
}

/// What an answer took, as far as Loki's `stats` can say it; blocks are its chunks. Bytes and lines are counts.
package struct LokiStatistics: Equatable, Sendable {
    package var blocksConsidered = 0
    package var blocksRead = 0
    /// Of the blocks read, as they are stored.
    package var compressedBytes = 0
    /// Of the blocks read, inflated.
    package var bytes = 0
    package var lines = 0
    /// Lines that passed the filters.
    package var linesKept = 0
    package var entriesReturned = 0
    /// Waiting, then working.
    package var queued = Duration.zero
    package var worked = Duration.zero

    package init() {}
}

/// What a selection of an index holds: `/loki/api/v1/index/stats`.
package struct LokiIndexStatistics: Equatable, Sendable {
    package var streams: Int
    package var blocks: Int
    package var bytes: Int
    package var entries: Int

    package init(streams: Int, blocks: Int, bytes: Int, entries: Int) {
        self.streams = streams
        self.blocks = blocks
        self.bytes = bytes
        self.entries = entries
    }
}

/// A shape many lines have and how many had it when: `/loki/api/v1/patterns`.
package struct LokiPattern: Equatable, Sendable {
    /// Lines from `time` on, for one step of the answer.
    package struct Count: Equatable, Sendable {
        /// Written in whole seconds.
        package var time: Instant
        package var lines: Int

        package init(time: Instant, lines: Int) {
            self.time = time
            self.lines = lines
        }
    }

    /// With `<_>` where the lines differ.
    package var pattern: String
    /// Empty when the lines are of several levels.
    package var level: String
    package var counts: [Count]

    package init(pattern: String, level: String = "", counts: [Count]) {
        self.pattern = pattern
        self.level = level
        self.counts = counts
    }
}

/// An entry that could not be sent to a reader of `/loki/api/v1/tail` that is too slow.
package struct LokiDroppedEntry: Equatable, Sendable {
    package var time: Instant
    package var labels: Labels

    package init(time: Instant, labels: Labels) {
        self.time = time
        self.labels = labels
    }
}
