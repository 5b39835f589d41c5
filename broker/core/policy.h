/* SPDX-License-Identifier: Apache-2.0 */
/* How long a stream keeps its records, and when what is published to it counts as done. */
#ifndef TERCET_BROKER_CORE_POLICY_H
#define TERCET_BROKER_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct core;
struct rd;
struct text;

#define POLICY_OPEN      INT64_MIN /* not said: whoever comes next decides */
#define POLICY_UNLIMITED INT64_C(-1)
#define POLICY_UNLOGGED  INT64_C(3) /* as a durability, the least: in memory, and never written */

/* What a stream says itself, or a rule of the configuration, or the broker for all: in this order
 * they are asked. */
struct stream_policy {
    int64_t retention_ms;    /* POLICY_OPEN, POLICY_UNLIMITED, or >= 0 */
    int64_t retention_bytes; /* of each partition; the same */
    int64_t durability;      /* enum durability at most, POLICY_UNLOGGED, or POLICY_OPEN */
};

#define STREAM_POLICY_OPEN                     \
    {                                          \
        POLICY_OPEN, POLICY_OPEN, POLICY_OPEN, \
    }

/* A rule of the configuration. `pattern` is a stream's name, or ends in '*' and is how it begins.
 */
struct policy_rule {
    struct slice pattern;
    struct stream_policy policy;
};

bool policy_is_open(const struct stream_policy *policy);
bool policy_is_equal(const struct stream_policy *a, const struct stream_policy *b);
/* What of a stream decides about its policy. */
struct policy_subject {
    struct slice name;
    unsigned partition_count;
    bool is_implicit;
    bool is_logged; /* whatever is said: POLICY_UNLOGGED is DURABILITY_MEMORY for it */
};

/* What holds for a stream that says `own` itself; nothing of it is open. */
void policy_effective(const struct core *core, const struct policy_subject *subject,
                      const struct stream_policy *own, struct stream_policy *ret);

/* As it lies in the catalogue. */
void policy_write(struct text *to, const struct stream_policy *policy);
/* RC_CORRUPT: no such policy can be. */
MUST_CHECK enum rc policy_read(struct rd *from, struct stream_policy *ret);

/* "memory", "interval", "always", "none" and NULL: enum durability, and POLICY_UNLOGGED. */
extern const char *const policy_durability_names[];

#endif
