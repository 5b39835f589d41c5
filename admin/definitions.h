/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, queues, exchanges and bindings as JSON, in the shape of RabbitMQ's definitions where it
 * has one: "queues", "exchanges", "bindings" and "vhosts" are RabbitMQ's, "streams" are ours.
 *
 * What JSON cannot say of an argument table (widths of integers, order of fields that are equal)
 * stands beside "arguments" as "arguments_amqp", the table's octets; an import takes them where
 * both still say the same, and "arguments" where somebody has changed it. */
#ifndef TERCET_ADMIN_DEFINITIONS_H
#define TERCET_ADMIN_DEFINITIONS_H

#include "admin/pieces.h"
#include "broker/base/rc.h"
#include "broker/base/text.h"

struct client;
struct core;
struct definitions_rules;
struct stream_policy;

/* "arguments" and, where needed, "arguments_amqp" of an object. */
void definitions_add_arguments(const struct definitions_rules *rules, struct text *to,
                               struct slice table);
/* The "config" of a stream: its lines as an object. */
void definitions_add_config(struct text *to, struct slice config);

/* The "policy" of a stream: what it says itself. */
void definitions_add_policy(struct text *to, const char *name, const struct stream_policy *policy);

struct definitions_tally {
    unsigned made;
    unsigned present; /* with the same properties: nothing was changed */
};
enum definitions_kind {
    DEFINITIONS_STREAMS,
    DEFINITIONS_QUEUES,
    DEFINITIONS_EXCHANGES,
    DEFINITIONS_BINDINGS,
    DEFINITIONS_KIND_COUNT
};
extern const char *const definitions_kind_names[DEFINITIONS_KIND_COUNT];

/* Tells all that is shared and outlives its maker (not exclusive or server-named queues, not what
 * is predeclared), some entries at a time: there may be a million, and the core has other work.
 * What changes meanwhile may or may not be told. */
struct definitions_export {
    struct core *core; /* borrowed, as the next two */
    const struct definitions_rules *rules;
    struct text *to;     /* the end of what is told; */
    struct pieces told;  /* owned: what comes before that */
    unsigned kind;       /* enum definitions_kind: the list under way */
    struct text after;   /* owned: the name to go on after */
    struct text binding; /* owned: of the exchange of that name, if it was left in its midst */
    bool has_after;
    bool is_inside; /* it was */
    unsigned restarts;
};

/* An entry that it stood at was deleted: begun anew so often at most. */
#define DEFINITIONS_RESTARTS_MAX 10

void definitions_export_begin(struct definitions_export *e, struct core *core,
                              const struct definitions_rules *rules, struct text *to);
/* RC_OK: all is told. RC_AGAIN: there is more. RC_IN_USE: too much changes. RC_MEMORY. */
MUST_CHECK enum rc definitions_export_step(struct definitions_export *e, unsigned count);
void definitions_export_done(struct definitions_export *e);

/* After so many mistakes the rest of a file is not looked at. */
#define DEFINITIONS_ERRORS_MAX 20

/* Makes what a file says and is not there yet, some entries at a time. All is checked before
 * anything is changed; what cannot be taken is told in the errors, a line each. Between the two,
 * and while it is made, others may make or delete what it is about: then making fails on the way.
 */
struct definitions_import; /* body in definitions_import.c */

/* `json` is taken: *json is empty then. `skip`: names of top-level members to pass over, with
 * commas; copied. */
struct definitions_import *definitions_import_new(struct client *client,
                                                  const struct definitions_rules *rules,
                                                  struct pieces *json, struct slice skip);
/* Once, before the first step; any thread, for it takes a second for a large file. */
void definitions_import_read_wt(struct definitions_import *import);
/* Once, after the last step; likewise. */
void definitions_import_forget_wt(struct definitions_import *import);
void definitions_import_free(struct definitions_import **import);
/* RC_AGAIN: there is more. RC_OK: all is made. RC_MALFORMED: it is no JSON, or not of this shape.
 * RC_INVALID: it asks for what cannot be. RC_UNSUPPORTED: it holds what we have no place for.
 * RC_MISMATCH: something of that name exists with other properties. After these four nothing was
 * changed, unless that came about on the way. Others: making failed on the way. */
MUST_CHECK enum rc definitions_import_step(struct definitions_import *import, unsigned count);
/* Of the lists, in their order; borrowed, as the next. */
const struct definitions_tally *definitions_import_tally(const struct definitions_import *import);
struct slice definitions_import_errors(const struct definitions_import *import);

#endif
