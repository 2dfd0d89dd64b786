extension OTLPLogs {
    /// Reads the JSON form: keys in lowerCamelCase only, unknown ones skipped, 64-bit numbers as texts or numbers,
    /// enums as numbers or names, ids of traces and spans in hexadecimal, unlike in other protobuf JSON.
    package init(json bytes: [UInt8]) throws(JSONError) {
        try LogBudget.checkSize(json: bytes)
        self.init()
        var reader = JSONReader(bytes)
        var budget = LogBudget()
        try reader.members { (reader, key) throws(JSONError) in
            guard key == "resourceLogs" else { return try reader.skipValue() }
            try reader.elements { (reader) throws(JSONError) in
                try budget.take(streams: 1, at: reader)
                resources.append(try OTLPLogsJSON.resource(&reader, &budget))
            }
        }
        try reader.end()
    }
}

private enum OTLPLogsJSON {
    static func resource(
        _ reader: inout JSONReader, _ budget: inout LogBudget
    ) throws(JSONError) -> OTLPLogs.Resource {
        var value = OTLPLogs.Resource()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "resource":
                try reader.members { (reader, key) throws(JSONError) in
                    guard key == "attributes" else { return try reader.skipValue() }
                    value.attributes = try attributes(&reader, &budget)
                }
            case "scopeLogs":
                try reader.elements { (reader) throws(JSONError) in
                    try budget.take(streams: 1, at: reader)
                    value.scopes.append(try scope(&reader, &budget))
                }
            default: try reader.skipValue()
            }
        }
        return value
    }

    private static func scope(
        _ reader: inout JSONReader, _ budget: inout LogBudget
    ) throws(JSONError) -> OTLPLogs.Scope {
        var value = OTLPLogs.Scope()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "scope":
                try reader.members { (reader, key) throws(JSONError) in
                    switch key {
                    case "name": value.name = try reader.string()
                    case "version": value.version = try reader.string()
                    case "attributes": value.attributes = try attributes(&reader, &budget)
                    default: try reader.skipValue()
                    }
                }
            case "logRecords":
                try reader.elements { (reader) throws(JSONError) in
                    try budget.take(entries: 1, at: reader)
                    value.records.append(try record(&reader, &budget))
                }
            default: try reader.skipValue()
            }
        }
        return value
    }

    private static func record(
        _ reader: inout JSONReader, _ budget: inout LogBudget
    ) throws(JSONError) -> OTLPLogs.Record {
        var value = OTLPLogs.Record()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "timeUnixNano": value.time = try reader.unsigned()
            case "observedTimeUnixNano": value.observed = try reader.unsigned()
            case "severityNumber": value.severity = try severity(&reader)
            case "severityText": value.severityText = try reader.string()
            case "body": value.body = Array(try OTLPJSON.value(&reader).text.utf8)
            case "attributes": value.attributes = try attributes(&reader, &budget)
            case "droppedAttributesCount": value.droppedAttributes = try reader.unsigned()
            case "flags": value.flags = UInt32(truncatingIfNeeded: try reader.unsigned())
            case "traceId": value.traceID = OTLPTraceID.parse(try reader.string(), count: OTLPTraceID.traceBytes)
            case "spanId": value.spanID = OTLPTraceID.parse(try reader.string(), count: OTLPTraceID.spanBytes)
            case "eventName": value.eventName = try reader.string()
            default: try reader.skipValue()
            }
        }
        return value
    }

    private static func severity(_ reader: inout JSONReader) throws(JSONError) -> Int {
        guard try reader.peek() != .string else { return OTLPSeverity.number(try reader.string()) }
        let number = try reader.signed()
        return (1...24).contains(number) ? Int(number) : 0
    }

    private static func attributes(
        _ reader: inout JSONReader, _ budget: inout LogBudget
    ) throws(JSONError) -> [OTLPAttribute] {
        let attributes = try OTLPJSON.attributes(&reader)
        try budget.take(fields: attributes.count, at: reader)
        return attributes
    }
}
