/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/headers_match.h"

#include "broker/base/mem.h"

struct headers_pattern {
    bool is_all; /* every value must be satisfied; else one is enough */
    size_t count;
    struct header_value values[]; /* sorted; their bytes lie behind them */
};

static const struct match_word {
    const char *word;
    bool is_all;
    bool with_x;
} match_words[] = {
    { "all", true, false },
    { "any", false, false },
    { "all-with-x", true, true },
    { "any-with-x", false, true },
};

static bool has_bytes(enum header_kind kind)
{
    return kind == HEADER_TEXT || kind == HEADER_BYTES || kind == HEADER_OTHER;
}

/* Merge sort, bottom up: stable, and its cost does not depend on who chose the names. */
enum rc headers_sort(struct header_value *values, size_t count)
{
    struct header_value *from = values, *to;
    struct header_value *other;

    if (count < 2)
        return RC_OK;
    other = mem_try(count * sizeof(*other));
    if (other == NULL)
        return RC_MEMORY;
    to = other;
    for (size_t run = 1; run < count; run *= 2) {
        struct header_value *done = from;

        for (size_t start = 0; start < count; start += 2 * run) {
            size_t a = start;
            size_t a_end = count - start < run ? count : start + run;
            size_t b = a_end;
            size_t b_end = count - a_end < run ? count : a_end + run;

            for (size_t i = start; i < b_end; i++) {
                bool take_a =
                    a < a_end && (b == b_end || slice_compare(from[a].name, from[b].name) <= 0);

                to[i] = from[take_a ? a++ : b++];
            }
        }
        from = to;
        to = done;
    }
    if (from != values)
        memcpy(values, from, count * sizeof(*values));
    mem_free(other);
    return RC_OK;
}

static enum rc read_match_word(const struct header_value *arguments, size_t count,
                               struct match_word *ret)
{
    *ret = match_words[0];
    for (size_t i = 0; i < count; i++) {
        if (!slice_equal_str(arguments[i].name, "x-match"))
            continue;
        if (arguments[i].kind != HEADER_TEXT)
            return RC_MISMATCH;
        for (size_t w = 0; w < sizeof(match_words) / sizeof(match_words[0]); w++) {
            if (slice_equal_str(arguments[i].as.bytes, match_words[w].word)) {
                *ret = match_words[w];
                return RC_OK;
            }
        }
        return RC_INVALID;
    }
    return RC_OK;
}

static bool counts(const struct header_value *value, bool with_x)
{
    if (slice_equal_str(value->name, "x-match"))
        return false;
    return with_x || !slice_starts(value->name, SLICE("x-"));
}

static struct slice keep(uint8_t **at, struct slice s)
{
    struct slice kept = slice_of(*at, s.len);

    if (s.len > 0)
        memcpy(*at, s.at, s.len);
    *at += s.len;
    return kept;
}

enum rc headers_pattern_new(const struct header_value *arguments, size_t count,
                            struct headers_pattern **ret)
{
    struct headers_pattern *pattern = NULL;
    struct match_word word;
    size_t kept = 0, bytes = 0;
    uint8_t *at;
    enum rc rc;

    rc = read_match_word(arguments, count, &word);
    if (rc != RC_OK)
        goto out;
    for (size_t i = 0; i < count; i++) {
        if (!counts(&arguments[i], word.with_x))
            continue;
        kept++;
        bytes += arguments[i].name.len;
        bytes += has_bytes(arguments[i].kind) ? arguments[i].as.bytes.len : 0;
    }
    rc = RC_MEMORY;
    pattern = mem_try(sizeof(*pattern) + kept * sizeof(pattern->values[0]) + bytes);
    if (pattern == NULL)
        goto out;
    *pattern = (struct headers_pattern){ .is_all = word.is_all };
    at = (uint8_t *)(pattern->values + kept);
    for (size_t i = 0; i < count; i++) {
        struct header_value *value = &pattern->values[pattern->count];

        if (!counts(&arguments[i], word.with_x))
            continue;
        *value = arguments[i];
        value->name = keep(&at, value->name);
        if (has_bytes(value->kind))
            value->as.bytes = keep(&at, value->as.bytes);
        pattern->count++;
    }
    rc = headers_sort(pattern->values, pattern->count);
    if (rc != RC_OK)
        goto out;
    *ret = pattern;
    pattern = NULL; /* given */
out:
    headers_pattern_free(&pattern);
    return rc;
}

void headers_pattern_free(struct headers_pattern **pattern)
{
    MEM_FREE(*pattern);
}

static bool is_satisfied(const struct header_value *wanted, const struct header_value *value)
{
    if (wanted->kind == HEADER_VOID)
        return true;
    if (wanted->kind != value->kind)
        return false;
    switch (wanted->kind) {
    case HEADER_VOID:
        return true;
    case HEADER_BOOL:
        return wanted->as.yes == value->as.yes;
    case HEADER_INTEGER:
    case HEADER_TIME:
        return wanted->as.integer == value->as.integer;
    case HEADER_REAL:
        return wanted->as.real == value->as.real;
    case HEADER_TEXT:
    case HEADER_BYTES:
    case HEADER_OTHER:
        return slice_equal(wanted->as.bytes, value->as.bytes);
    }
    return false;
}

bool headers_match(const struct headers_pattern *pattern, const struct header_value *values,
                   size_t count)
{
    size_t at = 0;

    /* Both are sorted: one pass over the two. Of equal names each takes the next. */
    for (size_t i = 0; i < pattern->count; i++) {
        const struct header_value *wanted = &pattern->values[i];
        bool is_met = false;

        while (at < count && slice_compare(values[at].name, wanted->name) < 0)
            at++;
        if (at < count && slice_equal(values[at].name, wanted->name))
            is_met = is_satisfied(wanted, &values[at++]);
        if (is_met != pattern->is_all)
            return is_met;
    }
    return pattern->is_all;
}
