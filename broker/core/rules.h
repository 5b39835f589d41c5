/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: one table of rules for all protocols, as one file said. Immutable once read.
 *
 * A rule names who, which operations, on which kinds of things, of which names; and allows or
 * denies. Rules have ranks: the first rank in which a rule fits decides, and in one rank what is
 * denied by one rule is denied whatever the others say. Where no rule fits it is denied. Ranks are
 * there for mosquitto's files, whose `topic` lines come before its `pattern` lines. */
#ifndef TERCET_BROKER_CORE_RULES_H
#define TERCET_BROKER_CORE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/acl.h"

struct rules;
struct text;

#define RULES_MAX            100000u
#define RULES_FILE_MAX_BYTES ((size_t)32 << 20)
#define RULES_ERRORS_MAX     20

enum rule_who {
    RULE_ANYONE,
    RULE_ANONYMOUS, /* who gave no name */
    RULE_USER,
    RULE_ROLE,
};

enum rule_shape {
    RULE_EVERYTHING,
    RULE_LITERAL, /* the name itself */
    RULE_PREFIX,  /* how it begins, byte by byte */
    RULE_FILTER,  /* an MQTT topic filter */
};

enum rule_rank {
    RULE_FIRST,
    RULE_SECOND, /* mosquitto's patterns */
    RULE_LAST,   /* what holds when the file says nothing of a kind */
    RULE_RANKS
};

#define OPERATION_BIT(operation) (1u << (operation))
#define RESOURCE_BIT(resource)   (1u << (resource))
#define OPERATIONS_ALL           ((1u << OPERATION_COUNT) - 1)

struct rule_spec {
    bool is_deny;
    bool is_substituted; /* %u and %c in a filter stand for the user's name and the client's id */
    enum rule_who who;
    struct slice name;   /* of the user or role */
    unsigned operations; /* OPERATION_BIT()s */
    unsigned resources;  /* RESOURCE_BIT()s */
    enum rule_shape shape;
    enum rule_rank rank;
    struct slice pattern;
};

/* Whom a question is about. */
struct subject {
    struct slice user;      /* NONE: nobody by name */
    struct slice client_id; /* NONE: it has none */
    struct slice roles;     /* with commas between */
};

/* ---- building ---- */

struct rules *rules_new(void);
void rules_free(struct rules **rules);
/* Copies. RC_INVALID: a filter with a wildcard where none may stand. RC_LIMIT: RULES_MAX. */
MUST_CHECK enum rc rules_add(struct rules *rules, const struct rule_spec *spec);
size_t rules_count(const struct rules *rules);

/* ---- reading (rules_read.c) ---- */

/* A file of mosquitto's, whose lines may stand among our own:
 *   user NAME                                    of whom the following `topic` lines are
 *   topic [read|write|readwrite|deny] FILTER     before the first `user`: of the anonymous
 *   pattern [read|write|readwrite|deny] FILTER   everybody's, with %u and %c
 *   allow|deny WHO OPERATIONS KINDS PATTERN      ours; see tercet-security(7)
 * RC_INVALID: each line of `errors` is "file:line: what is wrong", and no rule of it is taken. */
MUST_CHECK enum rc rules_read(const char *file, struct slice text, struct rules **ret,
                              struct text *errors);
/* The same from the file. RC_NOT_FOUND, RC_REFUSED, RC_IO, RC_TOO_LARGE: `errors` says so. Reads
 * the disk: at the start, and at a reload. */
MUST_CHECK enum rc rules_load(const char *file, struct rules **ret, struct text *errors);

/* ---- asking ---- */

/* Whether `name` may be dealt with so. Costs as much as there are rules about the subject. */
bool rules_allow(const struct rules *rules, const struct subject *subject, enum operation operation,
                 enum resource resource, struct slice name);
/* Whether to subscribe by an MQTT filter: some topic that it matches may be allowed. No: all that
 * it matches is denied by one rule, or nothing that it matches is allowed by any. */
bool rules_allow_filter(const struct rules *rules, const struct subject *subject,
                        enum operation operation, struct slice filter);

/* Whether all of a stream, or of its queue, may be dealt with so, whatever the subjects under it:
 * no rule denies any of them, and one allows them all, or names the stream by a literal. */
bool rules_allow_whole(const struct rules *rules, const struct subject *subject,
                       enum operation operation, enum resource resource, struct slice stream);

/* ---- one pattern (rules_match.c) ---- */

/* False: it has a byte that a level, or a filter, would be something else by. */
bool rule_value_is_safe(struct slice value);
/* Fails closed: where a value that it needs is missing or not safe, a pattern that denies fits
 * everything, and one that allows nothing. */
bool rule_fits(const struct rule_spec *rule, const struct subject *subject, enum resource resource,
               struct slice name);
/* Some topic, or every one, that `filter` matches fits the rule. */
bool rule_touches(const struct rule_spec *rule, const struct subject *subject, struct slice filter);
bool rule_covers(const struct rule_spec *rule, const struct subject *subject, struct slice filter);

#endif
