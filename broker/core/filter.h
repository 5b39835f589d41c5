/* SPDX-License-Identifier: Apache-2.0 */
/* Filters: what a subscription or a topic binding asks for, as tokens and never as a string. */
#ifndef TERCET_BROKER_CORE_FILTER_H
#define TERCET_BROKER_CORE_FILTER_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/name.h"

enum filter_kind {
    FILTER_LITERAL, /* this level */
    FILTER_ONE,     /* any one level, the empty one too */
    FILTER_MANY,    /* any number of levels, none too */
};

struct filter_token {
    enum filter_kind kind;
    struct slice level; /* of a literal, in the spelling of addresses; borrowed from the filter */
};

struct filter; /* immutable; body in filter.c */

/* From an MQTT topic filter: '+' and a final '#' as whole levels. "$share/..." and the like are
 * the caller's to take off before. Leading wildcards of such a filter never match a name that
 * begins with '$'. The slice is copied. RC_MALFORMED: empty, not UTF-8, with NUL, or a wildcard
 * where none may stand. RC_TOO_LARGE, RC_LIMIT: over NAME_MAX_BYTES, NAME_MAX_LEVELS. RC_MEMORY. */
MUST_CHECK enum rc filter_from_mqtt(struct slice text, struct filter **ret);
/* From the key of an AMQP topic binding: '*' and '#' as whole words, anywhere; the empty key has no
 * words and matches only the empty key. '$' means nothing here. The slice is copied.
 * RC_TOO_LARGE, RC_LIMIT as above, RC_MEMORY. */
MUST_CHECK enum rc filter_from_amqp(struct slice key, enum name_dots dots, struct filter **ret);
/* One address and nothing else, whatever it contains. RC_TOO_LARGE, RC_LIMIT, RC_MEMORY. */
MUST_CHECK enum rc filter_from_address(struct slice address, struct filter **ret);
/* RC_MEMORY. */
MUST_CHECK enum rc filter_copy(const struct filter *filter, struct filter **ret);
void filter_free(struct filter **filter);

/* Runs of wildcards are kept in one order (ones first, then at most one many), so that equal
 * demands have equal tokens. */
size_t filter_token_count(const struct filter *filter);
struct filter_token filter_token(const struct filter *filter, size_t index);
/* Whether there is no wildcard in it: it is then the address filter_address() gives. */
bool filter_is_literal(const struct filter *filter);
/* The address of a literal filter; SLICE_NONE when there are wildcards. Borrowed. */
struct slice filter_address(const struct filter *filter);
/* Whether a name beginning with '$' is out of reach of this filter's leading wildcard. */
bool filter_hides_dollar(const struct filter *filter);
bool filter_equal(const struct filter *a, const struct filter *b);

/* The rule itself, straightforward: what the matcher must agree with. */
bool filter_matches(const struct filter *filter, struct slice address);

#endif
