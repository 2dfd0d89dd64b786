// The system's libz for Swift: the initialisers are macros in zlib.h.
#ifndef MUSTER_ZLIB_SHIM_H
#define MUSTER_ZLIB_SHIM_H

#include <zlib.h>

// window_bits 15 is zlib's own format, 31 is gzip's.
static inline int muster_deflate_init(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}

static inline int muster_inflate_init(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }

#endif
