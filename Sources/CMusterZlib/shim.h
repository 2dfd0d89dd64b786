// The system's libz for Swift: the two initialisers are macros in zlib.h.
#ifndef MUSTER_ZLIB_SHIM_H
#define MUSTER_ZLIB_SHIM_H

#include <zlib.h>

static inline int muster_deflate_init(z_stream *stream, int level) { return deflateInit(stream, level); }

static inline int muster_inflate_init(z_stream *stream) { return inflateInit(stream); }

#endif
