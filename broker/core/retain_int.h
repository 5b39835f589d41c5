/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages as the files of core see them. */
#ifndef TERCET_BROKER_CORE_RETAIN_INT_H
#define TERCET_BROKER_CORE_RETAIN_INT_H

#include "broker/core/core_int.h"
#include "broker/core/retain.h"

struct partition;
struct stream;
struct tail;

/* One address's last value. */
struct retained {
    struct map_node by_address;  /* borrows the address, of the message or of the tail's entry */
    struct message *message;     /* owned reference; NULL: a tail's entry, its value in the log */
    struct ordered_node ordered; /* borrows the address too */
    struct core *core;           /* borrowed */
    struct deadline expiry;      /* of retention_at(), when the message or the operator has one */
    int64_t expires_at_ms;       /* the first of the two; 0: never */
    uint64_t number;             /* which of all that were ever retained */
    bool is_transient;           /* in memory alone, and of no account */
};

/* May it become a retained one, beside the log of `stream` (NULL: none yet) or in it? RC_LIMIT:
 * there are too many, or too many bytes of them; counted. */
MUST_CHECK enum rc retain_check(struct core *core, struct stream *stream,
                                const struct message *message);
/* The message becomes its address's last value; with an empty value the address has none any more.
 * As durable as the stream's own record of it. */
void retain_set(struct core *core, struct message *message, enum durability durability);

/* ---- for retain_tail.c ---- */

struct retained *retained_find(const struct core *core, struct slice address);
void retained_add(struct core *core, struct retained *retained, struct slice address);
/* Takes it out of all it is in, but frees nothing. */
void retained_take_out(struct retained *retained);
/* Counts it, or no more. */
void retained_account(const struct retained *retained, int64_t by);
bool retained_is_live(const struct retained *retained);
/* It goes when the message's own time has come, or the operator's if that is sooner. */
void retained_expires_as(struct retained *retained, const struct message *message);
void retained_refused(const struct core *core, struct slice address);
/* Keeps it beside the log. */
struct retained *retained_keep(struct core *core, struct message *message);
/* The same of one that outlives nothing, unless the address has another. */
void retained_keep_transient(struct core *core, struct message *message);
void retained_put(struct core *core, const struct message *message, enum durability durability);
/* Takes away one that is kept beside the log. */
void retained_drop(struct retained *retained);

/* ---- retain_tail.c: the last value of each key of a compacted stream ---- */

/* Whether and how the stream is compacted has changed: what was retained beside its log goes into
 * it, or what MQTT retained in it comes out. Before its retention looks at it. */
void tail_changed(struct stream *stream);
/* It was loaded from the catalogue; nothing is put. */
void tail_loaded(struct stream *stream);
/* The stream is about to be freed. */
void tail_free(struct stream *stream);
/* Would the message, published to its address, be its stream's last value there? */
bool tail_holds(const struct stream *stream, const struct message *message);
/* One with the retain flag was, or will be in this turn. */
void tail_retains(struct stream *stream);
/* Must records that come be decoded, to be given to tail_appended()? */
bool tail_follows(const struct stream *stream);
void tail_appended(struct stream *stream, const struct partition *partition, uint64_t offset,
                   const struct message *message);
/* Starts to find out what is retained in the streams that the filter reaches. */
void tails_begin(struct core *core, const struct filter *filter);
bool tails_are_loaded(struct core *core, const struct filter *filter);
/* For one with message NULL. */
bool tail_entry_is_gone(struct retained *retained);
/* RC_AGAIN: the cursor's on_ready comes. RC_RANGE: it was trimmed, or cannot be read: drop it.
 * RC_MEMORY. */
MUST_CHECK enum rc tail_entry_read(struct retained *retained, struct cursor *cursor,
                                   struct message **ret);
/* It is retained no more. */
void tail_entry_drop(struct retained *retained);
/* Another takes its place. */
void tail_entry_free(struct retained *retained);
/* The address has no value any more, not one that the log may have either. None is kept beside it.
 */
void tail_forgets(struct core *core, const struct message *message);

#endif
