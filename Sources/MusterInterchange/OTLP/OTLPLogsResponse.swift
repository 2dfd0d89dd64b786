/// `ExportLogsServiceResponse`, answered with 200: the sender must not repeat the export, also when some of it was
/// refused.
package struct OTLPLogsResponse: Equatable, Sendable {
    package var rejectedRecords: Int
    /// Why, or a warning when nothing was rejected. Empty for a plain success.
    package var message: String

    package init(rejectedRecords: Int, message: String) {
        self.rejectedRecords = rejectedRecords
        self.message = message
    }

    /// `storeRejected` and `storeMessage` are what the store did not take of the entries that could be read.
    package init(_ logs: PushedLogs, storeRejected: Int = 0, storeMessage: String = "") {
        rejectedRecords = logs.refusals.total + storeRejected
        message = [logs.refusals.text, storeMessage].filter { !$0.isEmpty }.joined(separator: ". ")
    }

    package func encoded(_ encoding: OTLPEncoding) -> [UInt8] {
        let isPlain = rejectedRecords == 0 && message.isEmpty
        switch encoding {
        case .protobuf:
            var writer = ProtobufWriter()
            if !isPlain {
                writer.message(1) { partial in
                    partial.varint(1, UInt64(max(0, rejectedRecords)))
                    partial.string(2, message)
                }
            }
            return writer.bytes
        case .json:
            guard !isPlain else { return Array("{}".utf8) }
            let text = JSONText.quoted(message)
            return Array(
                #"{"partialSuccess":{"rejectedLogRecords":"\#(rejectedRecords)","errorMessage":\#(text)}}"#.utf8)
        }
    }
}
