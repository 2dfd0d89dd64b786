#include "include/CMusterRE2.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <string>

struct muster_re2 {
    re2::RE2 expression;

    muster_re2(re2::StringPiece text, const re2::RE2::Options &options) : expression(text, options) {}
};

static void write_error(const std::string &reason, char *error, size_t capacity) {
    if (capacity == 0) return;
    const size_t length = std::min(reason.size(), capacity - 1);
    std::memcpy(error, reason.data(), length);
    error[length] = '\0';
}

// No exception may cross into Swift: libre2 throws none itself, the allocator may.
muster_re2 *muster_re2_compile(const char *expression, size_t length, int64_t max_memory, char *error,
                               size_t error_capacity) {
    try {
        re2::RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(max_memory);
        options.set_dot_nl(true);
        auto pattern = std::make_unique<muster_re2>(re2::StringPiece(expression, length), options);
        if (!pattern->expression.ok()) {
            write_error(pattern->expression.error(), error, error_capacity);
            return nullptr;
        }
        return pattern.release();
    } catch (const std::exception &failure) {
        write_error(failure.what(), error, error_capacity);
        return nullptr;
    }
}

bool muster_re2_full_match(const muster_re2 *pattern, const char *text, size_t length) {
    try {
        return re2::RE2::FullMatch(re2::StringPiece(text, length), pattern->expression);
    } catch (const std::exception &) {
        return false;
    }
}

void muster_re2_free(muster_re2 *pattern) { delete pattern; }
