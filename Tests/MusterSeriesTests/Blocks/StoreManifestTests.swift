import MusterSeries
import Testing

struct StoreManifestTests {
    static func sample() -> StoreManifest {
        var manifest = StoreManifest()
        manifest.parts = [
            StoreManifest.Part(number: 3, bytes: 1_000, from: -5, to: 10, level: 2),
            StoreManifest.Part(number: .max, bytes: .max, from: .min, to: .max, level: 0),
        ]
        manifest.catalogue = StoreManifest.File(number: 4, bytes: 300)
        manifest.replayFrom = StoreManifest.LogPlace(segment: 9, offset: 4_096)
        manifest.appliedThrough = StoreManifest.LogPlace(segment: 10, offset: 5_000)
        manifest.nextFile = 6
        manifest.nextGroup = 70_000
        return manifest
    }

    @Test func aManifestComesBack() throws {
        for manifest in [Self.sample(), StoreManifest()] {
            #expect(try StoreManifest(decoding: try manifest.encode()[...]) == manifest)
        }
    }

    @Test func aNewerManifestIsRefusedWithBothVersions() throws {
        var bytes = try Self.sample().encode()
        bytes[0] = 2
        #expect(throws: FormatError.newerFormat(what: "the manifest", version: 2, known: 1)) {
            try StoreManifest(decoding: bytes[...])
        }
    }

    @Test func aManifestCutOffAnywhereOrWithMoreBehindItIsRefused() throws {
        let bytes = try Self.sample().encode()
        for count in 0..<bytes.count {
            #expect(throws: FormatError.self) { try StoreManifest(decoding: bytes.prefix(count)) }
        }
        #expect(throws: FormatError.self) { try StoreManifest(decoding: (bytes + [0])[...]) }
    }

    @Test func whatIsBeyondALimitIsRefused() {
        var manifest = StoreManifest()
        manifest.parts = Array(repeating: Self.sample().parts[0], count: StoreManifest.maxParts + 1)
        #expect(throws: FormatError.self) { try manifest.encode() }
    }

    @Test func aLogReadAgainFromBehindItsSamplesIsRefused() throws {
        var manifest = Self.sample()
        manifest.appliedThrough = manifest.replayFrom
        #expect(try StoreManifest(decoding: try manifest.encode()[...]) == manifest)
        manifest.appliedThrough.offset -= 1
        #expect(throws: FormatError.self) { try manifest.encode() }
        var bytes = try Self.sample().encode()
        try #require(bytes[8] == 10, "the segment of the place up to which samples are in parts")
        bytes[8] = 8
        #expect { try StoreManifest(decoding: bytes[...]) } throws: { error in
            guard case .damaged? = error as? FormatError else { return false }
            return true
        }
    }

    @Test func placesInTheLogAreInOrder() {
        let place = { StoreManifest.LogPlace(segment: $0, offset: $1) }
        #expect(place(1, 9) < place(2, 0) && place(2, 0) < place(2, 1) && !(place(2, 1) < place(2, 1)))
    }

    /// Written down when the format was made: a change of these bytes is a change of the format and needs a version.
    @Test func theBytesOfFormatOneStayAsTheyAre() throws {
        var manifest = Self.sample()
        manifest.parts.removeLast()
        let golden: [UInt8] = [
            1, 6, 0xf0, 0xa2, 0x04,  // version, next file, next group
            9, 0x80, 0x20, 10, 0x88, 0x27,  // replay from, applied through
            4, 0xac, 0x02,  // catalogue
            1, 3, 0xe8, 0x07, 9, 15, 2,  // one part: number, bytes, from, length, level
        ]
        #expect(try manifest.encode() == golden)
    }
}
