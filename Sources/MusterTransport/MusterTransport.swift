// MusterTransport: how bytes get from one host to another, and how each end knows who the other is.
//
// - Identity. `CertificateAuthority` issues certificates whose single URI name is a `PeerIdentity`; of a
//   `SigningRequest` only the public key is believed; a `JoinToken` carries the pin of the authority to a new host;
//   `Renewal` says when a certificate is to be replaced.
// - TLS. `TLSContext` is what one end presents and expects, `TLSEngine` is one connection's OpenSSL state between two
//   memory buffers, `TLSHandler` drives it inside any NIO pipeline. TLS 1.3 only, no resumption, truncation is an
//   error, and every refusal is a `TLSError` with a reason for people.
// - The link. `LinkListener` and `LinkDialer` hand out `LinkConnection`s: the peer's identity, an inbound sequence of
//   byte chunks with back pressure, and a bounded `send`. What the bytes mean is MusterWire's business.
// - `NIOHTTPClient` is the one HTTP/1.1 client, `HTTPListener` a small server for programs of the same host,
//   `ZlibCompressor` the one compressor.
//
// Before a peer is authenticated it can hold one socket, `TransportLimits.preAuthenticationBytes` of memory and
// `Limits.handshakeDeadline` of time; `AcceptGate` bounds how many such peers there are.

import MusterModel

/// The limits that only this module applies.
package enum TransportLimits {
    /// What a peer may send before its handshake is finished.
    package static let preAuthenticationBytes = 64 << 10
    /// The certificates a peer presents, together.
    package static let peerCertificatesBytes = 16 << 10
    /// Certificates between a peer's own and the trust anchor.
    package static let chainDepth = 2
    /// What may wait to be encrypted until the handshake is finished.
    package static let earlyWriteBytes = 1 << 20
    /// Plaintext after which our sending key is replaced; AES-GCM is sound up to some 380 GiB.
    package static let rekeyBytes = 64 << 30
    /// When a connection is closed, what was written before may take this long to get out.
    package static let flushDeadline = Duration.seconds(5)
    /// After the last record was sent the peer has this long to read it and to close.
    package static let lingerDeadline = Duration.seconds(1)
    /// What is read and thrown away in that time.
    package static let lingerBytes = 1 << 20

    /// Bytes given to `LinkConnection.send` that the kernel has not taken yet.
    package static let sendQueueBytes = 4 << 20
    /// Tasks that wait for room in one send queue.
    package static let waitingSenders = 256
    /// Bytes received and not yet consumed at which reading from the socket stops, and at which it goes on.
    package static let inboundBytesHigh = 512 << 10
    package static let inboundBytesLow = 128 << 10
    package static let connectDeadline = Duration.seconds(5)
    package static let listenBacklog = 1_024

    /// A signing request, a certificate or a key in PEM.
    package static let pemBytes = 16 << 10
    /// Certificates in one PEM file.
    package static let pemCertificates = 8
    /// Pieces of a streamed HTTP body.
    package static let httpChunkBytes = 64 << 10
    /// Header lines of an HTTP request or response, names and values together.
    package static let httpHeaderBytes = 64 << 10
}
