import MusterModel

/// The words that say how grave a line is, and where each is believed.
struct LevelWords: Sendable {
    /// Where a word is believed.
    struct Places: OptionSet, Sendable {
        let rawValue: UInt16

        /// As the value of a key such as `level`.
        static let value = Places(rawValue: 1)
        /// In capitals, standing alone.
        static let capitals = Places(rawValue: 2)
        /// In any case within `[ ]`, `| |` or two tabs, or before a colon at a line's head.
        static let label = Places(rawValue: 4)
        /// In capitals before a colon.
        static let capitalLabel = Places(rawValue: 8)
        /// Behind a facility of syslog and a dot.
        static let priority = Places(rawValue: 16)
        /// One letter within `[ ]`.
        static let letter = Places(rawValue: 32)
    }

    /// What a word does for the detector.
    enum Meaning: Sendable {
        case level(LogLevel, Places)
        /// `level` and what else keys are called.
        case key
        /// `no`, `without`: the word behind is denied.
        case denial
        /// A facility of syslog.
        case facility
        case traceback
    }

    let table: WordTable<Meaning>

    static let shared = LevelWords()

    private init() {
        var words: [(String, Meaning)] = []
        for (level, places, list) in Self.levels {
            for word in list { words.append((word, .level(level, places))) }
        }
        for key in Self.keys { words.append((key, .key)) }
        for word in ["no", "not", "without", "zero"] { words.append((word, .denial)) }
        for word in Self.facilities { words.append((word, .facility)) }
        words.append(("traceback", .traceback))
        table = WordTable(words)
    }

    private static let everywhere: Places = [.value, .capitals, .label, .priority]

    private static let levels: [(LogLevel, Places, [String])] = [
        (.trace, everywhere, ["trace"]),
        (.trace, [.value, .capitals], ["trc"]), (.trace, [.value, .label], ["trce", "verbose"]),
        (.trace, [.value, .capitalLabel], ["finer", "finest"]), (.trace, [.value, .letter], ["t"]),
        (.debug, everywhere, ["debug"]),
        (.debug, [.value, .capitals], ["dbg"]), (.debug, [.value, .label], ["dbug"]),
        (.debug, [.value, .capitalLabel], ["fine"]), (.debug, [.value, .letter], ["d"]),
        (.info, everywhere, ["info", "notice"]), (.info, [.value, .label], ["note"]),
        (.info, [.value, .capitals], ["inf", "success"]), (.info, [.value, .capitalLabel], ["log", "config"]),
        (.info, .value, ["information", "informational"]), (.info, [.value, .letter], ["i"]),
        (.warn, everywhere, ["warn", "warning"]), (.warn, [.value, .capitals], ["wrn"]),
        (.warn, [.value, .letter], ["w"]),
        (.error, everywhere, ["error", "err"]), (.error, [.value, .capitals], ["eror", "severe"]),
        (.error, [.value, .label], ["fail"]), (.error, .value, ["failure"]), (.error, [.value, .letter], ["e"]),
        (.fatal, everywhere, ["fatal", "critical", "crit", "panic", "emerg", "alert"]),
        (.fatal, [.value, .capitals], ["ftl", "emergency"]), (.fatal, .value, ["dpanic"]),
        (.fatal, [.value, .letter], ["f"]),
    ]

    /// The last five stand for `severity_text`, `severityText`, `log.level`, `log_level` and `levelname`.
    private static let keys = [
        "level", "lvl", "severity", "loglevel", "@level", "@l", "priority", "severity_text", "severityText",
        "log.level", "log_level", "levelname",
    ]

    private static let facilities = [
        "kern", "user", "mail", "daemon", "auth", "authpriv", "syslog", "lpr", "news", "uucp", "cron", "ftp", "local0",
        "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ]
}
