import MusterHost
import MusterModel
import Testing

@Suite struct ContainerCollectorTests {
    private static let id = "4f1e" + String(repeating: "0a", count: 30)
    private let host = HostFixture()
    private let target = ContainerTarget(
        id: id, name: "web-1", image: "nginx:1.27", pid: 4242, labels: ["service": "web"])

    /// The spelling of one of the container's series; `extra` goes where its name sorts.
    private func series(_ name: String, _ path: String, _ extra: (String, String)...) -> String {
        let own = [("__name__", name), ("id", path), ("image", "nginx:1.27"), ("name", "web-1"), ("service", "web")]
        return Labels(own + extra).description
    }

    private func process(_ cgroup: String) {
        host.write("proc/4242/cgroup", cgroup)
        host.write(
            "proc/4242/stat", "4242 (nginx) S " + (4...19).map(String.init).joined(separator: " ") + " 1 0 5000 0\n")
        host.write(
            "proc/4242/net/dev",
            "Inter-|\n face |\n    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
        )
        host.link("sys/dev/block/254:0", to: "../../devices/virtio/block/vda")
    }

    private func versionTwo(_ path: String) {
        host.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n")
        process("0::\(path)\n")
        let folder = "sys/fs/cgroup\(path)/"
        for (name, text) in [
            (
                "cpu.stat",
                "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 2\nthrottled_usec 250000\n"
            ),
            ("memory.current", "1000000\n"), ("memory.max", "max\n"), ("memory.peak", "2000000\n"),
            (
                "memory.stat",
                "anon 400000\nfile 500000\nkernel 1\nfile_mapped 70000\ninactive_anon 3\ninactive_file 300000\n"
            ),
            ("memory.events", "low 0\nhigh 0\nmax 6\noom 1\noom_kill 1\n"), ("memory.swap.current", "8192\n"),
            ("pids.current", "7\n"), ("pids.max", "max\n"), ("cgroup.procs", "4242\n4243\n4244\n"),
            ("cpu.max", "50000 100000\n"), ("cpu.weight", "100\n"),
            ("io.stat", "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:0 \n"),
        ] { host.write(folder + name, text) }
    }

    private func versionOne(_ path: String, cpu: String = "cpu,cpuacct") {
        process(
            "12:memory:\(path)\n11:\(cpu):\(path)\n5:blkio:\(path)\n4:pids:\(path)\n1:name=systemd:\(path)\n0::/\n")
        let root = "sys/fs/cgroup/"
        for (name, text) in [
            ("\(cpu)\(path)/cpuacct.usage", "2500000000\n"), ("\(cpu)\(path)/cpuacct.stat", "user 150\nsystem 75\n"),
            ("\(cpu)\(path)/cpu.stat", "nr_periods 4\nnr_throttled 1\nthrottled_time 1500000000\n"),
            ("\(cpu)\(path)/cpu.cfs_quota_us", "-1\n"), ("\(cpu)\(path)/cpu.cfs_period_us", "100000\n"),
            ("\(cpu)\(path)/cpu.shares", "1024\n"), ("\(cpu)\(path)/cgroup.procs", "4242\n"),
            ("memory\(path)/memory.usage_in_bytes", "100\n"),
            (
                "memory\(path)/memory.stat",
                "cache 1\nrss 2\ntotal_cache 60\ntotal_rss 30\ntotal_mapped_file 5\ntotal_swap 4\ntotal_inactive_file 150\n"
            ),
            ("memory\(path)/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory\(path)/memory.max_usage_in_bytes", "200\n"), ("memory\(path)/memory.failcnt", "3\n"),
            ("memory\(path)/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ("pids\(path)/pids.current", "11\n"), ("pids\(path)/pids.max", "100\n"),
            (
                "blkio\(path)/blkio.throttle.io_service_bytes",
                "254:0 Read 4096\n254:0 Write 512\n254:0 Sync 1\n254:0 Total 4608\nTotal 4608\n"
            ),
            ("blkio\(path)/blkio.throttle.io_serviced", "254:0 Read 8\n254:0 Write 9\nTotal 17\n"),
        ] { host.write(root + name, text) }
    }

    private func ticker(_ targets: [ContainerTarget]? = nil) -> Ticker {
        var ticker = Ticker(host.options(.container))
        ticker.collectors.containersListed(targets ?? [target])
        return ticker
    }

    @Test(arguments: ["/docker/\(id)", "/system.slice/docker-\(id).scope", "/kubepods.slice/pod1/cri-\(id).scope"])
    func versionTwoIsReadUnderCAdvisorsNames(_ path: String) {
        versionTwo(path)
        var ticker = ticker()
        let samples = ticker.tick()
        func value(_ name: String) -> Double? { samples[series("container_" + name, path)] }
        #expect(samples[series("container_cpu_usage_seconds_total", path, ("cpu", "total"))] == 1.5)
        #expect(value("cpu_user_seconds_total") == 1)
        #expect(value("cpu_system_seconds_total") == 0.5)
        #expect(value("cpu_cfs_periods_total") == 10)
        #expect(value("cpu_cfs_throttled_periods_total") == 2)
        #expect(value("cpu_cfs_throttled_seconds_total") == 0.25)
        #expect(value("memory_usage_bytes") == 1_000_000)
        #expect(value("memory_working_set_bytes") == 700_000)
        #expect(value("memory_rss") == 400_000)
        #expect(value("memory_cache") == 500_000)
        #expect(value("memory_mapped_file") == 70_000)
        #expect(value("memory_swap") == 8_192)
        #expect(value("memory_max_usage_bytes") == 2_000_000)
        #expect(value("spec_memory_limit_bytes") == 0)
        #expect(value("oom_events_total") == 1)
        #expect(value("threads") == 7)
        #expect(value("threads_max") == 0)
        #expect(value("processes") == 3)
        #expect(value("spec_cpu_quota") == 50_000)
        #expect(value("spec_cpu_period") == 100_000)
        #expect(value("spec_cpu_shares") == 2_597)
        #expect(value("last_seen") == Double(ticker.now.seconds))
        #expect(value("start_time_seconds") == 1_050)
        // Its counters count since then.
        #expect(ticker.table.starts["container_cpu_usage_seconds_total"] == 1_050_000)
        #expect(ticker.table.starts["container_memory_rss"] == nil)
        #expect(samples[series("container_fs_reads_bytes_total", path, ("device", "/dev/vda"))] == 4_096)
        #expect(samples[series("container_fs_writes_total", path, ("device", "/dev/vda"))] == 2)
        #expect(samples[series("container_network_receive_bytes_total", path, ("interface", "eth0"))] == 1)
        #expect(samples[series("container_network_receive_errors_total", path, ("interface", "eth0"))] == 3)
        #expect(samples[series("container_network_transmit_packets_dropped_total", path, ("interface", "eth0"))] == 12)
        #expect(!samples.keys.contains { $0.contains("interface=\"lo\"") })
        #expect(ticker.errors(.container) == 0)
    }

    @Test(arguments: ["cpu,cpuacct", "cpuacct,cpu"])
    func versionOneIsReadUnderTheSameNames(_ cpu: String) {
        let path = "/docker/\(Self.id)"
        versionOne(path, cpu: cpu)
        var ticker = ticker()
        let samples = ticker.tick()
        func value(_ name: String) -> Double? { samples[series("container_" + name, path)] }
        #expect(samples[series("container_cpu_usage_seconds_total", path, ("cpu", "total"))] == 2.5)
        #expect(value("cpu_user_seconds_total") == 1.5)
        #expect(value("cpu_cfs_throttled_seconds_total") == 1.5)
        // More is inactive than used: the working set is empty, never negative.
        #expect(value("memory_working_set_bytes") == 0)
        #expect(value("memory_rss") == 30)
        #expect(value("memory_cache") == 60)
        #expect(value("memory_failcnt") == 3)
        #expect(value("spec_memory_limit_bytes") == 0)
        #expect(value("spec_cpu_quota") == 0)
        #expect(value("spec_cpu_shares") == 1_024)
        #expect(value("oom_events_total") == 2)
        #expect(value("threads") == 11)
        #expect(value("threads_max") == 100)
        #expect(samples[series("container_fs_reads_bytes_total", path, ("device", "/dev/vda"))] == 4_096)
        #expect(samples[series("container_fs_reads_total", path, ("device", "/dev/vda"))] == 8)
        #expect(samples[series("container_fs_writes_total", path, ("device", "/dev/vda"))] == 9)
        #expect(ticker.tick().count < samples.count)
        #expect(ticker.table.started.isEmpty && ticker.table.ended.isEmpty)
    }

    @Test func controllersInTreesOfTheirOwnAreFound() {
        let path = "/docker/\(Self.id)"
        process("2:cpuacct:\(path)\n1:cpu:\(path)\n0::/\n")
        host.write("sys/fs/cgroup/cpuacct\(path)/cpuacct.usage", "1000000000\n")
        host.write("sys/fs/cgroup/cpu\(path)/cpu.stat", "nr_periods 3\n")
        var ticker = ticker()
        let samples = ticker.tick()
        #expect(samples[series("container_cpu_usage_seconds_total", path, ("cpu", "total"))] == 1)
        #expect(samples[series("container_cpu_cfs_periods_total", path)] == 3)
    }

    @Test func onAHybridHostVersionOneSpeaksForItsControllers() {
        let path = "/docker/\(Self.id)"
        versionOne(path)
        host.write("proc/4242/cgroup", "3:cpu,cpuacct:\(path)\n2:memory:\(path)\n0::\(path)\n")
        let folder = "sys/fs/cgroup/unified\(path)/"
        host.write(folder + "cpu.stat", "usage_usec 99000000\n")
        host.write(folder + "pids.current", "5\n")
        var ticker = ticker()
        let samples = ticker.tick()
        #expect(samples[series("container_cpu_usage_seconds_total", path, ("cpu", "total"))] == 2.5)
        #expect(samples[series("container_threads", path)] == 5)
    }

    @Test func aContainerInTheHostsNetworkHasNoInterfacesOfItsOwn() {
        let path = "/docker/\(Self.id)"
        versionTwo(path)
        host.link("proc/4242/ns/net", to: "net:[1]")
        host.link("proc/1/ns/net", to: "net:[1]")
        var ticker = ticker()
        #expect(!ticker.tick().keys.contains { $0.hasPrefix("container_network") })
    }

    @Test func limitsAreReadRarelyAndUsageAlways() {
        let path = "/docker/\(Self.id)"
        versionTwo(path)
        var ticker = ticker()
        let limit = series("container_spec_memory_limit_bytes", path)
        #expect(ticker.tick()[limit] == 0)
        host.write("sys/fs/cgroup\(path)/memory.max", "4096\n")
        host.write("sys/fs/cgroup\(path)/memory.current", "300001\n")
        let second = ticker.tick()
        #expect(second[limit] == nil)
        #expect(second[series("container_memory_working_set_bytes", path)] == 1)
        for _ in 0..<8 { #expect(ticker.tick()[limit] == nil) }
        #expect(ticker.tick()[limit] == 4_096)
    }

    @Test func aContainerThatEndsBetweenListAndReadIsNoError() {
        versionTwo("/docker/\(Self.id)")
        var ticker = ticker()
        let live = ticker.tick().count
        #expect(live > 30)
        host.remove("proc/4242")
        _ = ticker.tick()
        #expect(ticker.table.ended.count == live)
        #expect(ticker.errors(.container) == 0)
        // The caller still lists it: asked again only after ten seconds, and still no error.
        for _ in 0..<25 { #expect(ticker.tick().isEmpty) }
        #expect(ticker.errors(.container) == 0)
        #expect(ticker.collectors.failures.isEmpty)
    }

    @Test func aContainerThatIsGoneBeforeItsFirstReadIsNoError() {
        var ticker = ticker([
            target, ContainerTarget(id: "b", name: "b", image: "b", pid: -1),
            ContainerTarget(id: "c", name: "c", image: "c", pid: Int32.max),
        ])
        for _ in 0..<25 { #expect(ticker.tick().isEmpty) }
        #expect(ticker.errors(.container) == 0)
    }

    @Test func aProcessThatGotTheNumberOfADeadContainerIsNotMeasured() {
        versionTwo("/docker/\(Self.id)")
        host.write("proc/4242/cgroup", "0::/user.slice/session-1.scope\n")
        host.write("sys/fs/cgroup/user.slice/session-1.scope/memory.current", "5\n")
        var ticker = ticker()
        #expect(ticker.tick().isEmpty)
        #expect(ticker.errors(.container) == 0)
    }

    @Test func aContainerThatComesBackIsFoundAgain() {
        let path = "/docker/\(Self.id)"
        versionTwo(path)
        var ticker = ticker()
        let live = ticker.tick().count
        host.remove("proc/4242")
        _ = ticker.tick()
        process("0::\(path)\n")
        var found = 0
        for _ in 0..<11 where found == 0 { found = ticker.tick().count }
        #expect(found == live)
    }

    @Test func aContainerThatIsNoLongerListedEnds() {
        versionTwo("/docker/\(Self.id)")
        var ticker = ticker()
        let live = ticker.tick().count
        ticker.collectors.containersListed([])
        #expect(ticker.tick().isEmpty)
        #expect(ticker.table.ended.count == live)
        // Listed again, also with other labels: its series are new.
        var changed = target
        changed.labels = ["service": "shop"]
        ticker.collectors.containersListed([changed])
        #expect(ticker.tick().count == live)
        ticker.collectors.containersListed([target])
        #expect(ticker.tick().count == live)
        #expect(ticker.table.ended.count == live)
        #expect(ticker.table.started.count == live)
    }

    @Test func moreContainersThanTheLimitAreLeftOutAndCounted() {
        versionTwo("/docker/\(Self.id)")
        let others = (0..<Limits.containersPerHost).map {
            ContainerTarget(id: "x\($0)", name: "x", image: "x", pid: -1)
        }
        var ticker = ticker([target] + others)
        #expect(!ticker.tick().isEmpty)
        #expect(ticker.errors(.container) == 1)
        #expect(ticker.table.ended.isEmpty)
        #expect(!ticker.tick().isEmpty)
    }

    @Test func damagedFilesNeverStopTheOthers() {
        let path = "/docker/\(Self.id)"
        versionTwo(path)
        for name in ["cpu.stat", "memory.stat", "io.stat", "memory.current", "pids.current", "cpu.max", "cpu.weight"] {
            host.write("sys/fs/cgroup\(path)/\(name)", "\u{1}=:\n-\n254:0 rbytes= =5 wbytes=x\n\n max")
        }
        var ticker = ticker()
        #expect(ticker.tick()[series("container_memory_max_usage_bytes", path)] == 2_000_000)
        #expect(ticker.errors(.container) == 0)
    }
}
