import MusterModel
import Synchronization

extension DockerAPI {
    /// What the daemon knows of an image, by name or id; nil when it is not on this host.
    package func inspect(image: String) async throws(DockerError) -> DockerJSON? {
        do {
            return try await get("/images/\(Self.escapedReference(image))/json")
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// The image, pulled when it is not on this host. Registries that ask for credentials are not supported: such an
    /// image has to be on the host before.
    package func imagePulledIfMissing(_ image: String, timeout: Duration) async throws(DockerError) -> DockerJSON {
        if let present = try await inspect(image: image) { return present }
        try await pull(image, timeout: timeout)
        guard let pulled = try await inspect(image: image) else {
            throw .pullFailed(image: image, message: "the pull ended without an error but the image is not there")
        }
        return pulled
    }

    /// A pull that fails ends with status 200 and an error among its progress lines.
    private func pull(_ image: String, timeout: Duration) async throws(DockerError) {
        let target = try await versioned("/images/create?fromImage=\(Self.escaped(Self.tagged(image)))")
        let lines = Mutex(DockerOutputLines(lineBytes: 1 << 20))
        let ending = Mutex((status: 0, failure: String?.none))
        do {
            try await client.stream(
                Self.withHost(HTTPRequest("POST", target)), to: endpoint, idle: timeout,
                head: { response in ending.withLock { $0.status = response.status } },
                chunk: { bytes in
                    for line in lines.withLock({ $0.append(bytes) }) {
                        guard let progress = try? DockerJSON(parsing: line) else { continue }
                        if let said = progress["error"]?.string ?? progress["message"]?.string {
                            ending.withLock { $0.failure = said }
                        }
                    }
                    return true
                })
        } catch {
            throw .pullFailed(image: image, message: error.description)
        }
        let (status, failure) = ending.withLock { $0 }
        if let failure { throw .pullFailed(image: image, message: String(failure.prefix(Self.messageBytes))) }
        guard (200..<300).contains(status) else { throw .pullFailed(image: image, message: "status \(status)") }
    }

    /// A reference without tag or digest would pull every tag there is.
    static func tagged(_ image: String) -> String {
        let last = image.split(separator: "/").last ?? Substring(image)
        return last.contains(":") || last.contains("@") ? image : image + ":latest"
    }

    /// Slashes and colons of a reference stand in the path as they are.
    static func escapedReference(_ image: String) -> String {
        image.split(separator: "/", omittingEmptySubsequences: false).map { escaped(String($0)) }.joined(separator: "/")
    }
}

/// Cuts a stream into lines; a line longer than `lineBytes` is dropped and counted.
package struct DockerOutputLines: Sendable {
    package let lineBytes: Int
    package private(set) var droppedLines = 0
    private var pending: [UInt8] = []
    private var isSkipping = false

    package init(lineBytes: Int) { self.lineBytes = lineBytes }

    /// The lines that are complete now, without their ends; empty ones are left out.
    package mutating func append(_ bytes: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for piece in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if piece.offset > 0 { end(into: &lines) }
            guard !isSkipping else { continue }
            if pending.count + piece.element.count > lineBytes {
                isSkipping = true
                pending = []
            } else {
                pending += piece.element
            }
        }
        return lines
    }

    private mutating func end(into lines: inout [[UInt8]]) {
        if isSkipping { droppedLines += 1 }
        if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
        if !pending.isEmpty { lines.append(pending) }
        pending = []
        isSkipping = false
    }
}
