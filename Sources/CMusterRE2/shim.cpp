#include "include/CMusterRE2.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

struct muster_re2 {
    re2::RE2 expression;

    muster_re2(re2::StringPiece text, const re2::RE2::Options &options) : expression(text, options) {}
};

static void write_text(const std::string &text, char *out, size_t capacity) {
    if (capacity == 0) return;
    const size_t length = std::min(text.size(), capacity - 1);
    std::memcpy(out, text.data(), length);
    out[length] = '\0';
}

// No exception may cross into Swift: libre2 throws none itself, the allocator may.
static muster_re2 *compile(const char *expression, size_t length, int64_t max_memory, bool dot_matches_newline,
                           char *error, size_t error_capacity) {
    try {
        re2::RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(max_memory);
        options.set_dot_nl(dot_matches_newline);
        auto pattern = std::make_unique<muster_re2>(re2::StringPiece(expression, length), options);
        if (!pattern->expression.ok()) {
            write_text(pattern->expression.error(), error, error_capacity);
            return nullptr;
        }
        return pattern.release();
    } catch (const std::exception &failure) {
        write_text(failure.what(), error, error_capacity);
        return nullptr;
    }
}

muster_re2 *muster_re2_compile(const char *expression, size_t length, int64_t max_memory, char *error,
                               size_t error_capacity) {
    return compile(expression, length, max_memory, true, error, error_capacity);
}

muster_re2 *muster_re2_compile_search(const char *expression, size_t length, int64_t max_memory, char *error,
                                      size_t error_capacity) {
    return compile(expression, length, max_memory, false, error, error_capacity);
}

bool muster_re2_full_match(const muster_re2 *pattern, const char *text, size_t length) {
    try {
        return re2::RE2::FullMatch(re2::StringPiece(text, length), pattern->expression);
    } catch (const std::exception &) {
        return false;
    }
}

int muster_re2_group_count(const muster_re2 *pattern) { return pattern->expression.NumberOfCapturingGroups(); }

bool muster_re2_group_name(const muster_re2 *pattern, int group, char *name, size_t capacity) {
    try {
        const auto &names = pattern->expression.CapturingGroupNames();
        const auto found = names.find(group);
        if (found == names.end()) return false;
        write_text(found->second, name, capacity);
        return true;
    } catch (const std::exception &) {
        return false;
    }
}

// An empty text may come as NULL, which in a group means that it took no part.
static bool match(const muster_re2 *pattern, const char *text, size_t length, size_t start, re2::RE2::Anchor anchor,
                  ptrdiff_t *spans, size_t count) {
    if (text == nullptr) text = "";
    try {
        const re2::StringPiece whole(text, length);
        std::vector<re2::StringPiece> groups(count);
        if (!pattern->expression.Match(whole, start, length, anchor, groups.data(), static_cast<int>(count))) {
            return false;
        }
        for (size_t group = 0; group < count; group++) {
            const bool took_part = groups[group].data() != nullptr;
            spans[2 * group] = took_part ? groups[group].data() - text : -1;
            spans[2 * group + 1] = took_part ? spans[2 * group] + static_cast<ptrdiff_t>(groups[group].size()) : -1;
        }
        return true;
    } catch (const std::exception &) {
        return false;
    }
}

bool muster_re2_captures(const muster_re2 *pattern, const char *text, size_t length, ptrdiff_t *spans, size_t count) {
    return match(pattern, text, length, 0, re2::RE2::ANCHOR_BOTH, spans, count);
}

bool muster_re2_first_match(const muster_re2 *pattern, const char *text, size_t length, size_t start, ptrdiff_t *spans,
                            size_t count) {
    return match(pattern, text, length, start, re2::RE2::UNANCHORED, spans, count);
}

bool muster_re2_is_found(const muster_re2 *pattern, const char *text, size_t length) {
    return match(pattern, text, length, 0, re2::RE2::UNANCHORED, nullptr, 0);
}

void muster_re2_free(muster_re2 *pattern) { delete pattern; }
