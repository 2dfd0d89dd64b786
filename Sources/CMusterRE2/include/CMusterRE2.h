// A C face for libre2 (Debian: libre2-dev), as small as Muster needs: compile, match the whole text or
// search in it, say what the groups captured, free.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct muster_re2 muster_re2;

/// Compiles `expression` (UTF-8, `length` bytes). `.` matches a newline too. The program and its caches may use at most
/// `max_memory` bytes. Returns NULL when the expression is not valid and writes the reason, NUL-terminated and cut to
/// `error_capacity` bytes, into `error`.
muster_re2 *muster_re2_compile(const char *expression, size_t length, int64_t max_memory, char *error,
                               size_t error_capacity);

/// Whether the whole text matches. Safe from several threads at once.
bool muster_re2_full_match(const muster_re2 *pattern, const char *text, size_t length);

/// Groups of the expression, the whole match not counted.
int muster_re2_group_count(const muster_re2 *pattern);

/// Writes the name of a group (from 1), NUL-terminated and cut to `capacity` bytes. False when it has none.
bool muster_re2_group_name(const muster_re2 *pattern, int group, char *name, size_t capacity);

/// Whether the whole text matches; if so, `spans` gets start and end (bytes) of the whole match and of the first
/// `count - 1` groups, -1 for a group that took no part. Safe from several threads at once.
bool muster_re2_captures(const muster_re2 *pattern, const char *text, size_t length, ptrdiff_t *spans, size_t count);

/// Compiles like `muster_re2_compile`, for searching: `.` matches no newline.
muster_re2 *muster_re2_compile_search(const char *expression, size_t length, int64_t max_memory, char *error,
                                      size_t error_capacity);

/// Whether the expression matches anywhere in the text. Safe from several threads at once.
bool muster_re2_is_found(const muster_re2 *pattern, const char *text, size_t length);

/// The first match at or behind `start`, spans as in `muster_re2_captures`. Safe from several threads at once.
bool muster_re2_first_match(const muster_re2 *pattern, const char *text, size_t length, size_t start, ptrdiff_t *spans,
                            size_t count);

void muster_re2_free(muster_re2 *pattern);

#ifdef __cplusplus
}
#endif
