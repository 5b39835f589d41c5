/* SPDX-License-Identifier: Apache-2.0 */
/* Shared subscriptions, for the files of core: a group's messages, each to one of its members. */
#ifndef TERCET_BROKER_CORE_SHARE_H
#define TERCET_BROKER_CORE_SHARE_H

#include "broker/core/session_int.h"

/* A subscription that is shared with the others of its group. */
struct share_member {
    struct link of_group;              /* in share.members */
    struct link of_takers;             /* in share.takers, or its session's shares.starved */
    struct subscription *subscription; /* borrowed: the owner */
    struct session *group;             /* borrowed; NULL when it went first, as core ends */
    uint16_t slot;                     /* its place in its session's shares, from 1 */
    uint16_t filter_at;                /* where in the text the filter begins */
    bool is_kept;                      /* its session is durable */
    bool is_attached;                  /* its session has a client */
};

/* What makes a session a group: nobody connects to it, and what it is owed goes to members. */
struct share {
    struct list members; /* struct share_member.of_group */
    struct list takers;  /* .of_takers: not known to be without credit, in the order of turns */
    size_t kept_count;
    size_t attached_count;
};

/* What a session has of shared subscriptions. */
struct shares {
    struct share_member **slots; /* owned array; NULL where free */
    size_t room;
    size_t count;
    size_t open_count;     /* references that came by them and are not settled */
    struct list starved;   /* .of_takers: had no credit when it was their turn */
    struct deadline grace; /* until what it was sent and did not settle goes to others */
};

/* Is it the id of a group, which no client can have? */
bool share_is_key(struct slice id);
/* A session that was loaded or made under such an id becomes a group. */
void share_make(struct session *group);
/* The subscription joins the group of its text. RC_LIMIT, RC_MEMORY: it did not. */
MUST_CHECK enum rc share_join(struct subscription *s, const struct subscription_spec *spec);
/* What was started with it is finished by its session alone. The last to leave ends the group. */
void share_leave(struct subscription *s);
/* As session_free() takes the group itself away. */
void share_free(struct session *group);
/* After loading: one that nobody is a member of ends, and one that is not recorded is. */
void share_settle(struct session *group);

/* A message was published that the group's filter matches. */
void share_offer(struct session *group, struct message *message, const struct placed *placed);
/* Gives what the group is owed under this number to a member. RC_AGAIN: none can take it. */
MUST_CHECK enum rc share_send(struct session *group, uint64_t number, struct message *message);

/* The session has a client, or has none any more but is kept. */
void shares_attach(struct session *session);
void shares_detach(struct session *session);
/* It is detached, and was loaded. */
void shares_loaded(struct session *session);
/* It has credit, and is owed nothing of its own. */
void shares_feed(struct session *session);
/* It became durable, or ceased to be. */
void shares_keep(struct session *session);
/* What it was sent and has not settled goes back to the groups. */
void shares_give_back(struct session *session);
/* Its shared subscriptions, each of which may end within the call. */
typedef void subscription_visit_fn(struct subscription *subscription);
void shares_each(struct session *session, subscription_visit_fn *visit);
void shares_free(struct session *session);
/* One of its references was added (by 1), or is settled (by -1). */
static inline void shares_count(struct session *session, const struct reference *r, int by)
{
    if (__builtin_expect(r->share != 0 && session->shares != NULL, 0))
        session->shares->open_count += (size_t)by;
}
/* Its subscription in that slot; NULL when it left. */
const struct subscription *shares_subscription(const struct session *session, uint16_t slot);

#endif
