/* SPDX-License-Identifier: Apache-2.0 */
/* How the tool asks the admin door of a broker on this machine: one request, one answer. */
#ifndef TERCET_ADMIN_CTL_ASK_H
#define TERCET_ADMIN_CTL_ASK_H

#include <stdbool.h>

#include "broker/base/text.h"

/* An answer this long is no answer of ours. */
#define CTL_ANSWER_MAX_BYTES ((size_t)1 << 30)

struct ctl_place {
    const char *data;   /* NULL: that of this user */
    const char *socket; /* NULL: admin.sock in it */
};

/* Asks, and gives the answer's body. False, and it has said why, when the broker cannot be reached
 * or did not answer with success. */
bool ctl_ask(const struct ctl_place *place, const char *method, const char *path, struct slice body,
             struct text *ret);
/* Adds a field to the query of a path. */
void ctl_add_field(struct text *path, const char *name, const char *value);
/* The directory of the store that `place` means; empty, and it has said why, when there is none. */
void ctl_place_directory(const struct ctl_place *place, struct text *to);

#endif
