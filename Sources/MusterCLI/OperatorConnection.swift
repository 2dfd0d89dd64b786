import MusterModel
import MusterTransport
import NIOPosix

/// The HTTPS client of an operator: it trusts one authority and expects a coordinator.
enum OperatorConnection {
    /// `authority` is PEM.
    static func client(authority: String) throws(CLIError) -> any HTTPClient {
        do {
            let anchors = try Certificate.chain(pem: authority)
            let context = try TLSContext.client(
                nil, trust: .certificates(anchors), expecting: .coordinator, protocols: ["http/1.1"])
            return NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton, context: context)
        } catch {
            throw CLIError(
                "the context's authority cannot be used: \(error)", hint: "copy context.json from the coordinator again"
            )
        }
    }
}
