import MusterInterchange
import MusterModel
import Testing

private let statistics =
    #"{"summary":{"bytesProcessedPerSecond":0,"linesProcessedPerSecond":0,"totalBytesProcessed":0,"#
    + #""totalLinesProcessed":0,"execTime":0,"queueTime":0,"totalEntriesReturned":0,"totalPostFilterLines":0},"#
    + #""querier":{"store":{"totalChunksRef":0,"totalChunksDownloaded":0,"chunk":{"compressedBytes":0,"#
    + #""decompressedBytes":0,"decompressedLines":0,"postFilterLines":0}}}}"#

private func answer(_ type: String, _ result: String, flags: String = "", warnings: String = "") -> String {
    #"{"status":"success"\#(warnings),"data":{"resultType":"\#(type)"\#(flags),"result":\#(result),"#
        + #""stats":\#(statistics)}}"#
}

private let entries = [
    LokiStream.Entry(time: Instant(nanoseconds: 1_700_000_000_000_000_001), line: bytes("plain")),
    LokiStream.Entry(
        time: Instant(nanoseconds: 1_700_000_000_000_000_002), line: bytes("with labels"),
        metadata: [Field("user", "a"), Field("path", "b")]),
    LokiStream.Entry(
        time: Instant(nanoseconds: -7), line: bytes("msg=hi"), metadata: [Field("user", "a")],
        parsed: [Field("msg", "hi")]),
    LokiStream.Entry(time: Instant(nanoseconds: 0), line: [], parsed: [Field("msg", "<")]),
]
private let stream = LokiStream(labels: ["zone": "eu", "a": "\"b\""], entries: entries)

/// Every leaf of a document, so that it is known to be JSON.
private func isJSON(_ bytes: [UInt8]) -> Bool {
    var reader = JSONReader(bytes)
    do throws(JSONError) {
        try reader.skipValue()
        try reader.end()
        return true
    } catch {
        return false
    }
}

@Suite struct LokiAnswers {
    @Test func `streams are lists of texts`() {
        let plain =
            #"[{"stream":{"a":"\"b\"","zone":"eu"},"values":[["1700000000000000001","plain"],"#
            + #"["1700000000000000002","with labels"],["-7","msg=hi"],["0",""]]}]"#
        #expect(text(LokiJSON.streams([stream])) == answer("streams", plain))
        #expect(text(LokiJSON.streams([])) == answer("streams", "[]"))
    }

    @Test func `labels are told apart by origin when the reader asks for it`() {
        let categorized =
            #"[{"stream":{"a":"\"b\"","zone":"eu"},"values":[["1700000000000000001","plain",{}],"#
            + #"["1700000000000000002","with labels",{"structuredMetadata":{"user":"a","path":"b"}}],"#
            + #"["-7","msg=hi",{"structuredMetadata":{"user":"a"},"parsed":{"msg":"hi"}}],"#
            + #"["0","",{"parsed":{"msg":"\u003c"}}]]}]"#
        let flags = #","encodingFlags":["categorize-labels"]"#
        #expect(
            text(LokiJSON.streams([stream], isCategorized: true, warnings: ["cut", "a\"b"]))
                == answer("streams", categorized, flags: flags, warnings: #","warnings":["cut","a\"b"]"#))
        #expect(
            text(LokiJSON.tail([stream], isCategorized: true)) == #"{"streams":\#(categorized)\#(flags)}"#)
    }

    @Test(
        arguments: [
            (Array("tab\tline\nreturn\r\u{0}\u{1f}".utf8), #"tab\tline\nreturn\r\u0000\u001f"#),
            (Array(#"<a href="x">&'\"#.utf8), #"\u003ca href=\"x\"\u003e\u0026'\\"#),
            (Array("é😀\u{7f}".utf8), "é😀\u{7f}"), (Array("\u{2028}\u{2029}\u{202a}".utf8), "\\u2028\\u2029\u{202a}"),
            ([0xff], "\u{fffd}"), ([0x61, 0xc3], "a\u{fffd}"), ([0xc3, 0x28, 0x22], "\u{fffd}(\\\""),
            ([0xe2, 0x80], "\u{fffd}"), ([0xf0, 0x9f, 0x98, 0x61], "\u{fffd}a"),
            ([0xed, 0xa0, 0x80, 0x0a], "\u{fffd}\u{fffd}\u{fffd}\\n"),
        ] as [([UInt8], String)])
    func `a line is escaped, and repaired where it is no UTF-8`(line: [UInt8], expected: String) {
        let tail = LokiJSON.tail([
            LokiStream(labels: ["a": "b"], entries: [LokiStream.Entry(time: Instant(nanoseconds: 1), line: line)])
        ])
        #expect(text(tail) == #"{"streams":[{"stream":{"a":"b"},"values":[["1","\#(expected)"]]}]}"#)
    }

    @Test func `any line makes an answer that is JSON and is read back`() throws {
        var generator = SplitMix(seed: 91)
        for _ in 0..<2_000 {
            let line = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let answer = LokiJSON.streams([
                LokiStream(labels: ["a": "b"], entries: [LokiStream.Entry(time: Instant(nanoseconds: 1), line: line)])
            ])
            #expect(isJSON(answer))
            // The message of a tail has the shape of a push.
            let tail = LokiJSON.tail([
                LokiStream(labels: ["a": "b"], entries: [LokiStream.Entry(time: Instant(nanoseconds: 1), line: line)])
            ])
            let read = try LokiPush.decode(json: tail)
            #expect(read.streams.first?.entries.first?.line == Array(String(decoding: line, as: UTF8.self).utf8))
        }
    }

    @Test(
        arguments: [
            (1_700_000_010_324, 0.037037037037037035, #"[1700000010.324,"0.037037037037037035"]"#),
            (1_700_000_010_320, 6.25, #"[1700000010.32,"6.25"]"#),
            (1_700_000_010_000, 1e21, #"[1700000010,"1000000000000000000000"]"#),
            (0, 1e-7, #"[0,"0.0000001"]"#), (-1, .nan, #"[-0.001,"NaN"]"#), (-1_500, .infinity, #"[-1.5,"+Inf"]"#),
            (1, -.infinity, #"[0.001,"-Inf"]"#), (10, -0.0, #"[0.01,"-0"]"#), (100, 5, #"[0.1,"5"]"#),
            (.min, 0, #"[-9223372036854775.808,"0"]"#),
        ] as [(Int64, Double, String)])
    func `points are seconds and values without an exponent`(milliseconds: Int64, value: Double, expected: String) {
        let sample = Sample(milliseconds: milliseconds, value: value)
        #expect(text(LokiJSON.scalar(sample)) == answer("scalar", expected))
        #expect(
            text(LokiJSON.vector([(labels: ["job": "a/b"], sample: sample), (labels: [:], sample: sample)]))
                == answer(
                    "vector",
                    #"[{"metric":{"job":"a/b"},"value":\#(expected)},{"metric":{},"value":\#(expected)}]"#))
        #expect(
            text(LokiJSON.matrix([SeriesSamples(labels: ["job": "x"], samples: [sample, sample])]))
                == answer("matrix", #"[{"metric":{"job":"x"},"values":[\#(expected),\#(expected)]}]"#))
    }

    @Test func `what an answer took is said with it`() {
        var took = LokiStatistics()
        (took.blocksConsidered, took.blocksRead, took.compressedBytes) = (9, 4, 100)
        (took.bytes, took.lines, took.linesKept, took.entriesReturned) = (1_000, 50, 20, 10)
        (took.queued, took.worked) = (.milliseconds(250), .milliseconds(500))
        let answer = text(LokiJSON.streams([], statistics: took))
        #expect(
            answer.hasSuffix(
                #""stats":{"summary":{"bytesProcessedPerSecond":2000,"linesProcessedPerSecond":100,"#
                    + #""totalBytesProcessed":1000,"totalLinesProcessed":50,"execTime":0.5,"queueTime":0.25,"#
                    + #""totalEntriesReturned":10,"totalPostFilterLines":20},"querier":{"store":{"totalChunksRef":9,"#
                    + #""totalChunksDownloaded":4,"chunk":{"compressedBytes":100,"decompressedBytes":1000,"#
                    + #""decompressedLines":50,"postFilterLines":20}}}}}}"#))
        (took.bytes, took.lines, took.worked) = (.max, .min, .nanoseconds(1))
        #expect(isJSON(LokiJSON.matrix([], statistics: took)))
    }

    @Test func `the other answers have their shapes`() {
        #expect(text(LokiJSON.names(["app", "a\"b"])) == #"{"status":"success","data":["app","a\"b"]}"#)
        #expect(text(LokiJSON.names([])) == #"{"status":"success","data":[]}"#)
        #expect(
            text(LokiJSON.series([["b": "2", "a": "1"], [:]])) == #"{"status":"success","data":[{"a":"1","b":"2"},{}]}"#
        )
        #expect(
            text(LokiJSON.indexStatistics(LokiIndexStatistics(streams: 1, blocks: 2, bytes: 3, entries: 4)))
                == #"{"streams":1,"chunks":2,"bytes":3,"entries":4}"#)
        #expect(
            text(LokiJSON.volume([(labels: ["app": "web"], bytes: 40_960_000)], at: Instant(seconds: 60)))
                == answer("vector", #"[{"metric":{"app":"web"},"value":[60,"40960000"]}]"#))
        #expect(
            text(
                LokiJSON.patterns([
                    LokiPattern(
                        pattern: "<_> level=info", level: "info",
                        counts: [
                            LokiPattern.Count(time: Instant(milliseconds: 1_700_000_060_900), lines: 1),
                            LokiPattern.Count(time: Instant(seconds: 1_700_000_070), lines: 2),
                        ]), LokiPattern(pattern: "x", counts: []),
                ]))
                == #"{"status":"success","data":[{"pattern":"\u003c_\u003e level=info","level":"info","#
                + #""samples":[[1700000060,1],[1700000070,2]]},{"pattern":"x","samples":[]}]}"#)
        #expect(
            text(LokiJSON.error("no \"}\" at 1:5\n", status: 400))
                == #"{"code":400,"status":"error","message":"no \"}\" at 1:5\n"}"#)
    }

    @Test func `a tail says what it had to drop`() {
        #expect(text(LokiJSON.tail([])) == #"{"streams":[]}"#)
        #expect(
            text(
                LokiJSON.tail(
                    [LokiStream(labels: ["a": "b"], entries: [])],
                    dropped: [
                        LokiDroppedEntry(time: Instant(nanoseconds: 1_700_000_000_000_000_009), labels: ["t": "x"])
                    ]))
                == #"{"streams":[{"stream":{"a":"b"},"values":[]}],"dropped_entries":[{"#
                + #""timestamp":"1700000000000000009","labels":{"t":"x"}}]}"#)
    }
}
