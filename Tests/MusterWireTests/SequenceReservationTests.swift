import MusterModel
import MusterWire
import Testing

struct SequenceReservationTests {
    @Test func `a ceiling is persisted before the first number of each batch`() throws {
        var numbers = try SequenceReservation(persistedCeiling: 0, batch: 3)
        #expect(numbers.nextUnused == 1)
        let expected: [(UInt64, UInt64?)] = [(1, 3), (2, nil), (3, nil), (4, 6), (5, nil), (6, nil), (7, 9)]
        for (sequence, ceiling) in expected {
            let next = numbers.next()
            #expect(next.sequence == sequence)
            #expect(next.persistCeiling == ceiling)
        }
        #expect(numbers.nextUnused == 8)
    }

    @Test(arguments: 0..<20)
    func `no number is handed out twice across crashes`(seed: UInt64) throws {
        var chance = SeededGenerator(seed: seed)
        var disk: UInt64 = 0
        var last: UInt64 = 0
        for _ in 0..<50 {
            var numbers = try SequenceReservation(persistedCeiling: disk, batch: 8)
            for _ in 0..<Int.random(in: 0...30, using: &chance) {
                let next = numbers.next()
                if let ceiling = next.persistCeiling { disk = ceiling }
                #expect(next.sequence > last)
                #expect(next.sequence <= disk, "a number above what is on the disk could come again")
                last = next.sequence
            }
        }
    }

    @Test func `a batch of nothing still reserves`() throws {
        var numbers = try SequenceReservation(persistedCeiling: 5, batch: 0)
        let next = numbers.next()
        #expect(next.sequence == 6)
        #expect(next.persistCeiling == 6)
        #expect(numbers.nextUnused == 7)
    }

    @Test(arguments: [UInt64.max, WireLimits.sequenceCeiling, WireLimits.sequenceCeiling / 2 + 1])
    func `a ceiling that only damage can have written is refused`(ceiling: UInt64) {
        #expect(throws: WireError.sequencesExhausted(ceiling: ceiling)) {
            try SequenceReservation(persistedCeiling: ceiling)
        }
    }
}
