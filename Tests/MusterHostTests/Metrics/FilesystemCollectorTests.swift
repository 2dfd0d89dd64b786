import Foundation
import MusterHost
import MusterModel
import Synchronization
import Testing

@Suite struct FilesystemCollectorTests {
    private let host = HostFixture()

    private static let usage = FilesystemUsage(
        sizeBytes: 100, freeBytes: 60, availableBytes: 50, files: 10, filesFree: 4)

    private func metric(_ name: String, _ mountpoint: String) -> String {
        "node_filesystem_\(name){device=\"/dev/x\",fstype=\"ext4\",mountpoint=\"\(mountpoint)\"}"
    }

    private func mounts(_ points: String..., options: String = "rw,relatime") {
        host.write("proc/1/mounts", points.map { "/dev/x \($0) ext4 \(options) 0 0\n" }.joined())
    }

    @Test func aMountIsMeasuredInTheTickThatAsks() {
        mounts("/", "/with\\040blank", options: "ro,relatime")
        var options = host.options(.filesystem)
        options.mountPatience = .seconds(5)
        let asked = Mutex<Set<String>>([])
        options.statfs = { path in
            asked.withLock { _ = $0.insert(path) }
            return Self.usage
        }
        options.rootfs = "/host"
        var ticker = Ticker(options)
        let samples = ticker.tick()
        #expect(samples.count == 14)
        #expect(samples[metric("size_bytes", "/")] == 100)
        #expect(samples[metric("free_bytes", "/")] == 60)
        #expect(samples[metric("avail_bytes", "/")] == 50)
        #expect(samples[metric("files", "/with blank")] == 10)
        #expect(samples[metric("files_free", "/with blank")] == 4)
        #expect(samples[metric("readonly", "/")] == 1)
        #expect(samples[metric("device_error", "/")] == 0)
        #expect(asked.withLock { $0 } == ["/host/", "/host/with blank"])
    }

    @Test func whatTheDefaultsExcludeIsNotAsked() {
        host.write(
            "proc/1/mounts",
            """
            proc /proc proc rw 0 0
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
            /dev/x /dev/disk ext4 rw 0 0
            /dev/x /development ext4 rw 0 0
            overlay / overlay rw 0 0
            /dev/x /var/lib/docker ext4 rw 0 0
            /dev/x /var/lib/docker/overlay2/a/merged ext4 rw 0 0
            /dev/x /var/lib/dockerlike ext4 rw 0 0
            tmpfs /run tmpfs rw 0 0
            tmpfs /run/credentials/x tmpfs rw 0 0
            cut line

            """)
        var options = host.options(.filesystem)
        options.mountPatience = .seconds(5)
        options.statfs = { _ in Self.usage }
        var ticker = Ticker(options)
        let points = ticker.tick().keys.filter { $0.hasPrefix("node_filesystem_size_bytes") }.compactMap {
            $0.components(separatedBy: "mountpoint=\"").last?.dropLast(2)
        }
        #expect(points.sorted() == ["/development", "/run", "/var/lib/docker", "/var/lib/dockerlike"])
    }

    @Test func aHungMountStallsNobodyAndIsInErrorAfterTheDeadline() {
        mounts("/", "/nfs")
        let gate = DispatchSemaphore(value: 0)
        let asks = Mutex(0)
        var options = host.options(.filesystem)
        options.intervals[.filesystem] = .seconds(10)
        options.mountPatience = .milliseconds(200)
        options.statfs = { path in
            guard path == "/nfs" else { return Self.usage }
            asks.withLock { $0 += 1 }
            gate.wait()
            return Self.usage
        }
        var ticker = Ticker(options)
        let began = ContinuousClock.now
        let first = ticker.tick()
        #expect(ContinuousClock.now - began < .seconds(2))
        #expect(first[metric("size_bytes", "/")] == 100)
        #expect(first[metric("device_error", "/nfs")] == nil)
        // The ticks before the deadline look again and say nothing about it.
        for _ in 0..<4 { #expect(ticker.tick()[metric("device_error", "/nfs")] == nil) }
        #expect(ticker.tick()[metric("device_error", "/nfs")] == 1)
        // It stays in error with every sweep, and is not asked a second time while it hangs.
        var sweeps = 0
        for _ in 0..<60 {
            let samples = ticker.tick()
            if let error = samples[metric("device_error", "/nfs")] {
                #expect(error == 1)
                #expect(samples[metric("size_bytes", "/")] == 100)
                sweeps += 1
            }
        }
        #expect(sweeps >= 5)
        #expect(asks.withLock { $0 } == 1)
        #expect(ticker.errors(.filesystem) == 0)
        // It answers at last: measured again.
        for _ in 0..<3 { gate.signal() }
        var size: Double?
        for _ in 0..<200 where size == nil { size = ticker.tick(after: .seconds(5))[metric("size_bytes", "/nfs")] }
        #expect(size == 100)
        #expect(ticker.table.series[metric("device_error", "/nfs")] == 0)
    }

    @Test func aMountThatRefusesIsInErrorWithoutItsSizes() {
        mounts("/")
        let isRefusing = Mutex(false)
        var options = host.options(.filesystem)
        options.mountPatience = .seconds(5)
        options.statfs = { _ in isRefusing.withLock { $0 } ? nil : Self.usage }
        var ticker = Ticker(options)
        #expect(ticker.tick().count == 7)
        isRefusing.withLock { $0 = true }
        #expect(ticker.tick() == [metric("device_error", "/"): 1, metric("readonly", "/"): 0])
        #expect(ticker.table.ended.count == 5)
        isRefusing.withLock { $0 = false }
        #expect(ticker.tick().count == 7)
    }

    @Test func mountsComeAndGo() {
        mounts("/", "/data")
        var options = host.options(.filesystem)
        options.mountPatience = .seconds(5)
        options.statfs = { _ in Self.usage }
        var ticker = Ticker(options)
        #expect(ticker.tick().count == 14)
        mounts("/")
        #expect(ticker.tick().count == 7)
        #expect(ticker.table.ended.count == 7)
        mounts("/", "/data", "/more")
        #expect(ticker.tick().count == 21)
    }

    @Test func noMoreThan32MountsMayHangAtOnce() {
        host.write("proc/1/mounts", (0..<40).map { "/dev/x /m\($0) ext4 rw 0 0\n" }.joined())
        let gate = DispatchSemaphore(value: 0)
        let asks = Mutex(0)
        var options = host.options(.filesystem)
        options.mountPatience = .milliseconds(100)
        options.statfs = { _ in
            asks.withLock { $0 += 1 }
            gate.wait()
            return nil
        }
        var ticker = Ticker(options)
        let samples = ticker.tick()
        // The eight that were not asked are in error at once.
        #expect(samples.filter { $0.key.hasPrefix("node_filesystem_device_error") && $0.value == 1 }.count == 8)
        for _ in 0..<10 { _ = ticker.tick() }
        #expect(asks.withLock { $0 } <= 32)
        let errors = ticker.table.series.filter { $0.key.hasPrefix("node_filesystem_device_error") && $0.value == 1 }
        #expect(errors.count == 40)
        for _ in 0..<40 { gate.signal() }
    }

    @Test func theKernelAnswersForTheRoot() throws {
        let root = try #require(FilesystemUsage.ofMount("/"))
        #expect(root.sizeBytes > 0)
        #expect(root.freeBytes <= root.sizeBytes)
        #expect(root.availableBytes <= root.freeBytes)
        #expect(FilesystemUsage.ofMount("/no such folder") == nil)
    }
}
