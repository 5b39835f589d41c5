/* SPDX-License-Identifier: Apache-2.0 */
/* Files of an operator's that have one thing on a line: users, rules. Pure but for lines_load(). */
#ifndef TERCET_BROKER_CORE_LINES_H
#define TERCET_BROKER_CORE_LINES_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct text;

struct lines {
    struct slice rest; /* borrowed */
    unsigned number;   /* of the line that was taken last, from 1 */
    unsigned errors;   /* told so far */
};

struct lines lines_of(struct slice text);
/* Without the blanks on either side of it. */
struct slice lines_trim(struct slice s);
/* The next line that says something: neither empty nor begun with '#'. False: that was all. */
bool lines_next(struct lines *lines, struct slice *ret);
/* Adds "file:line: wrong" as a line. */
void lines_complain(struct lines *lines, const char *file, const char *wrong, struct text *errors);
/* The whole file. RC_NOT_FOUND, RC_REFUSED, RC_IO, RC_TOO_LARGE, RC_MEMORY: `errors` says which
 * file and why. */
MUST_CHECK enum rc lines_load(const char *file, size_t max_bytes, struct text *ret,
                              struct text *errors);

#endif
