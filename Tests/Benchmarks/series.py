"""The series of a fleet as node_exporter would give them, made from a seed: the same on every machine.

Every host has the same 500 series with some ten labels each; 30 % of them move, others on each host. Counters rise by
whole numbers, gauges wander with decimals.
"""

import random
import struct

SERIES = 500
MOVING = 150
JOB = "node-exporter"
FLEET = {"cluster": "main", "environment": "production", "job": JOB, "region": "eu-central", "service": "node"}
# The parts that differ from host to host; of one length, so that a host's series are made by replacing them.
ANY_HOST, ANY_ZONE = "node-00000", "eu-central-0"

CPUS = [str(number) for number in range(8)]
MODES = "idle iowait irq nice softirq steal system user".split()
GUESTS = ["nice", "user"]
DISKS = "nvme0n1 nvme1n1 sda sdb sdc".split()
NICS = "bond0 docker0 eth0 eth1 lo wg0".split()
MOUNTS = [
    {"device": "/dev/nvme0n1p2", "fstype": "ext4", "mountpoint": "/"},
    {"device": "/dev/nvme0n1p1", "fstype": "vfat", "mountpoint": "/boot/efi"},
    {"device": "/dev/nvme1n1p1", "fstype": "xfs", "mountpoint": "/var/lib/data"},
    {"device": "tmpfs", "fstype": "tmpfs", "mountpoint": "/run"},
]
MEMORY = (
    "Active Active_anon Active_file AnonPages Bounce Buffers Cached CommitLimit Committed_AS Dirty HardwareCorrupted"
    " Inactive Inactive_anon Inactive_file KernelStack Mapped MemAvailable MemFree MemTotal NFS_Unstable PageTables"
    " Percpu SReclaimable SUnreclaim Shmem Slab SwapCached SwapFree SwapTotal Unevictable VmallocUsed Writeback"
).split()
DISK_COUNTERS = (
    "reads_completed_total reads_merged_total read_bytes_total read_time_seconds_total writes_completed_total"
    " writes_merged_total written_bytes_total write_time_seconds_total io_time_seconds_total"
    " io_time_weighted_seconds_total discards_completed_total"
).split()
NIC_COUNTERS = (
    "receive_bytes_total receive_packets_total receive_errs_total receive_drop_total receive_fifo_total"
    " receive_frame_total receive_multicast_total transmit_bytes_total transmit_packets_total transmit_errs_total"
    " transmit_drop_total transmit_fifo_total transmit_colls_total transmit_carrier_total carrier_changes_total"
).split()
NETSTAT = (
    "Icmp_InErrors Icmp_InMsgs Icmp_OutMsgs Ip_Forwarding IpExt_InOctets IpExt_OutOctets TcpExt_ListenDrops"
    " TcpExt_ListenOverflows TcpExt_SyncookiesFailed TcpExt_TCPSynRetrans TcpExt_TCPTimeouts Tcp_ActiveOpens"
    " Tcp_CurrEstab Tcp_InErrs Tcp_InSegs Tcp_OutRsts Tcp_OutSegs Tcp_PassiveOpens Tcp_RetransSegs Udp_InDatagrams"
    " Udp_InErrors Udp_NoPorts Udp_OutDatagrams Udp_RcvbufErrors Udp_SndbufErrors"
).split()
SINGLE_COUNTERS = (
    "node_context_switches_total node_intr_total node_forks_total node_vmstat_oom_kill node_vmstat_pgfault"
    " node_vmstat_pgmajfault node_vmstat_pgpgin node_vmstat_pgpgout node_vmstat_pswpin node_vmstat_pswpout"
    " process_cpu_seconds_total promhttp_metric_handler_requests_total node_pressure_cpu_waiting_seconds_total"
    " node_pressure_io_stalled_seconds_total node_pressure_io_waiting_seconds_total"
    " node_pressure_memory_stalled_seconds_total node_pressure_memory_waiting_seconds_total"
).split()
SINGLE_GAUGES = (
    "node_load1 node_load5 node_load15 node_procs_running node_procs_blocked node_filefd_allocated"
    " node_entropy_available_bits node_sockstat_TCP_alloc node_sockstat_TCP_inuse node_sockstat_TCP_mem"
    " node_sockstat_TCP_tw node_sockstat_UDP_inuse node_sockstat_sockets_used node_nf_conntrack_entries"
    " node_timex_offset_seconds node_timex_maxerror_seconds node_timex_frequency_adjustment_ratio"
    " process_resident_memory_bytes process_open_fds go_goroutines go_memstats_alloc_bytes"
).split()
FIXED = (
    "up node_boot_time_seconds node_filefd_maximum node_nf_conntrack_entries_limit node_timex_sync_status"
    " node_timex_tick_seconds node_entropy_pool_size_bits process_max_fds process_start_time_seconds"
).split()
COLLECTORS = "conntrack cpu diskstats filesystem loadavg meminfo netdev netstat stat time vmstat".split()

Kind = str
COUNTER, GAUGE, CONSTANT = "counter", "gauge", "constant"


def catalogue() -> list[tuple[Kind, str, dict[str, str]]]:
    """Kind, name and own labels of a host's series; exactly `SERIES`."""
    found: list[tuple[Kind, str, dict[str, str]]] = []

    def add(kind: Kind, names: list[str], *labels: dict[str, str]) -> None:
        found.extend((kind, name, own) for name in names for own in labels or [{}])

    add(COUNTER, ["node_cpu_seconds_total"], *({"cpu": cpu, "mode": mode} for cpu in CPUS for mode in MODES))
    add(GAUGE, [f"node_memory_{name}_bytes" for name in MEMORY])
    add(COUNTER, [f"node_disk_{name}" for name in DISK_COUNTERS], *({"device": disk} for disk in DISKS))
    add(GAUGE, ["node_disk_io_now"], *({"device": disk} for disk in DISKS))
    add(COUNTER, [f"node_network_{name}" for name in NIC_COUNTERS], *({"device": nic} for nic in NICS))
    add(COUNTER, [f"node_netstat_{name}" for name in NETSTAT])
    add(COUNTER, SINGLE_COUNTERS)
    add(GAUGE, SINGLE_GAUGES)
    add(CONSTANT, FIXED)
    add(GAUGE, ["node_filesystem_avail_bytes", "node_filesystem_free_bytes", "node_filesystem_files_free"], *MOUNTS)
    add(CONSTANT, ["node_filesystem_size_bytes", "node_filesystem_files", "node_filesystem_readonly",
                   "node_filesystem_device_error"], *MOUNTS)
    add(CONSTANT, ["node_network_up", "node_network_mtu_bytes", "node_network_speed_bytes"],
        *({"device": nic} for nic in NICS))
    add(COUNTER, ["node_softnet_processed_total", "node_softnet_dropped_total", "node_softnet_times_squeezed_total",
                  "node_softnet_received_rps_total", "node_schedstat_running_seconds_total",
                  "node_schedstat_waiting_seconds_total", "node_schedstat_timeslices_total"],
        *({"cpu": cpu} for cpu in CPUS))
    add(COUNTER, ["node_cpu_guest_seconds_total"], *({"cpu": cpu, "mode": mode} for cpu in CPUS for mode in GUESTS))
    add(CONSTANT, ["node_cpu_scaling_frequency_max_hertz", "node_cpu_scaling_frequency_min_hertz"],
        *({"cpu": cpu} for cpu in CPUS))
    add(GAUGE, ["node_cpu_scaling_frequency_hertz"], *({"cpu": cpu} for cpu in CPUS))
    add(GAUGE, ["node_scrape_collector_duration_seconds"], *({"collector": name} for name in COLLECTORS))
    add(CONSTANT, ["node_scrape_collector_success"], *({"collector": name} for name in COLLECTORS))
    add(CONSTANT, ["node_uname_info"], {"machine": "x86_64", "release": "6.1.0-31-amd64", "sysname": "Linux"})
    add(GAUGE, ["node_hwmon_temp_celsius"],
        *({"chip": f"platform_coretemp_{number // 11}", "sensor": f"temp{number % 11}"} for number in range(22)))
    if len(found) < SERIES:
        raise AssertionError(f"{len(found)} series of {SERIES}")
    return found[:SERIES]


class Host:
    """The series of one host and how their values go on."""

    def __init__(self, number: int, offset: float, kinds: list[Kind], template: list[bytes], seed: int):
        self.name = f"node-{number:05}"
        # Where in its interval a host is scraped; a place of its own for each, so that not all come at once.
        self.offset = offset
        zone = f"eu-central-{number % 3}".encode()
        name = self.name.encode()
        self.labels = [
            labels.replace(ANY_HOST.encode(), name).replace(ANY_ZONE.encode(), zone) for labels in template]
        self.chance = random.Random(f"{seed} values {number}")
        movable = [place for place, kind in enumerate(kinds) if kind != CONSTANT]
        moving = self.chance.sample(movable, MOVING)
        # place -> (value, usual step)
        self.counters = {
            place: (self.chance.getrandbits(30), 1 << self.chance.randrange(14))
            for place in moving if kinds[place] == COUNTER}
        self.gauges = {
            place: (self.chance.uniform(0, 1 << self.chance.randrange(30)), 0.01)
            for place in moving if kinds[place] == GAUGE}
        # Half of what stands still are counts of what never happened, as on real hosts.
        self.values = [struct.pack("<d", self.chance.choice([0, 1]) * self.chance.getrandbits(32)) for _ in kinds]

    def tick(self) -> list[bytes]:
        """The next values as 64-bit patterns, in the order of the labels; a list that the next tick changes."""
        values, pack, chance = self.values, struct.pack, self.chance.random
        for place, (value, step) in self.counters.items():
            value += int(chance() * 2 * step)
            self.counters[place] = value, step
            values[place] = pack("<d", value)
        for place, (value, step) in self.gauges.items():
            value = round(value * (1 + step * (chance() - 0.5)), 3)
            self.gauges[place] = value, step
            values[place] = pack("<d", value)
        return values


def fleet(hosts: int, encoded, seed: int = 1) -> list[Host]:
    """`encoded` makes bytes of a series' labels; they hold the text of every name and value."""
    every = catalogue()
    template = [
        encoded({"__name__": name, "instance": f"{ANY_HOST}:9100", "zone": ANY_ZONE} | FLEET | own)
        for _, name, own in every]
    kinds = [kind for kind, _, _ in every]
    return [Host(number, (number + 0.5) / hosts, kinds, template, seed) for number in range(hosts)]
