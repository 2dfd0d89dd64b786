package import ArgumentParser
import Foundation
import Glibc
package import MusterModel

extension TopPicture.Order: ExpressibleByArgument {}

package struct TopVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Hosts and containers with their load, live.",
        discussion: """
            Examples:
              muster top
              muster top --sort memory --host web-01
              muster top --once -n 10
            Where output is no terminal, and with --json, it is printed once.
            """)
    @Option(help: "The greatest first: cpu, memory or name.") var sort: TopPicture.Order = .cpu
    @Option(help: "Only this host (its id or its name) and its containers.") var host: String?
    @Option(
        name: .customShort("n"), help: ArgumentHelp("At most so many hosts and containers.", valueName: "rows"),
        transform: parseCount)
    var rows: Int?
    @Option(help: "The time from one picture to the next.", transform: parseDuration)
    var interval: Duration = .seconds(2)
    @Option(
        help: "The time that rates are taken over; at least twice the interval of the agents.", transform: parseDuration
    )
    var window: Duration = .seconds(30)
    @Flag(help: "Print one picture and end.") var once = false
    @OptionGroup var options: CommonOptions

    /// A shorter interval would show the same samples again.
    package static let intervalMin = Duration.milliseconds(500)

    package init() {}

    package func validate() throws {
        guard interval >= Self.intervalMin else {
            throw ValidationError("--interval is at least \(Self.intervalMin.shortText)")
        }
    }

    package func run() async throws {
        try await reporting {
            let session = try Session(options)
            guard !once, !session.isJSON, session.terminal.canRedraw else {
                return try await printOnce(session, now: Self.now)
            }
            try await redraw(session)
        }
    }

    package func printOnce(_ session: Session, now: Instant) async throws {
        let survey = TopSurvey(session.api, window: window, host: host)
        var (picture, _) = try await Self.first(survey, session, now: now)
        picture.sort(by: sort)
        if session.isJSON {
            if let rows { picture.keep(rows) }
            return session.print(try picture.json())
        }
        let screen = TopScreen(picture, at: now, order: sort, rows: rows)
        for line in screen.lines(session.terminal, now: now, isLive: false) { session.print(line) }
    }

    /// Shows pictures until it is interrupted.
    package func redraw(_ session: Session) async throws {
        let (first, survey) = try await Self.first(
            TopSurvey(session.api, window: window, host: host), session, now: Self.now)
        let (events, feed) = AsyncStream.makeStream(of: ScreenEvent.self, bufferingPolicy: .bufferingNewest(16))
        let signals = Signals([SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH]) { number in
            switch number {
            case SIGWINCH: feed.yield(.resized)
            case SIGTSTP: feed.yield(.suspended)
            default: feed.yield(.ended)
            }
        }
        defer { signals.cancel() }
        let refresher = Task { [interval] in
            var survey = survey
            while !Task.isCancelled {
                try await Task.sleep(for: interval)
                feed.yield(await Self.picture(&survey))
            }
        }
        defer { refresher.cancel() }
        let redrawing = Redrawing(
            terminal: { Terminal.current(environment: ProcessInfo.processInfo.environment) }, now: { Self.now },
            write: { Output.text($0) }, stop: { kill(getpid(), SIGSTOP) })
        await redrawing.run(TopScreen(first, at: Self.now, order: sort, rows: rows), events)
    }

    private static func first(
        _ survey: TopSurvey, _ session: Session, now: Instant
    ) async throws -> (TopPicture, TopSurvey) {
        try await session.waiting("the coordinator's answers") {
            var survey = survey
            return (try await survey.picture(now: now), survey)
        }
    }

    private static func picture(_ survey: inout TopSurvey) async -> ScreenEvent {
        do {
            return .pictureTaken(try await survey.picture(now: now))
        } catch let error as CLIError {
            return .pictureFailed(error.message)
        } catch {
            return .pictureFailed("\(error)")
        }
    }

    private static var now: Instant { Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) }
}
