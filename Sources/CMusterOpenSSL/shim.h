// The system's libssl and libcrypto for Swift. What OpenSSL offers as a macro, a variadic function or a typed stack is
// a function here; nothing in this file decides anything.
#ifndef MUSTER_OPENSSL_SHIM_H
#define MUSTER_OPENSSL_SHIM_H

#include <stddef.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

// Contexts.

/// TLS 1.3 and nothing else, no resumption in any form, X25519 or P-256. Returns 1 when everything was accepted.
static inline int muster_ctx_harden(SSL_CTX *ctx, long max_cert_list_bytes, int verify_depth) {
    static const unsigned char id[] = "muster";
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1) return 0;
    if (SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1) return 0;
    if (SSL_CTX_set_num_tickets(ctx, 0) != 1) return 0;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1) return 0;
    if (SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1) return 0;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_cert_list(ctx, max_cert_list_bytes);
    SSL_CTX_set_verify_depth(ctx, verify_depth);
    return 1;
}

static inline int muster_ctx_add_chain(SSL_CTX *ctx, X509 *cert) {
    return (int)SSL_CTX_add1_chain_cert(ctx, cert);
}

/// `wire` is a two-byte big-endian length and then the protocols as ALPN lists them.
static inline int muster_alpn_choose(
    SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in, unsigned int in_length,
    void *wire) {
    const unsigned char *own = (const unsigned char *)wire;
    unsigned int own_length = ((unsigned int)own[0] << 8) | own[1];
    (void)ssl;
    if (SSL_select_next_proto((unsigned char **)out, out_length, own + 2, own_length, in, in_length)
        == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_NOACK;
}

/// `wire` must live as long as the context.
static inline void muster_ctx_offer_alpn(SSL_CTX *ctx, unsigned char *wire) {
    SSL_CTX_set_alpn_select_cb(ctx, muster_alpn_choose, wire);
}

static inline int muster_ssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

// Stacks.

static inline int muster_x509s_count(const STACK_OF(X509) *stack) { return stack == NULL ? 0 : sk_X509_num(stack); }

static inline X509 *muster_x509s_at(const STACK_OF(X509) *stack, int index) { return sk_X509_value(stack, index); }

/// Verifies with `anchor` as the only trusted certificate.
static inline int muster_verify_with_anchor(X509_STORE_CTX *store, X509 *anchor) {
    STACK_OF(X509) *anchors = sk_X509_new_null();
    int result = 0;
    if (anchors == NULL) return 0;
    if (sk_X509_push(anchors, anchor) > 0) {
        X509_STORE_CTX_set0_trusted_stack(store, anchors);
        result = X509_verify_cert(store);
    }
    sk_X509_free(anchors);
    return result;
}

// Certificates.

static inline EVP_PKEY *muster_generate_p256(void) { return EVP_EC_gen("P-256"); }

/// Adds the extension `value` (OpenSSL's configuration spelling). Returns 1 when it was added.
static inline int muster_add_extension(X509 *cert, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509_EXTENSION *extension;
    int result;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL) return 0;
    result = X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return result;
}

/// Adds a request for subject alternative names to a signing request. Muster never asks for any; its tests do.
static inline int muster_request_names(X509_REQ *request, const char *value) {
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
    int result = 0;
    if (extensions != NULL && extension != NULL && sk_X509_EXTENSION_push(extensions, extension) > 0) {
        result = X509_REQ_add_extensions(request, extensions);
        extension = NULL;
    }
    if (extension != NULL) X509_EXTENSION_free(extension);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return result;
}

/// Counts the subject alternative names that are URIs and those that are anything else, and copies the last URI (not
/// terminated). Returns the URI's length in bytes, 0 when there is none, -1 when it does not fit `capacity`.
static inline long muster_san_uri(X509 *cert, unsigned char *out, long capacity, int *uris, int *others) {
    GENERAL_NAMES *names = (GENERAL_NAMES *)X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    long length = 0;
    *uris = 0;
    *others = 0;
    if (names == NULL) return 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) {
            *others += 1;
            continue;
        }
        *uris += 1;
        length = ASN1_STRING_length(name->d.uniformResourceIdentifier);
        if (length > capacity) {
            length = -1;
            break;
        }
        memcpy(out, ASN1_STRING_get0_data(name->d.uniformResourceIdentifier), (size_t)length);
    }
    GENERAL_NAMES_free(names);
    return length;
}

static inline void muster_openssl_free(void *pointer) { OPENSSL_free(pointer); }

#endif
