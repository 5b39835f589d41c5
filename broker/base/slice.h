/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed run of bytes. Small value, passed by copy; whoever made it says how long it lives. */
#ifndef TERCET_BROKER_BASE_SLICE_H
#define TERCET_BROKER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *at; /* NULL means absent, which differs from empty */
    size_t len;
};

#define SLICE_NONE ((struct slice){ NULL, 0 })
/* Of a string literal. */
#define SLICE(literal) ((struct slice){ (const uint8_t *)("" literal), sizeof(literal) - 1 })
/* For printf's %.*s; asks for `s` twice. */
#define SLICE_FMT(s) (int)(s).len, (const char *)(s).at

static inline struct slice slice_of(const void *at, size_t len)
{
    return (struct slice){ (const uint8_t *)at, len };
}

static inline struct slice slice_str(const char *text)
{
    return slice_of(text, text == NULL ? 0 : strlen(text));
}

static inline bool slice_is_none(struct slice s)
{
    return s.at == NULL;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_equal_str(struct slice a, const char *text)
{
    return slice_equal(a, slice_str(text));
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

static inline int slice_compare(struct slice a, struct slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.at, b.at, shared);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* What follows the first `n` bytes; empty when there are fewer. */
static inline struct slice slice_after(struct slice s, size_t n)
{
    return n >= s.len ? slice_of(s.at == NULL ? NULL : s.at + s.len, 0)
                      : slice_of(s.at + n, s.len - n);
}

/* Takes the next of a list as people write it, with commas between and blanks around; false at its
 * end. What stands between two commas may be empty. */
static inline bool slice_next_listed(struct slice *list, struct slice *ret)
{
    const uint8_t *comma =
        list->len == 0 ? NULL : (const uint8_t *)memchr(list->at, ',', list->len);
    struct slice one = *list;

    if (list->len == 0)
        return false;
    if (comma != NULL)
        one.len = (size_t)(comma - list->at);
    *list = slice_after(*list, one.len + 1);
    while (one.len > 0 && one.at[0] == ' ')
        one = slice_after(one, 1);
    while (one.len > 0 && one.at[one.len - 1] == ' ')
        one.len--;
    *ret = one;
    return true;
}

#endif
