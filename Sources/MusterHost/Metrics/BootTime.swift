/// When the kernel started: the line `btime` of `/proc/stat`.
enum BootTime {
    /// Nil when the file cannot be read or has no such line.
    static func seconds(procRoot: String, _ buffer: inout ReadBuffer) -> Double? {
        guard (try? ProcFile.readOnce(procRoot + "/stat", into: &buffer)) != nil else { return nil }
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        let btime = [UInt8]("btime".utf8)
        while var line = lines.line(bytes) {
            guard let key = line.field(bytes), bytes.spells(key, btime) else { continue }
            // Digits of any length may stand there.
            return line.number(bytes).flatMap { $0 < 1e12 ? $0 : nil }
        }
        return nil
    }
}
