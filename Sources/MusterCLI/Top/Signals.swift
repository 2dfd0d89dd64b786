import Dispatch
import Glibc

/// Hears signals instead of what they do by default, until it is cancelled.
package final class Signals {
    private let sources: [(number: Int32, source: any DispatchSourceSignal)]

    /// `heard` is called on a queue of its own.
    package init(_ numbers: [Int32], _ heard: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "muster.signals")
        sources = numbers.map { number in
            // Before the source begins: it then puts its own handler in place, which this would take out again.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { heard(number) }
            source.resume()
            return (number, source)
        }
    }

    package func cancel() {
        for (number, source) in sources {
            source.cancel()
            signal(number, SIG_DFL)
        }
    }
}
