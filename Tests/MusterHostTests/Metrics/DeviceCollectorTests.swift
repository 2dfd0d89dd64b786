import MusterHost
import MusterModel
import Testing

@Suite struct DeviceCollectorTests {
    private let host = HostFixture()

    @Test func disksHaveNodeExportersNamesAndUnits() {
        host.write(
            "proc/diskstats",
            "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
                + " 254       0 vda 30121 6796 4862962 36313 12097 12814 1464632 5352 2 16940 43079 1165 3 301576 1375 1868 38\n"
                + " 254       1 vda1 1 1 1 1 1 1 1 1 1 1 1\n 104       0 cciss/c0d0 1 2 3 4 5 6 7 8 9 10 11\n")
        host.write("udev/b254:0", "S:disk/by-id/x\nE:ID_MODEL=Fast Disk\nE:ID_SERIAL_SHORT=A=1\nE:ID_WWN=0x5\n")
        var ticker = Ticker(host.options(.diskstats))
        let samples = ticker.tick()
        func vda(_ name: String) -> Double? { samples["node_disk_\(name){device=\"vda\"}"] }
        #expect(vda("reads_completed_total") == 30_121)
        #expect(vda("read_bytes_total") == 4_862_962.0 * 512)
        #expect(vda("read_time_seconds_total") == 36.313)
        #expect(vda("written_bytes_total") == 1_464_632.0 * 512)
        #expect(vda("io_now") == 2)
        #expect(vda("io_time_weighted_seconds_total") == 43.079)
        #expect(vda("discarded_sectors_total") == 301_576)
        #expect(vda("flush_requests_time_seconds_total") == 0.038)
        let info =
            "node_disk_info{device=\"vda\",major=\"254\",minor=\"0\",model=\"Fast Disk\",path=\"\","
            + "revision=\"\",serial=\"A=1\",wwn=\"0x5\"}"
        #expect(samples[info] == 1)
        // An older kernel has eleven columns; a partition and a loop device are left out.
        #expect(samples["node_disk_io_now{device=\"cciss/c0d0\"}"] == 9)
        #expect(samples["node_disk_flush_requests_total{device=\"cciss/c0d0\"}"] == nil)
        #expect(samples.count == 18 + 12)
    }

    @Test(arguments: [
        ("ram0", true), ("loop12", true), ("fd0", true), ("sda1", true), ("hdb12", true), ("vdz9", true),
        ("xvda1", true), ("nvme0n1p1", true), ("nvme10n2p13", true), ("sda", false), ("sdaa1", false),
        ("nvme0n1", false), ("nvmep1", false), ("nvmen1p1", false), ("dm-0", false), ("md0", false),
        ("mmcblk0p1", false),
        ("sr0", false), ("", false), ("7", false), ("loop", false), ("xvd1", false), ("zram0", false),
    ])
    func theDefaultExclusionIsNodeExporters(_ device: String, _ isExcluded: Bool) {
        #expect(HostCollectorOptions().isDiskExcluded(device) == isExcluded)
    }

    @Test func aDiskThatIsPulledEndsAndAnotherUnderItsNameStarts() {
        host.write("proc/diskstats", " 8 0 sda 1 1 1 1 1 1 1 1 1 1 1\n 8 16 sdb 2 2 2 2 2 2 2 2 2 2 2\n")
        var ticker = Ticker(host.options(.diskstats))
        #expect(ticker.tick().count == 24)
        host.write("proc/diskstats", " 8 16 sdb 3 3 3 3 3 3 3 3 3 3 3\n")
        #expect(ticker.tick().count == 12)
        #expect(ticker.table.ended.count == 12)
        host.write(
            "proc/diskstats",
            " 8 16 sdb 4 4 4 4 4 4 4 4 4 4 4\n 8 0 sda 9 9 9 9 9 9 9 9 9 9 9\n 8 32 sdc 1 1 1 1 1 1 1 1 1 1 1\n")
        let samples = ticker.tick()
        #expect(samples.count == 36)
        #expect(samples["node_disk_io_now{device=\"sda\"}"] == 9)
        #expect(samples["node_disk_io_now{device=\"sdb\"}"] == 4)
        #expect(ticker.table.started.count == 24)
        #expect(ticker.tick().count == 36)
        #expect(ticker.table.started.isEmpty)
    }

    @Test func aCounterThatWrappedIsGivenAsTheKernelGivesIt() {
        let reads = "node_disk_reads_completed_total{device=\"sda\"}"
        host.write("proc/diskstats", " 8 0 sda 4294967295 1 1 1 1 1 1 1 1 1 1\n")
        var ticker = Ticker(host.options(.diskstats))
        #expect(ticker.tick()[reads] == 4_294_967_295)
        host.write("proc/diskstats", " 8 0 sda 3 1 1 1 1 1 1 1 1 1 1\n")
        #expect(ticker.tick()[reads] == 3)
        host.write("proc/diskstats", " 8 0 sda 18446744073709551615 1 1 1 1 1 1 1 1 1 1\n")
        #expect(ticker.tick()[reads] == 18_446_744_073_709_551_616)
        // More than 64 bits is no number of the kernel, and no reason to stop.
        host.write("proc/diskstats", " 8 0 sda 184467440737095516150 1 1 1 1 1 1 1 1 1 1\n")
        #expect(ticker.tick()[reads] == 1.8446744073709552e20)
    }

    @Test func interfacesMayHaveAnyNameAndTouchTheirNumbers() {
        let numbers = (1...16).map(String.init).joined(separator: " ")
        host.write(
            "proc/net/dev",
            "Inter-|   Receive\n face |bytes\n  eth0:\(numbers)\neth0:1: \(numbers)\n br-lan.100@if3: \(numbers)\n"
                + " \"quoted\\: \(numbers)\n")
        host.write("sys/class/net/eth0/statistics/rx_nohandler", "42\n")
        var ticker = Ticker(host.options(.netdev))
        let samples = ticker.tick()
        #expect(samples.count == 4 * 16 + 1)
        #expect(samples["node_network_receive_bytes_total{device=\"eth0\"}"] == 1)
        #expect(samples["node_network_transmit_compressed_total{device=\"eth0:1\"}"] == 16)
        #expect(samples["node_network_receive_multicast_total{device=\"br-lan.100@if3\"}"] == 8)
        #expect(samples["node_network_transmit_bytes_total{device=\"\\\"quoted\\\\\"}"] == 9)
        #expect(samples["node_network_receive_nohandler_total{device=\"eth0\"}"] == 42)
    }

    @Test func anInterfaceThatIsExcludedOrRemovedIsNotMeasured() {
        let line = { (name: String) in " \(name): " + (1...16).map(String.init).joined(separator: " ") + "\n" }
        host.write("proc/net/dev", line("lo") + line("veth1") + line("eth0"))
        host.write("sys/class/net/veth1/statistics/rx_nohandler", "1\n")
        var options = host.options(.netdev)
        options.netDevicesExcluded = ["lo"]
        var ticker = Ticker(options)
        #expect(ticker.tick().count == 33)
        host.write("proc/net/dev", line("lo") + line("eth0"))
        #expect(ticker.tick().count == 16)
        #expect(ticker.table.ended.count == 17)
        #expect(ticker.errors(.netdev) == 0)
    }

    @Test func sockstatGivesEveryPairAndMemoryInBytesToo() {
        host.write(
            "proc/net/sockstat",
            "sockets: used 17\nTCP: inuse 1 orphan 0 tw 2 alloc 1 mem 265\nFRAG: inuse 0 memory 3\n")
        host.write("proc/net/sockstat6", "TCP6: inuse 4\n")
        var ticker = Ticker(host.options(.sockstat))
        let samples = ticker.tick()
        #expect(samples["node_sockstat_sockets_used"] == 17)
        #expect(samples["node_sockstat_TCP_mem"] == 265)
        #expect(samples["node_sockstat_TCP_mem_bytes"] == 1_085_440)
        #expect(samples["node_sockstat_FRAG_memory"] == 3)
        #expect(samples["node_sockstat_TCP6_inuse"] == 4)
        #expect(samples.count == 10)
    }

    @Test func netstatKeepsTheDefaultFieldsAndFollowsTheNamesLine() {
        host.write(
            "proc/net/netstat",
            "TcpExt: SyncookiesSent EmbryonicRsts ListenDrops TCPTimeouts\nTcpExt: 1 2 3 4\nIpExt: InNoRoutes InOctets\nIpExt: 5 6\n"
        )
        host.write("proc/net/snmp", "Tcp: RtoMin MaxConn InErrs\nTcp: 200 -1 9\nUdpLite: InErrors\nUdpLite: 8\n")
        host.write("proc/net/snmp6", "Ip6InReceives   1\nIp6InOctets  2\nUdpLite6InErrors 3\nIcmp6OutMsgs 4\n")
        var ticker = Ticker(host.options(.netstat))
        #expect(
            ticker.tick() == [
                "node_netstat_TcpExt_SyncookiesSent": 1, "node_netstat_TcpExt_ListenDrops": 3,
                "node_netstat_TcpExt_TCPTimeouts": 4, "node_netstat_IpExt_InOctets": 6, "node_netstat_Tcp_InErrs": 9,
                "node_netstat_UdpLite_InErrors": 8, "node_netstat_Ip6_InOctets": 2,
                "node_netstat_UdpLite6_InErrors": 3, "node_netstat_Icmp6_OutMsgs": 4,
            ])
        host.write("proc/net/snmp", "Tcp: InErrs RtoMin\nTcp: 11 200\n")
        let samples = ticker.tick()
        #expect(samples["node_netstat_Tcp_InErrs"] == 11)
        #expect(samples["node_netstat_UdpLite_InErrors"] == nil)
    }

    @Test func softnetAndConntrackAreRead() {
        host.write("proc/net/softnet_stat", "0000000a 00000001 000000ff 0\nffffffff 0 0 0\n")
        host.write("proc/sys/net/netfilter/nf_conntrack_count", "12\n")
        host.write("proc/sys/net/netfilter/nf_conntrack_max", "262144\n")
        var ticker = Ticker(host.options(.softnet, .conntrack))
        let samples = ticker.tick()
        #expect(samples["node_softnet_processed_total{cpu=\"0\"}"] == 10)
        #expect(samples["node_softnet_times_squeezed_total{cpu=\"0\"}"] == 255)
        #expect(samples["node_softnet_processed_total{cpu=\"1\"}"] == 4_294_967_295)
        #expect(samples["node_nf_conntrack_entries"] == 12)
        #expect(samples["node_nf_conntrack_entries_limit"] == 262_144)
        host.write("proc/net/softnet_stat", "0000000b 00000001 000000ff 0\n")
        #expect(ticker.tick().count == 5)
    }

    @Test func interfaceSettingsFollowTheInterface() {
        let folder = "sys/class/net/eth0/"
        for (name, value) in [
            ("ifindex", "2"), ("mtu", "1500"), ("flags", "0x1003"), ("speed", "1000"), ("carrier", "1"),
            ("operstate", "up"), ("address", "02:00:00:00:00:01"),
        ] { host.write(folder + name, value + "\n") }
        host.write("sys/class/net/bonding_masters", "bond0\n")
        var ticker = Ticker(host.options(.netclass))
        let samples = ticker.tick()
        #expect(samples["node_network_up{device=\"eth0\"}"] == 1)
        #expect(samples["node_network_mtu_bytes{device=\"eth0\"}"] == 1_500)
        #expect(samples["node_network_flags{device=\"eth0\"}"] == 4_099)
        #expect(samples["node_network_speed_bytes{device=\"eth0\"}"] == 125_000_000)
        #expect(samples.keys.filter { $0.hasPrefix("node_network_info") && $0.contains("operstate=\"up\"") }.count == 1)
        host.write(folder + "operstate", "down\n")
        host.write(folder + "speed", "-1\n")
        let down = ticker.tick()
        #expect(down["node_network_up{device=\"eth0\"}"] == 0)
        #expect(down["node_network_speed_bytes{device=\"eth0\"}"] == -125_000)
        // The series with the old state.
        #expect(ticker.table.ended.count == 1)
        host.remove(folder + "carrier")
        #expect(ticker.tick()["node_network_carrier{device=\"eth0\"}"] == nil)
        host.remove("sys/class/net/eth0")
        #expect(ticker.tick().isEmpty)
        #expect(ticker.errors(.netclass) == 0)
    }

    @Test func interfacesAboveTheLimitAreLeftOutAndCounted() {
        for number in 0...128 { host.write("sys/class/net/d\(100 + number)/ifindex", "\(number)\n") }
        var ticker = Ticker(host.options(.netclass))
        #expect(ticker.tick().filter { $0.key.hasPrefix("node_network_up") }.count == 128)
        #expect(ticker.errors(.netclass) == 1)
        #expect(ticker.tick().filter { $0.key.hasPrefix("node_network_up") }.count == 128)
    }
}
