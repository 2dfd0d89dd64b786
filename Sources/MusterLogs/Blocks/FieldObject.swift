/// The fields of a line as blocks keep them: a JSON object of strings, nothing where there are none.
package enum FieldObject {
    package static func encoded(_ fields: some Sequence<(name: some Sequence<UInt8>, value: some Sequence<UInt8>)>)
        -> [UInt8]
    {
        var json: [UInt8] = []
        for field in fields {
            json.append(json.isEmpty ? 0x7b : 0x2c)
            append(field.name, to: &json)
            json.append(0x3a)
            append(field.value, to: &json)
        }
        if !json.isEmpty { json.append(0x7d) }
        return json
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func append(_ text: some Sequence<UInt8>, to json: inout [UInt8]) {
        json.append(0x22)
        for byte in text {
            switch byte {
            case 0x22, 0x5c: json += [0x5c, byte]
            case 0..<0x20: json += [0x5c, 0x75, 0x30, 0x30, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: json.append(byte)
            }
        }
        json.append(0x22)
    }
}
