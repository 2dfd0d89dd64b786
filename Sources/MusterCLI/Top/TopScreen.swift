import Foundation
package import MusterModel

/// What `muster top` shows: the last picture, and what went wrong since. Drawing it is a function of this value, the
/// time and the terminal.
package struct TopScreen: Sendable {
    private var picture: TopPicture
    private var pictureAt: Instant
    private var failure: String?
    private let order: TopPicture.Order
    /// Rows of each table at most; nil for no limit but the screen's.
    private let rows: Int?

    package init(_ picture: TopPicture, at now: Instant, order: TopPicture.Order, rows: Int?) {
        self.picture = picture
        pictureAt = now
        self.order = order
        self.rows = rows
        self.picture.sort(by: order)
    }

    package mutating func pictureTaken(_ picture: TopPicture, at now: Instant) {
        self.picture = picture
        self.picture.sort(by: order)
        pictureAt = now
        failure = nil
    }

    /// The last picture stays, with its age.
    package mutating func pictureFailed(_ reason: String) { failure = reason }

    /// `isLive` fits the drawing into the terminal's height and width; otherwise only into the width of a terminal.
    package func lines(_ terminal: Terminal, now: Instant, isLive: Bool) -> [String] {
        var fitting = terminal
        if !isLive, !terminal.isOutputTerminal { fitting.width = .max }
        let header = header(fitting, now: now, isLive: isLive)
        let height = isLive ? max(0, terminal.height - header.count) : Int.max
        let parts = [
            Part(lines: hosts(fitting, now: now), what: "host"), Part(lines: containers(fitting), what: "container"),
        ]
        let lines = header + Self.stacked(parts, height)
        return isLive ? Array(lines.prefix(terminal.height)) : lines
    }

    // MARK: What is wrong, and how much there is

    private func header(_ terminal: Terminal, now: Instant, isLive: Bool) -> [String] {
        let states = Dictionary(grouping: picture.hosts, by: \.state).mapValues(\.count)
        let counts = states.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
            .map { "\($0.value) \(Terminal.sanitized($0.key))" }
        let hosts =
            counted(picture.hosts.count, "host")
            + (counts.isEmpty ? "" : " (\(counts.joined(separator: ", ")))")
        let running = picture.containers.filter { $0.state == "running" }.count
        let summary =
            "\(hosts), \(counted(picture.containers.count, "container")) (\(running) running), "
            + "by \(order.rawValue)"
        var lines = [terminal.paint("\(clock) \(summary)\(isLive ? "; ^C ends" : "")".cut(to: terminal.width), .bold)]
        if let failure {
            let text = "\(Self.age(now - pictureAt)) old, cannot be refreshed: \(Terminal.sanitized(failure))"
            lines.append(terminal.paint(text.cut(to: terminal.width), .red))
        }
        let away = picture.hosts.filter { $0.state != "alive" }.map { host in
            "\(host.name) \(host.state)" + (host.reason.isEmpty ? "" : " (\(host.reason))")
        }
        if !away.isEmpty {
            let text = Terminal.sanitized("Not alive: \(away.joined(separator: ", "))")
            lines.append(terminal.paint(text.cut(to: terminal.width), .red))
        }
        lines += picture.warnings.prefix(1).map {
            terminal.paint(Terminal.sanitized("Warning: \($0)").cut(to: terminal.width), .yellow)
        }
        return lines
    }

    /// The time of day of the picture, in UTC as everywhere.
    private var clock: String { String(picture.time.dropFirst(11).prefix(8)) + "Z" }

    private static func age(_ duration: Duration) -> String {
        let seconds = max(0, duration.nanoseconds / 1_000_000_000)
        return seconds < 120 ? "\(seconds)s" : seconds < 7_200 ? "\(seconds / 60)m" : "\(seconds / 3_600)h"
    }

    // MARK: Tables

    private func hosts(_ terminal: Terminal, now: Instant) -> [String] {
        let date = Date(timeIntervalSince1970: Double(now.milliseconds) / 1_000)
        var table = Table(
            "HOST", "STATE", .number("CPU"), .number("MEMORY"), .number("DISK"), .number("LOAD1"), .number("NET IN/S"),
            .number("NET OUT/S"), .number("CONTAINERS"), .number("SERIES"), .number("SEEN"), "FULLEST")
        for host in picture.hosts.prefix(rows ?? .max) {
            let isPartial = host.runningContainers < host.containers
            table.row(
                .init(host.name), .init(host.state, stateColour(host.state)), Self.percent(host.cpuPercent),
                Self.percent(host.memoryPercent), Self.percent(host.diskPercent),
                .init(host.load1.map { String(format: "%.2f", $0) } ?? "-"), Self.bytes(host.receiveBytesPerSecond),
                Self.bytes(host.transmitBytesPerSecond),
                .init(isPartial ? "\(host.runningContainers)/\(host.containers)" : "\(host.containers)"),
                .init(host.series.map(HumaneNumber.count) ?? "-"), .init(MusterCLI.age(host.lastSeen, now: date)),
                .init(host.fullestMount ?? "-"))
        }
        return table.isEmpty ? ["No host has joined."] : table.fitted(terminal)
    }

    private func containers(_ terminal: Terminal) -> [String] {
        let names = Dictionary(picture.hosts.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        var table = Table(
            "CONTAINER", "STATE", .number("CPU"), .number("MEMORY"), "HOST", .number("NET IN/S"), .number("NET OUT/S"))
        for container in picture.containers.prefix(rows ?? .max) {
            table.row(
                .init(container.name), .init(container.state, stateColour(container.state)),
                .init(container.cpuPercent.map(HumaneNumber.percent) ?? "-"), Self.bytes(container.memoryBytes),
                .init(names[container.host] ?? container.host), Self.bytes(container.receiveBytesPerSecond),
                Self.bytes(container.transmitBytesPerSecond))
        }
        return table.isEmpty ? [] : table.fitted(terminal)
    }

    /// What is nearly used up is seen at once.
    private static func percent(_ value: Double?) -> Table.Cell {
        guard let value else { return .init("-") }
        return .init(HumaneNumber.percent(value), value >= 95 ? .red : value >= 85 ? .yellow : nil)
    }

    private static func bytes(_ value: Double?) -> Table.Cell { .init(value.map(HumaneNumber.bytes) ?? "-") }

    // MARK: Stacking

    private struct Part {
        var lines: [String]
        var what: String
    }

    /// One below the other with a blank line before each, at most `height` lines. Where they do not fit, each gets half
    /// and what the other one leaves; where half is too little, the first gets all.
    private static func stacked(_ parts: [Part], _ height: Int) -> [String] {
        let parts = parts.filter { !$0.lines.isEmpty }
        var left = height
        var lines: [String] = []
        for (index, part) in parts.enumerated() {
            let others = parts[(index + 1)...]
            let needed = others.reduce(0) { $0 + $1.lines.count + 1 }
            let fair = left < least * (others.count + 1) ? left : left / (others.count + 1)
            // A title with no row says nothing.
            guard left >= min(least, part.lines.count + 1) else { break }
            let shown = cut(part, to: max(left - needed, fair) - 1)
            lines += [""] + shown
            left -= shown.count + 1
        }
        return lines
    }

    /// A blank line, a title and a row.
    private static let least = 3

    private static func cut(_ part: Part, to height: Int) -> [String] {
        guard part.lines.count > height else { return part.lines }
        // The last of the lines says what is missing; a place with two lines is better used by a row.
        guard height > 2 else { return Array(part.lines.prefix(height)) }
        return part.lines.prefix(height - 1) + ["… \(counted(part.lines.count - height + 1, "more \(part.what)"))"]
    }
}
