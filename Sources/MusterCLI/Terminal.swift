import Foundation
import Glibc
import Synchronization

/// What standard output and standard error are, decided once for each call.
package struct Terminal: Sendable {
    package var isOutputTerminal: Bool
    package var isErrorTerminal: Bool
    package var hasColour: Bool
    /// Whether standard output is a terminal on which the cursor can be moved.
    package var canRedraw: Bool
    /// Columns, 80 when unknown.
    package var width: Int
    /// Lines, 24 when unknown.
    package var height: Int

    package init(
        isOutputTerminal: Bool, isErrorTerminal: Bool, hasColour: Bool, canRedraw: Bool = false, width: Int,
        height: Int = 24
    ) {
        self.isOutputTerminal = isOutputTerminal
        self.isErrorTerminal = isErrorTerminal
        self.hasColour = hasColour
        self.canRedraw = canRedraw
        self.width = width
        self.height = height
    }

    /// `NO_COLOR` (any value) turns colour off, `TERM=dumb` redrawing as well.
    package static func current(environment: [String: String]) -> Terminal {
        let isOutput = isatty(STDOUT_FILENO) == 1
        var size = winsize()
        let isSized = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0
        return Terminal(
            isOutputTerminal: isOutput, isErrorTerminal: isatty(STDERR_FILENO) == 1,
            hasColour: isOutput && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb",
            canRedraw: isOutput && environment["TERM"] != "dumb",
            width: isSized && size.ws_col > 0 ? Int(size.ws_col) : 80,
            height: isSized && size.ws_row > 0 ? Int(size.ws_row) : 24)
    }

    package enum Colour: String, Sendable {
        case green = "32"
        case yellow = "33"
        case red = "31"
        case dim = "2"
        case bold = "1"
    }

    package func paint(_ text: String, _ colour: Colour?) -> String {
        guard hasColour, let colour else { return text }
        return "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m"
    }

    /// Text that came from a host, safe to print: control characters, escape sequences and bidirectional overrides are
    /// shown as `\u{..}`.
    package static func sanitized(_ text: String) -> String {
        var safe = ""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x09: safe.unicodeScalars.append(scalar)
            case 0...0x1F, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069, 0x200E, 0x200F:
                safe += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }
}

/// Standard output and standard error; what is written is whole.
package enum Output {
    static func line(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
    package static func error(_ text: String) { write(text + "\n", to: STDERR_FILENO) }
    static func text(_ text: String) { write(text, to: STDOUT_FILENO) }
    static func errorText(_ text: String) { write(text, to: STDERR_FILENO) }
    static func raw(_ bytes: [UInt8]) { write(bytes, to: STDOUT_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            // A reader such as `head` that has gone away is no error of ours.
            guard written > 0 else { exit(errno == EPIPE ? 0 : 1) }
            rest = rest.dropFirst(written)
        }
    }
}
