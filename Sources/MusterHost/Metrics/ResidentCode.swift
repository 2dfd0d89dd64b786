import Glibc

/// Pages of the program and its libraries that were needed to start and are not needed to run. The kernel keeps them in
/// this process until memory is short; on a host that belongs to others they are given back without being asked for.
package enum ResidentCode {
    /// A mapping of a file that this process has not changed.
    package struct Mapping: Equatable {
        package var range: Range<UInt>
        package var residentBytes: Int

        package init(range: Range<UInt>, residentBytes: Int) {
            self.range = range
            self.residentBytes = residentBytes
        }
    }

    /// Drops every clean page of mapped files. A page that is needed again comes back from the page cache, at the cost
    /// of a minor fault. Returns how many bytes were resident in those mappings; 0 where /proc cannot be read.
    @discardableResult
    package static func giveBack() -> Int {
        var buffer = ReadBuffer()
        do throws(CollectError) {
            try ProcFile.readOnce("/proc/self/smaps", into: &buffer)
        } catch {
            return 0
        }
        return cleanMappings(buffer.text).reduce(0) { sum, mapping in
            guard let start = unsafe UnsafeMutableRawPointer(bitPattern: mapping.range.lowerBound) else { return sum }
            let code = unsafe madvise(start, mapping.range.count, MADV_DONTNEED)
            return code == 0 ? sum + mapping.residentBytes : sum
        }
    }

    /// The mappings in the text of /proc/PID/smaps (proc_pid_smaps(5)) that are of a file, not writable and without a
    /// page of their own: MADV_DONTNEED loses nothing there.
    package static func cleanMappings(_ smaps: String) -> [Mapping] {
        var found: [Mapping] = []
        var current: Mapping?
        for line in smaps.split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard let name = fields.first else { continue }
            switch name {
            case "Rss:": current?.residentBytes = kilobytes(fields) ?? 0
            case "Private_Dirty:", "Shared_Dirty:", "Anonymous:":
                if kilobytes(fields) != 0 { current = nil }
            case "VmFlags:":
                if let mapping = current, mapping.residentBytes > 0 { found.append(mapping) }
                current = nil
            default:
                if !name.hasSuffix(":") { current = mapping(fields) }
            }
        }
        return found
    }

    private static func kilobytes(_ fields: [Substring]) -> Int? {
        fields.count > 1 ? Int(fields[1]).map { $0 << 10 } : nil
    }

    /// `7f00-8f00 r-xp 00000000 fe:00 1234 /usr/lib/libc.so.6`
    private static func mapping(_ fields: [Substring]) -> Mapping? {
        guard fields.count >= 6, fields[1].hasPrefix("r-"), fields[5].hasPrefix("/") else { return nil }
        let bounds = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        guard bounds.count == 2, bounds[0] < bounds[1] else { return nil }
        return Mapping(range: bounds[0]..<bounds[1], residentBytes: 0)
    }
}
