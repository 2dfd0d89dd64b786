import MusterInterchange
import MusterModel
import Testing

@Suite struct OTLPAnswers {
    @Test func `a plain success is empty`() {
        let response = OTLPResponse(OTLPSeries())
        #expect(response.encoded(.protobuf) == [])
        #expect(String(decoding: response.encoded(.json), as: UTF8.self) == "{}")
    }

    @Test func `what was rejected is counted and said`() {
        let response = OTLPResponse(rejectedDataPoints: 300, message: "a \"b\"\n")
        #expect(response.encoded(.protobuf) == Wire.bytes(1, Wire.number(1, 300) + Wire.text(2, "a \"b\"\n")))
        #expect(
            String(decoding: response.encoded(.json), as: UTF8.self)
                == #"{"partialSuccess":{"rejectedDataPoints":"300","errorMessage":"a \"b\"\n"}}"#)
    }

    @Test func `refusals, the store's words and warnings make one message`() {
        var series = OTLPSeries()
        series.refusals.add(SeriesRefusal(.noValue, "a data point without a value", series: "m"))
        series.attributeCollisions = 2
        let response = OTLPResponse(series, storeRejected: 4, storeMessage: "4 too old")
        #expect(response.rejectedDataPoints == 5)
        #expect(
            response.message == "1 data points refused: series m: a data point without a value. 4 too old. "
                + "2 data points have attributes that become one label; values were joined")
    }

    @Test func `errors have the shape of a status`() {
        let status = OTLPStatus.invalid("no \u{1} JSON")
        #expect(status.encoded(.protobuf) == Wire.number(1, 3) + Wire.text(2, "no \u{1} JSON"))
        #expect(String(decoding: status.encoded(.json), as: UTF8.self) == #"{"code":3,"message":"no \u0001 JSON"}"#)
    }

    @Test(
        arguments: [
            ("application/x-protobuf", .protobuf), ("application/json; charset=utf-8", .json),
            ("Application/JSON", .json), ("text/plain", nil), (nil, nil),
        ] as [(String?, OTLPEncoding?)])
    func `the answer has the encoding of the request`(type: String?, expected: OTLPEncoding?) {
        #expect(OTLPEncoding(contentType: type) == expected)
    }
}
