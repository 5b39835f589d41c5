/* SPDX-License-Identifier: Apache-2.0 */
/* The headers exchange's question: do a message's headers satisfy a binding's arguments? Pure. */
#ifndef TERCET_BROKER_CORE_HEADERS_MATCH_H
#define TERCET_BROKER_CORE_HEADERS_MATCH_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

/* Kinds of value that can be equal to each other; widths do not matter, kinds do (1 is not 1.0). */
enum header_kind {
    HEADER_VOID, /* no value; in a binding it asks only that the header is there */
    HEADER_BOOL,
    HEADER_INTEGER, /* of any width, signed or not */
    HEADER_REAL,    /* float and double */
    HEADER_TIME,
    HEADER_TEXT,
    HEADER_BYTES,
    HEADER_OTHER, /* decimal, array, table: `bytes` are its encoding, type octet first */
};

struct header_value {
    struct slice name; /* borrowed, as is `bytes` */
    enum header_kind kind;
    union {
        bool yes;           /* BOOL */
        int64_t integer;    /* INTEGER, TIME */
        double real;        /* REAL */
        struct slice bytes; /* TEXT, BYTES, OTHER */
    } as;
};

/* Orders values by name, the first of equal names staying first, as headers_match() needs them.
 * Do it once for a message, whatever the number of bindings. RC_MEMORY: nothing was changed. */
MUST_CHECK enum rc headers_sort(struct header_value *values, size_t count);

struct headers_pattern; /* a binding's arguments, compiled and owned; body in headers_match.c */

/* Copies what it needs of `arguments` (in any order). "x-match" says all (the default), any,
 * all-with-x or any-with-x; other names that begin with "x-" count only for the latter two.
 * RC_INVALID: x-match is another word. RC_MISMATCH: x-match is not text. RC_MEMORY. */
MUST_CHECK enum rc headers_pattern_new(const struct header_value *arguments, size_t count,
                                       struct headers_pattern **ret);
void headers_pattern_free(struct headers_pattern **pattern);

/* `values` sorted by headers_sort(). */
bool headers_match(const struct headers_pattern *pattern, const struct header_value *values,
                   size_t count);

#endif
