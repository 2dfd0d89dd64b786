import MusterHost
import MusterModel
import Testing

@Suite struct ProcCollectorTests {
    private let host = HostFixture()

    @Test func statGivesSecondsByCPUAndMode() {
        host.write(
            "proc/stat",
            """
            cpu  300 0 0 0 0 0 0 0 0 0
            cpu0 101 2 3 4000 5 6 7 8 9 10
            cpu17 200 0 0 0 0 0 0 0 0 0
            intr 99 1 2 3
            ctxt 12345678901
            btime 1795209827
            processes 6721
            procs_running 3
            procs_blocked 1
            softirq 5 1 2

            """)
        var ticker = Ticker(host.options(.stat))
        let samples = ticker.tick()
        #expect(samples["node_cpu_seconds_total{cpu=\"0\",mode=\"user\"}"] == 1.01)
        #expect(samples["node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}"] == 40)
        #expect(samples["node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"}"] == 0.08)
        #expect(samples["node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"}"] == 0.09)
        #expect(samples["node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"}"] == 0.1)
        #expect(samples["node_cpu_seconds_total{cpu=\"17\",mode=\"user\"}"] == 2)
        #expect(samples["node_intr_total"] == 99)
        #expect(samples["node_context_switches_total"] == 12_345_678_901)
        #expect(samples["node_boot_time_seconds"] == 1_795_209_827)
        #expect(samples["node_forks_total"] == 6_721)
        #expect(samples["node_procs_running"] == 3)
        #expect(samples["node_procs_blocked"] == 1)
        #expect(samples.count == 26)
    }

    @Test func aMachineWith256CPUsIsMeasuredWithoutNewSeriesOnTheSecondTick() {
        let lines = (0..<256).map { "cpu\($0) \($0) 1 2 3 4 5 6 7 8 9\n" }.joined()
        let interrupts = "intr 5" + String(repeating: " 0", count: 60_000) + "\n"
        host.write("proc/stat", "cpu  1 1 1 1\n" + lines + interrupts + "ctxt 7\n")
        var ticker = Ticker(host.options(.stat))
        let samples = ticker.tick()
        #expect(samples.count == 256 * 10 + 2)
        #expect(samples["node_cpu_seconds_total{cpu=\"255\",mode=\"user\"}"] == 2.55)
        #expect(samples["node_context_switches_total"] == 7)
        let again = ticker.tick()
        #expect(again == samples)
        #expect(ticker.table.started.isEmpty && ticker.table.ended.isEmpty)
    }

    @Test func idleTimeNeverStepsBackByRoundingButACPUMayComeBack() {
        let idle = "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}"
        host.write("proc/stat", "cpu0 0 0 0 5000 0 0 0 0 0 0\n")
        var ticker = Ticker(host.options(.stat))
        #expect(ticker.tick()[idle] == 50)
        host.write("proc/stat", "cpu0 0 0 0 4999 0 0 0 0 0 0\n")
        #expect(ticker.tick()[idle] == 50)
        host.write("proc/stat", "cpu0 0 0 0 100 0 0 0 0 0 0\n")
        #expect(ticker.tick()[idle] == 1)
    }

    @Test func aCPUThatIsTakenAwayEndsAndComesBackInItsPlace() {
        let three = "cpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 2 2 2 2 2 2 2 2 2 2\ncpu2 3 3 3 3 3 3 3 3 3 3\n"
        host.write("proc/stat", three)
        var ticker = Ticker(host.options(.stat))
        #expect(ticker.tick().count == 30)
        host.write("proc/stat", "cpu0 1 1 1 1 1 1 1 1 1 1\ncpu2 4 3 3 3 3 3 3 3 3 3\n")
        let samples = ticker.tick()
        #expect(samples.count == 20)
        #expect(ticker.table.ended.count == 10)
        #expect(ticker.table.ended.allSatisfy { ticker.table.labels($0)["cpu"] == "1" })
        #expect(samples["node_cpu_seconds_total{cpu=\"2\",mode=\"user\"}"] == 0.04)
        host.write("proc/stat", three)
        let back = ticker.tick()
        #expect(back.count == 30)
        #expect(ticker.table.started.count == 10)
        #expect(back["node_cpu_seconds_total{cpu=\"1\",mode=\"user\"}"] == 0.02)
    }

    @Test func meminfoNamesItsFieldsAsNodeExporterDoes() {
        host.write(
            "proc/meminfo",
            "MemTotal:       49368196 kB\nActive(anon):     12 kB\nHugePages_Total:       3\nHugepagesize:       2048 kB\n"
        )
        var ticker = Ticker(host.options(.meminfo))
        #expect(
            ticker.tick() == [
                "node_memory_MemTotal_bytes": 49_368_196 * 1_024, "node_memory_Active_anon_bytes": 12_288,
                "node_memory_HugePages_Total": 3, "node_memory_Hugepagesize_bytes": 2_097_152,
            ])
        // A field the kernel no longer has ends.
        host.write("proc/meminfo", "MemTotal:       49368196 kB\n")
        #expect(ticker.tick().count == 1)
        #expect(ticker.table.ended.count == 3)
    }

    @Test func vmstatKeepsTheDefaultFields() {
        host.write(
            "proc/vmstat",
            "nr_free_pages 9\npgpgin 1\npgpgout 2\npswpin 3\npswpout 4\npgfault 5\npgmajfault 6\noom_kill 7\nthp_fault_alloc 8\n"
        )
        var ticker = Ticker(host.options(.vmstat))
        let samples = ticker.tick()
        #expect(
            samples == [
                "node_vmstat_pgpgin": 1, "node_vmstat_pgpgout": 2, "node_vmstat_pswpin": 3, "node_vmstat_pswpout": 4,
                "node_vmstat_pgfault": 5, "node_vmstat_pgmajfault": 6, "node_vmstat_oom_kill": 7,
            ])
    }

    @Test func loadAndFileHandles() {
        var ticker = Ticker(host.options(.loadavg, .filefd))
        #expect(
            ticker.tick() == [
                "node_load1": 0.05, "node_load5": 1.1, "node_load15": 12, "node_filefd_allocated": 64,
                "node_filefd_maximum": 9_223_372_036_854_775_808,
            ])
    }

    @Test func pressureIsWaitingAndStalledAndTheCPUOnlyWaits() {
        for (name, total) in [("cpu", 7_662_696), ("io", 24_517_162), ("memory", 3)] {
            host.write(
                "proc/pressure/\(name)",
                "some avg10=0.00 avg60=0.03 avg300=0.41 total=\(total)\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n"
            )
        }
        var ticker = Ticker(host.options(.pressure))
        #expect(
            ticker.tick() == [
                "node_pressure_cpu_waiting_seconds_total": 7.662696,
                "node_pressure_io_waiting_seconds_total": 24.517162,
                "node_pressure_io_stalled_seconds_total": 1, "node_pressure_memory_waiting_seconds_total": 0.000003,
                "node_pressure_memory_stalled_seconds_total": 1,
            ])
    }

    @Test func whatAKernelWasBuiltWithoutIsNoError() {
        var ticker = Ticker(host.options(.pressure, .sockstat, .softnet, .conntrack))
        #expect(ticker.tick().isEmpty)
        for name in [CollectorName.pressure, .sockstat, .softnet, .conntrack] { #expect(ticker.errors(name) == 0) }
    }

    @Test func aMissingFileIsCountedAndCostsOnlyItsOwnSeries() {
        var ticker = Ticker(host.options(.loadavg, .meminfo))
        host.remove("proc/meminfo")
        #expect(ticker.tick().keys.sorted() == ["node_load1", "node_load15", "node_load5"])
        #expect(ticker.errors(.meminfo) == 1)
        #expect(ticker.errors(.loadavg) == 0)
        _ = ticker.tick()
        #expect(ticker.errors(.meminfo) == 2)
        #expect(ticker.failure(.meminfo).contains("No such file"))
        host.write("proc/meminfo", "MemTotal: 1 kB\n")
        #expect(ticker.tick()["node_memory_MemTotal_bytes"] == 1_024)
        #expect(ticker.collectors.failures.isEmpty)
    }

    @Test func aFileThatMakesNoSenseIsCountedAndEndsTheSeries() {
        var ticker = Ticker(host.options(.loadavg, .stat, .netdev, .diskstats))
        _ = ticker.tick()
        let garbage = "\u{0}\u{1}: ::: - . 0x 18446744073709551616 -9 \n\n \t\n:"
        for path in ["proc/loadavg", "proc/stat", "proc/diskstats", "proc/net/dev"] { host.write(path, garbage) }
        _ = ticker.tick()
        #expect(ticker.errors(.loadavg) == 1)
        #expect(ticker.errors(.stat) == 1)
        #expect(ticker.errors(.diskstats) == 1)
        #expect(ticker.table.ended.count >= 3)
        for path in ["proc/loadavg", "proc/stat", "proc/diskstats", "proc/net/dev"] { host.write(path, "") }
        _ = ticker.tick()
        #expect(ticker.errors(.loadavg) == 2)
    }

    @Test func aFileLongerThanTheLimitIsRefused() {
        host.write("proc/loadavg", String(repeating: "1", count: (4 << 20) + 1))
        var ticker = Ticker(host.options(.loadavg))
        #expect(ticker.tick().isEmpty)
        #expect(ticker.failure(.loadavg).contains("longer than the 4194304 bytes"))
    }

    @Test func processesAreCountedByState() {
        func stat(_ pid: Int, _ name: String, _ state: String, threads: Int) -> String {
            "\(pid) (\(name)) \(state) " + (4...19).map(String.init).joined(separator: " ") + " \(threads) 21 22 23\n"
        }
        host.write("proc/1/stat", stat(1, "init", "S", threads: 1))
        host.write("proc/77/stat", stat(77, "a ) S (b", "R", threads: 5))
        host.write("proc/78/stat", "78 (cut")
        host.write("proc/79/other", "vanished between listing and reading")
        var ticker = Ticker(host.options(.processes))
        #expect(
            ticker.tick() == [
                "node_processes_pids": 2, "node_processes_threads": 6, "node_processes_max_processes": 32_768,
                "node_processes_max_threads": 1_000, "node_processes_state{state=\"S\"}": 1,
                "node_processes_state{state=\"R\"}": 1,
            ])
        host.remove("proc/77")
        #expect(ticker.tick()["node_processes_state{state=\"R\"}"] == 0)
        #expect(ticker.errors(.processes) == 0)
    }
}
