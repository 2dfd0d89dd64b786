import MusterModel
import MusterWire
import Testing

struct BytesTests {
    @Test(
        arguments: [
            (0, [0]), (1, [1]), (127, [127]), (128, [0x80, 1]), (300, [0xac, 2]),
            (UInt64.max, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] as [(UInt64, [UInt8])])
    func `a varint has one spelling and comes back`(value: UInt64, spelling: [UInt8]) throws {
        var writer = ByteWriter()
        writer.varint(value)
        #expect(writer.bytes == spelling)
        var reader = ByteReader(spelling[...])
        #expect(try reader.varint("n") == value)
        try reader.finish()
    }

    @Test(
        arguments: [(0, 0), (-1, 1), (1, 2), (-2, 3), (Int64.max, UInt64.max - 1), (Int64.min, UInt64.max)]
            as [(Int64, UInt64)])
    func `a signed varint is zigzag`(value: Int64, unsigned: UInt64) throws {
        var writer = ByteWriter()
        writer.signedVarint(value)
        var reader = ByteReader(writer.bytes[...])
        #expect(try reader.varint("n") == unsigned)
        var again = ByteReader(writer.bytes[...])
        #expect(try again.signedVarint("n") == value)
    }

    @Test(
        arguments: [
            [0x80, 0],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 1],
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        ] as [[UInt8]])
    func `a varint in more bytes than it needs or than 64 bits hold is refused`(bytes: [UInt8]) {
        var reader = ByteReader(bytes[...])
        #expect(throws: ByteError(field: "n", offset: 0, problem: .overlongVarint)) { try reader.varint("n") }
    }

    @Test func `fixed integers are little endian`() throws {
        var writer = ByteWriter()
        writer.fixed(UInt16(0x0201))
        writer.fixed(UInt32(0x0605_0403))
        writer.fixed(UInt64(0x0e0d_0c0b_0a09_0807))
        #expect(writer.bytes == Array(1...14))
        var reader = ByteReader(writer.bytes[...])
        #expect(try reader.fixed("a", as: UInt16.self) == 0x0201)
        #expect(try reader.fixed("b", as: UInt32.self) == 0x0605_0403)
        #expect(try reader.fixed("c", as: UInt64.self) == 0x0e0d_0c0b_0a09_0807)
        #expect(reader.remaining == 0)
    }

    @Test func `reading past the end names the field, the place and the need`() {
        let bytes: [UInt8] = [9, 9, 1, 2, 3]
        var reader = ByteReader(bytes.dropFirst(2))
        #expect(throws: Never.self) { try reader.byte("first") }
        let expected = ByteError(field: "word", offset: 1, problem: .truncated(needed: 4, available: 2))
        #expect(throws: expected) { try reader.fixed("word", as: UInt32.self) }
        #expect(expected.description == "word at byte 1 needs 4 bytes, 2 are there")
        #expect(throws: ByteError.self) { try reader.take(-1, "negative") }
        #expect(throws: ByteError(field: "end", offset: 1, problem: .trailingBytes(2))) { try reader.finish() }
        #expect(Array(reader.rest()) == [2, 3])
        #expect(throws: ByteError(field: "x", offset: 3, problem: .truncated(needed: 1, available: 0))) {
            try reader.byte("x")
        }
        #expect(throws: ByteError.self) { try reader.varint("x") }
    }

    @Test func `a string is read up to its limit and must be UTF-8`() throws {
        var writer = ByteWriter()
        writer.string("grüß", maxBytes: 6)
        var reader = ByteReader(writer.bytes[...])
        #expect(try reader.string("s", maxBytes: 6) == "grüß")
        var tight = ByteReader(writer.bytes[...])
        #expect(throws: ByteError(field: "s", offset: 0, problem: .tooLong(bytes: 6, limit: 5))) {
            try tight.string("s", maxBytes: 5)
        }
        let latin: [UInt8] = [2, 0x67, 0xfc]
        var broken = ByteReader(latin[...])
        #expect(throws: ByteError(field: "s", offset: 0, problem: .notUTF8)) { try broken.string("s", maxBytes: 5) }
        // A length that no memory could hold is refused before anything is taken.
        var huge = ByteWriter()
        huge.varint(.max)
        var liar = ByteReader(huge.bytes[...])
        #expect(throws: ByteError(field: "s", offset: 0, problem: .tooLong(bytes: .max, limit: 128))) {
            try liar.string("s", maxBytes: 128)
        }
    }

    @Test(arguments: [("grüß", 3, "gr"), ("grüß", 4, "grü"), ("abc", 3, "abc"), ("e\u{301}x", 2, ""), ("", 0, "")])
    func `a text that is too long is cut at a character`(text: String, limit: Int, cut: String) throws {
        var writer = ByteWriter()
        writer.string(text, maxBytes: limit)
        var reader = ByteReader(writer.bytes[...])
        #expect(try reader.string("s", maxBytes: limit) == cut)
    }

    @Test func `one value for each class is read and changed in place`() {
        var values = PerClass<String> { $0.description }
        for name in TrafficClass.allCases {
            #expect(values[name] == name.description)
            values[name] += "!"
        }
        #expect(values == PerClass(control: "control!", health: "health!", metrics: "metrics!", logs: "logs!"))
    }
}
