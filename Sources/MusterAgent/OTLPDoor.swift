import MusterConfig
import MusterHost
import MusterInterchange
import MusterModel
import MusterTransport
import NIOCore
import NIOPosix

/// Where OTLP comes in: the listener on one side, the receiver on the other.
struct OTLPDoor: Sendable {
    /// An address that cannot be had is tried again after this long, doubled up to the second.
    private static let retry = (floor: Duration.seconds(1), ceiling: Duration.seconds(30))

    let receiver: OTLPReceiver
    let address: Endpoint
    let group: any EventLoopGroup

    /// Listens until the task is cancelled. `onTrouble` hears why the address cannot be had, and nil when it was.
    func run(onTrouble: @escaping @Sendable (String?) -> Void) async {
        var options = HTTPListener.Options()
        (options.host, options.port) = (address.host, address.port)
        options.bodyBytes = OTLPRequest.bodyBytes
        var pause = Self.retry.floor
        while !Task.isCancelled {
            do throws(HTTPFailure) {
                let listener = try await HTTPListener.bind(
                    options, admission: Admission(receiver: receiver), group: group)
                onTrouble(nil)
                pause = Self.retry.floor
                await serve(listener)
                if !Task.isCancelled { onTrouble("its socket was closed") }
            } catch {
                onTrouble("\(error)")
            }
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            pause = min(pause * 2, Self.retry.ceiling)
        }
    }

    /// One export after the other, on a thread that nothing else waits for: a large one takes a while to read.
    private func serve(_ listener: HTTPListener) async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                for await call in listener.calls {
                    let receiver = receiver
                    let answer = try? await NIOThreadPool.singleton.runIfActive { receiver.answer(call.request) }
                    call.answer(answer ?? receiver.refuse(call.request, .busy))
                }
            }
            tasks.addTask { await listener.closed() }
            await tasks.next()
            // Before the group is waited for: who waits for the socket to close hears of nothing else.
            await listener.close()
            tasks.cancelAll()
        }
    }
}

private struct Admission: HTTPAdmission {
    let receiver: OTLPReceiver

    func refusal(ofHead head: HTTPRequest) -> HTTPResponse? { receiver.refusal(ofHead: head) }
    func tooLarge(_ head: HTTPRequest) -> HTTPResponse { receiver.refuse(head, .tooLarge) }
    func busy(_ head: HTTPRequest) -> HTTPResponse { receiver.refuse(head, .busy) }
}
