package import MusterModel

/// What a line has to be like. Conditions over bytes, cheap ones first where the asker has the choice.
package enum LineFilter: Sendable {
    /// The bytes occur. Case counts; no bytes occur in every line.
    case contains([UInt8])
    case excludes([UInt8])
    case matches(any SearchPattern)
    case mismatches(any SearchPattern)
    /// At least this level; lines of unknown level pass no such condition but `.unknown`.
    case level(atLeast: LogLevel)

    func isMatch(_ line: UnsafeRawBufferPointer, _ flags: LineFlags) -> Bool {
        switch self {
        case .contains(let needle): unsafe ByteScan.contains(needle, in: line)
        case .excludes(let needle): unsafe !ByteScan.contains(needle, in: line)
        case .matches(let pattern): unsafe pattern.isFound(in: Span(_unsafeBytes: line))
        case .mismatches(let pattern): unsafe !pattern.isFound(in: Span(_unsafeBytes: line))
        case .level(let floor): flags.level >= floor
        }
    }

    /// The words that filters of blocks can be asked for: every line that matches has all of them.
    package var words: [NeedleWord] {
        if case .contains(let needle) = self { NeedleWord.words(in: needle) } else { [] }
    }
}
