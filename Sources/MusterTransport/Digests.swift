internal import CMusterOpenSSL

/// SHA-256 (FIPS 180-4) by libcrypto.
package enum SHA256 {
    package static let byteCount = 32

    /// 32 bytes.
    package static func digest(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let bytes = Array(bytes)
        var digest = [UInt8](repeating: 0, count: byteCount)
        unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        return digest
    }

    /// 64 lower-case hexadecimal digits.
    package static func hex(_ bytes: some Sequence<UInt8>) -> String { Hex.encode(digest(bytes)) }
}

/// HMAC with SHA-256 (RFC 2104).
package enum HMACSHA256 {
    /// 32 bytes. A key of any length.
    package static func authenticate(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: SHA256.byteCount)
        unsafe HMAC(EVP_sha256(), key, Int32(clamping: key.count), bytes, bytes.count, &code, nil)
        return code
    }
}

/// Comparison whose time depends on the lengths only, for secrets.
package enum ConstantTime {
    package static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return unsafe CRYPTO_memcmp(a, b, a.count) == 0
    }
}

/// libcrypto's random generator: for keys, tokens and serial numbers, and wherever a generator is an argument.
package struct SecureRandom: RandomNumberGenerator, Sendable {
    package init() {}

    /// `count` random bytes. Ends the process when the system has no randomness to give: going on would make
    /// predictable secrets.
    package static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, count))
        guard unsafe RAND_bytes(&bytes, Int32(clamping: bytes.count)) == 1 else {
            preconditionFailure("libcrypto has no randomness to give")
        }
        return bytes
    }

    package mutating func next() -> UInt64 {
        Self.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
