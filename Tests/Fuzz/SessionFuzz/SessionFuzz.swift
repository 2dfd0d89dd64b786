import MusterModel
import MusterWire

/// Bytes -> a list of events for both ends of a link, with frames of the fuzzer's choosing from the other end. Claims: no
/// trap; a session that threw stays closed; every sequence is stored once and in order; memory and windows stay within
/// their limits whatever the peer says.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzSessions(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var script = Script(ArraySlice(UnsafeBufferPointer(start: start, count: count)))
    var agent = AgentWorld()
    var coordinator = CoordinatorWorld()
    while let choice = script.byte() {
        let now = script.advance()
        if choice & 1 == 0 {
            agent.step(choice >> 1, &script, now: now)
        } else {
            coordinator.step(choice >> 1, &script, now: now)
        }
    }
    return 0
}
