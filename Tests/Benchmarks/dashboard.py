"""What a dashboard of hosts asks: panels of one host, and of the fleet."""

HOST = 'instance="node-00042:9100"'
FS = f'{HOST},fstype!="tmpfs"'
NIC = f'{HOST},device!~"lo|docker.*"'

ONE_HOST = [
    f"node_load1{{{HOST}}}",
    f"node_load5{{{HOST}}} / count without (cpu, mode) (node_cpu_seconds_total{{{HOST},mode=\"idle\"}})",
    f"node_load15{{{HOST}}}",
    f"sum by (mode) (rate(node_cpu_seconds_total{{{HOST}}}[2m]))",
    f"1 - avg without (cpu, mode) (rate(node_cpu_seconds_total{{{HOST},mode=\"idle\"}}[2m]))",
    f"sum by (cpu) (irate(node_cpu_seconds_total{{{HOST},mode!~\"idle|iowait|steal\"}}[2m]))",
    f"node_memory_MemTotal_bytes{{{HOST}}} - node_memory_MemAvailable_bytes{{{HOST}}}",
    f"1 - node_memory_MemAvailable_bytes{{{HOST}}} / node_memory_MemTotal_bytes{{{HOST}}}",
    f"node_memory_Cached_bytes{{{HOST}}} + node_memory_Buffers_bytes{{{HOST}}}"
    f" + node_memory_SReclaimable_bytes{{{HOST}}}",
    f"rate(node_vmstat_pgmajfault{{{HOST}}}[5m])",
    f"rate(node_vmstat_pswpin{{{HOST}}}[5m]) + rate(node_vmstat_pswpout{{{HOST}}}[5m])",
    f"node_filesystem_size_bytes{{{FS}}} - node_filesystem_avail_bytes{{{FS}}}",
    f"100 * node_filesystem_avail_bytes{{{FS}}} / node_filesystem_size_bytes{{{FS}}}",
    f"node_filesystem_files_free{{{FS}}} / node_filesystem_files{{{FS}}}",
    f"predict_linear(node_filesystem_avail_bytes{{{FS}}}[30m], 4 * 3600) < 0",
    f"rate(node_disk_read_bytes_total{{{HOST}}}[2m])",
    f"rate(node_disk_written_bytes_total{{{HOST}}}[2m])",
    f"rate(node_disk_reads_completed_total{{{HOST}}}[2m]) + rate(node_disk_writes_completed_total{{{HOST}}}[2m])",
    f"rate(node_disk_io_time_seconds_total{{{HOST}}}[2m])",
    f"rate(node_disk_read_time_seconds_total{{{HOST}}}[2m]) / rate(node_disk_reads_completed_total{{{HOST}}}[2m])",
    f"8 * rate(node_network_receive_bytes_total{{{NIC}}}[2m])",
    f"8 * rate(node_network_transmit_bytes_total{{{NIC}}}[2m])",
    f"sum by (device) (increase(node_network_receive_errs_total{{{NIC}}}[5m])"
    f" + increase(node_network_receive_drop_total{{{NIC}}}[5m]))",
    f"rate(node_netstat_Tcp_RetransSegs{{{HOST}}}[5m]) / rate(node_netstat_Tcp_OutSegs{{{HOST}}}[5m])",
    f"node_netstat_Tcp_CurrEstab{{{HOST}}}",
    f"node_sockstat_TCP_tw{{{HOST}}}",
    f"rate(node_context_switches_total{{{HOST}}}[2m])",
    f"rate(node_pressure_cpu_waiting_seconds_total{{{HOST}}}[2m])",
    f"node_filefd_allocated{{{HOST}}} / node_filefd_maximum{{{HOST}}}",
    f"max_over_time(node_hwmon_temp_celsius{{{HOST}}}[5m])",
]
FLEET = [
    "sum by (zone) (node_load1)",
    "topk(5, 1 - avg without (cpu, mode) (rate(node_cpu_seconds_total{mode=\"idle\"}[2m])))",
    "sum(rate(node_network_receive_bytes_total{device!~\"lo|docker.*\"}[2m]))",
    "quantile(0.95, node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
]
QUERIES = ONE_HOST + FLEET
