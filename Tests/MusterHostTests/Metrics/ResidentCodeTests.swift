import MusterHost
import Testing

struct ResidentCodeTests {
    private static let smaps = """
        55d0c0000000-55d0c1000000 r-xp 0000a000 fe:00 1234                       /usr/bin/muster-agent
        Size:              16384 kB
        Rss:               14000 kB
        Shared_Dirty:          0 kB
        Private_Dirty:         0 kB
        Anonymous:             0 kB
        VmFlags: rd ex mr mw me
        55d0c1000000-55d0c1100000 r--p 0100a000 fe:00 1234                       /usr/bin/muster-agent
        Rss:                 600 kB
        Shared_Dirty:          0 kB
        Private_Dirty:       600 kB
        Anonymous:           600 kB
        VmFlags: rd mr mw me ac
        55d0c1100000-55d0c1200000 rw-p 0110a000 fe:00 1234                       /usr/bin/muster-agent
        Rss:                 100 kB
        Shared_Dirty:          0 kB
        Private_Dirty:         0 kB
        Anonymous:             0 kB
        VmFlags: rd wr mr mw me ac
        7f0000000000-7f0000100000 r--p 00000000 00:00 0
        Rss:                 100 kB
        VmFlags: rd mr mw me
        7f0000100000-7f0000200000 r--p 00000000 fe:00 99                         /usr/lib/libc.so.6
        Rss:                   0 kB
        Shared_Dirty:          0 kB
        Private_Dirty:         0 kB
        Anonymous:             0 kB
        VmFlags: rd mr mw me
        7ffc00000000-7ffc00021000 r-xp 00000000 00:00 0                          [vdso]
        Rss:                   4 kB
        VmFlags: rd ex mr mw me de
        """

    @Test func onlyUnchangedPagesOfFilesAreGivenBack() {
        #expect(
            ResidentCode.cleanMappings(Self.smaps) == [
                ResidentCode.Mapping(range: 0x55d0_c000_0000..<0x55d0_c100_0000, residentBytes: 14_000 << 10)
            ])
    }

    @Test func theProcessGoesOnWithLess() {
        let before = ProcessUsage.residentBytes
        #expect(ResidentCode.giveBack() > 1 << 20)
        #expect(ProcessUsage.residentBytes < before)
    }
}
