package import MusterModel

/// What can happen while a screen is shown.
package enum ScreenEvent: Sendable {
    case pictureTaken(TopPicture)
    case pictureFailed(String)
    case resized
    /// ^Z: the terminal is given back until the process is continued.
    case suspended
    /// ^C, or the terminal is gone.
    case ended
}

/// Shows a screen until it is ended. The terminal is as it was before whenever this does not run: not on its alternate
/// screen, with its cursor, with lines that wrap.
package struct Redrawing {
    package static let enter = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
    package static let leave = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    /// What the terminal is now; asked for each drawing, because people change its size.
    var terminal: () -> Terminal
    var now: () -> Instant
    var write: (String) -> Void
    /// Stops the process until somebody continues it.
    var stop: () -> Void

    package init(
        terminal: @escaping () -> Terminal, now: @escaping () -> Instant, write: @escaping (String) -> Void,
        stop: @escaping () -> Void
    ) {
        self.terminal = terminal
        self.now = now
        self.write = write
        self.stop = stop
    }

    package func run(_ first: TopScreen, _ events: AsyncStream<ScreenEvent>) async {
        var screen = first
        write(Self.enter)
        defer { write(Self.leave) }
        draw(screen)
        for await event in events {
            switch event {
            case .pictureTaken(let picture): screen.pictureTaken(picture, at: now())
            case .pictureFailed(let reason): screen.pictureFailed(reason)
            case .resized: break
            case .suspended:
                write(Self.leave)
                stop()
                write(Self.enter)
            case .ended: return
            }
            draw(screen)
        }
    }

    private func draw(_ screen: TopScreen) {
        write(Self.frame(screen.lines(terminal(), now: now(), isLive: true)))
    }

    /// Overwrites what is there line by line, so that nothing flickers, then wipes the rest.
    package static func frame(_ lines: [String]) -> String {
        "\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J"
    }
}
