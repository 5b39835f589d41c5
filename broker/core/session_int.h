/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions as the files of core see them. */
#ifndef TERCET_BROKER_CORE_SESSION_INT_H
#define TERCET_BROKER_CORE_SESSION_INT_H

#include "broker/core/core_int.h"
#include "broker/core/cursor.h"
#include "broker/core/references.h"
#include "broker/core/retain.h"
#include "broker/core/session.h"

struct placed;
struct share;
struct share_member;
struct shares;
struct target;

struct subscription {
    struct interest interest;    /* first: in core->topics, unless it is shared */
    struct session *session;     /* borrowed */
    struct filter *filter;       /* owned; NULL when it is shared */
    struct share_member *member; /* owned; NULL unless it is shared */
    struct map_node by_text;
    char *text;               /* owned */
    struct retained_due *due; /* owned; NULL: none */
    uint32_t id;
    uint8_t qos;
    bool is_no_local;
    bool is_retain_as_published;
};

/* Retained messages that a subscription is still to get. */
struct retained_due {
    struct link link;                  /* in session_extra.retained */
    struct subscription *subscription; /* borrowed: the owner */
    struct retained_walk walk;
};

struct note {
    struct map_node by_key;
    uint8_t key_bytes[4];
    uint32_t key;
    struct slice value; /* owned bytes */
};

/* Of a session that has notes, reads from the log, is given retained messages or did not
 * acknowledge them, has more than it may
 * be owed, or outlives its connection and is away or was owed something. */
struct session_extra {
    struct session *session; /* borrowed: the owner */
    struct map notes;
    struct cursor cursor;
    struct list retained;  /* struct retained_due.link: delivered before all else, */
    bool holds_retained;   /* but not now: session_hold_retained() */
    struct list sent;      /* struct retained_sent: QoS 1 or 2, not acknowledged, */
    struct list again;     /* and of those that are to be sent again */
    uint32_t sent_number;  /* of the last one of them */
    struct link tail_wait; /* in core->tail_waiters: its walk waits for what it reaches */
    struct link overflowing;
    struct link trimming;     /* in core->trimming: it is owed more than it may be by now */
    struct ring dirty_chunks; /* of uint64_t */
    struct deadline expiry;
};

/* With which QoS a subscriber gets it. */
static inline uint8_t granted_qos(const struct core *core, uint8_t subscribed, uint8_t published)
{
    return core->config.upgrades_qos || subscribed < published ? subscribed : published;
}

struct session {
    struct core *core;
    struct client *client; /* borrowed; NULL while nobody is connected */
    struct user *user;     /* counted reference: whose it is */
    struct map_node by_id; /* its key lies in `id` */
    uint64_t number;
    uint64_t expiry_ms;
    int64_t detached_ms;         /* wall clock; 0 while attached */
    struct map subscriptions;    /* by text */
    struct session_extra *extra; /* owned; NULL: it has none of that */

    struct references references;
    uint64_t next;       /* number of the first that may be OWED */
    size_t open_count;   /* references not SETTLED */
    uint64_t open_bytes; /* of them, as reference_bytes() has it */

    struct share *share;   /* owned: it is a group of shared subscriptions; NULL */
    struct shares *shares; /* owned: its shared subscriptions; NULL */
    struct will *will;     /* owned; NULL: none */

    struct link busy;
    struct link dirty;
    uint64_t stamp;           /* of the lookup that met it last, */
    size_t target_index;      /* and its place there */
    bool has_old_records : 1; /* of references, as they were recorded before they were packed */
    bool has_left_rows : 1;   /* it outlives its connection no more, and they go when it ends */
    bool is_reading;
    bool is_ready; /* its client has credit */
    bool is_ending;
    char id[]; /* closed by a NUL */
};
/* 10,000 that are idle are to cost 1,500 bytes each with their connections, and a million may be
 * there without: what only some have stands apart. */
_Static_assert(offsetof(struct session, id) <= 284, "an idle session");

/* ---- session.c ---- */
/* Does it outlive its connection, so that what it owes is recorded? */
static inline bool session_is_durable(const struct session *session)
{
    return session->expiry_ms > 0;
}
/* May rows of its subscriptions and references lie in the catalogue? */
static inline bool session_is_recorded(const struct session *session)
{
    return session_is_durable(session) || session->has_left_rows;
}
/* Made when something of it is needed first. */
struct session_extra *session_extra(struct session *session);
/* Nothing is owed: lets go of the log, and of what nothing is in. */
void session_rest(struct session *session);
static inline bool session_has_retained(const struct session *session)
{
    return session->extra != NULL && !list_is_empty(&session->extra->retained) &&
           !session->extra->holds_retained;
}
/* Retained messages that were sent over an earlier connection are to be sent again. */
static inline bool session_has_again(const struct session *session)
{
    return session->extra != NULL && !list_is_empty(&session->extra->again);
}
void session_wake(struct session *session);
/* Asserted new: nobody has that id. */
struct session *session_new(struct core *core, struct slice id, struct slice user, uint64_t number);
/* Its time runs, while nobody is connected; SESSION_NEVER_EXPIRES never ends. */
void session_start_expiry(struct session *session, uint64_t left_ms);
MUST_CHECK enum rc subscription_add(struct session *session, const struct subscription_spec *spec,
                                    struct subscription **ret);
/* No more retained messages come for the subscription. */
void session_retained_done(struct subscription *s);
/* It is owed as many messages as it may be, or as much that one of so many bytes is too much. */
static inline bool session_is_full(const struct session *session, uint64_t bytes)
{
    const struct user_caps *caps = &session->user->caps;

    return session->open_count >= caps->session_messages ||
           (caps->session_bytes > 0 && session->open_bytes + bytes > caps->session_bytes);
}
/* It may outlive its connection no longer than that, from when it was left. */
void session_cut_expiry(struct session *session, uint64_t max_ms);
/* Its caps have changed: when it is owed more than it may be, that is mended turn by turn, as its
 * user's rule says. */
void session_trim(struct session *session);
void sessions_trim(struct core *core);
/* Ends those that overflowed. */
void sessions_end_overflowing(struct core *core);
/* Ends it for good. */
void session_end(struct session *session);

/* ---- session_record.c ---- */
void session_record(struct session *session);
/* All of it goes from the catalogue; or all but rows of subscriptions and references, which without
 * the session's own are nobody's. */
void session_forget_recorded(struct session *session);
void session_forget_head(struct session *session);
void subscription_record(const struct subscription *s);
void subscription_forget_recorded(struct subscription *s);

/* ---- will.c ---- */
/* Publishes it now, if there is one. */
void will_publish(struct session *session);
/* Its client went without a goodbye: at once, or when its delay has passed. */
void will_start(struct session *session);
/* Another connection came for the session (MQTT 5 3.1.3-9). */
void will_taken_over(struct session *session);
/* As NOTE_CORE_WILL holds it. */
void will_load(struct session *session, struct slice value);
/* Loaded: its delay runs, from the start of the broker. */
void will_resume(struct session *session);
/* Forgets it; what is recorded of it stays. */
void will_done(struct session *session);

/* ---- reference.c ---- */
/* A message was published that its subscriptions match. */
void session_offer(struct session *session, const struct target *target, struct message *message,
                   const struct placed *placed);
/* A message that comes now may go to its client at once: nothing waits before it. */
bool session_is_direct(const struct session *session);
static inline struct reference *reference_at(struct session *session, uint64_t number)
{
    return references_at(&session->references, number);
}
/* Adds one for that place, with qos, state, share and flags of `as`. Gives its number. */
uint64_t reference_add(struct session *session, const struct placed *placed,
                       const struct reference *as);
/* The last one was added in vain. */
void reference_take_back(struct session *session);
/* Adds a copy of another session's in front of all, as owed. */
void reference_prepend(struct session *session, const struct reference *from);
/* Kept for later with flags of a reference, if it lies in the log. */
void reference_owe(struct session *session, const struct placed *placed,
                   const struct message *message, uint8_t qos, unsigned flags);
void reference_settle(struct session *session, uint64_t number);
/* Those of the shared subscription become the session's own. */
void references_unshare(struct session *session, uint16_t share);
/* Its client is gone: what was sent and not settled is owed again, and QoS 0 no more. */
void references_detach(struct session *session);
/* The session is over: they are owed to nobody. */
void references_leave(struct session *session);
/* Frees them, and what is recorded of them; what they pinned in the logs may go. *left is counted
 * down; false: there are more. Of a session that is over all is borrowed but `core`, `number` and
 * what tells that it was recorded. */
bool references_end_some(struct session *session, unsigned *left);
/* What it is owed of is kept from retention from now on: it was in memory alone. */
void references_pin(struct partition *partition);
/* The first offset of that log that some session is owed with QoS 1 or 2, told by asking all of
 * them; UINT64_MAX: none. */
uint64_t references_floor(struct core *core, uint32_t log);

/* ---- reference_record.c ---- */
/* Puts what has changed. */
void references_record(struct session *session);
/* All are recorded anew: the session has become durable. */
void references_record_all(struct session *session);
/* Nothing of them stays in the catalogue: of all, of those that were to be recorded in this turn,
 * of a chunk. */
void references_forget(struct session *session);
void references_forget_dirty(struct session *session);
void references_forget_chunk(struct session *session, uint64_t chunk);
/* `form`: what follows the chunk's number in its key. */
MUST_CHECK enum rc references_load(struct session *session, uint64_t chunk, struct slice form,
                                   struct slice value);
/* All its chunks are: what is owed is sent from the first on. */
void references_loaded(struct session *session);
/* All that is owed may have been sent before; false: nothing is owed. */
bool references_suspect(struct session *session);

/* ---- retained_sent.c ---- */
/* Delivery handles of theirs; those of references are smaller. */
#define RETAINED_HANDLE ((uint64_t)1 << 63)
/* The durable session's client is about to be given that retained message, with QoS 1 or 2: gives
 * the delivery's handle. retained_sent_took() follows: whether the client took it. */
uint64_t retained_sent_add(struct session *session, const struct delivery *delivery);
void retained_sent_took(struct session *session, bool is_taken);
/* As session_settle(). */
MUST_CHECK enum rc retained_sent_settle(struct session *session, uint64_t handle,
                                        enum outcome outcome);
/* Its client is gone: what was sent is to be sent again. */
void retained_sent_detach(struct session_extra *extra);
/* Sends again the first of session_has_again(). RC_AGAIN: no credit. */
MUST_CHECK enum rc retained_sent_again(struct session *session);
/* As the catalogue's row of that key has it. RC_CORRUPT: it makes no sense. */
MUST_CHECK enum rc retained_sent_load(struct session *session, uint32_t key, struct slice value);
/* Their rows go. */
void retained_sent_forget(struct session *session);
void retained_sent_free(struct session_extra *extra);

/* ---- note.c ---- */
void notes_forget(struct session *session);
/* Of a session with an extra part. */
void notes_free(struct session *session);
MUST_CHECK enum rc note_load(struct session *session, uint32_t key, struct slice value);
/* Everything is recorded anew: the session has become durable. */
void notes_record(struct session *session);

/* Keys of notes that core keeps for itself. */
#define NOTE_CORE_WILL         UINT32_MAX
#define NOTE_CORE_SENT         0x40000000u /* | number: retained_sent.c */
#define NOTE_CORE_SENT_NUMBERS 0x3fffffffu

#endif
