/* SPDX-License-Identifier: Apache-2.0 */
/* Users as the broker sees them at work: what one has connected and stored, and how much of it may
 * be. A user is known while something of it is there. Core thread only. */
#ifndef TERCET_BROKER_CORE_USER_H
#define TERCET_BROKER_CORE_USER_H

#include <stdint.h>

#include "broker/base/map.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/core.h"

struct client;
struct core;
struct session;

/* What one user may have. 0 is no limit, but for session_messages. */
struct user_caps {
    uint64_t connections; /* at a time, of all protocols */
    uint64_t sessions;    /* connected or not */
    uint64_t session_expiry_ms;
    uint64_t session_messages; /* that one session may be owed */
    uint64_t session_bytes;    /* of them */
    enum session_overflow overflow;
};

/* For the users of a name, or, where '*' stands last, of all names that begin so. */
struct user_rule {
    struct slice pattern;
    struct user_caps caps;
};

struct users_config {
    uint64_t sessions_max;         /* of all users together; 0: no limit */
    struct user_caps common;       /* of those that no rule fits, and who have no name */
    const struct user_rule *rules; /* the first that fits; copied */
    unsigned rule_count;
};

#define USER_RULES_MAX 10000 /* each is compared when a user comes */

struct user {
    struct map_node by_name; /* the name lies behind the struct, in its allocation */
    struct link link;        /* in users.list, the newest at the end */
    struct user_caps caps;
    uint64_t refs;
    uint64_t connections; /* that were admitted */
    uint64_t sessions;
    uint64_t owed_count; /* to them */
    uint64_t owed_bytes;
    uint64_t dropped;  /* messages for its sessions, at a limit of theirs */
    uint64_t rejected; /* messages of publishers, because one of its sessions was full */
    uint64_t refused;  /* connections and sessions */
    uint64_t ended;    /* sessions, because they were full */
};

/* Of one core. */
struct users {
    struct map by_name;
    struct list list;
    struct user nobody;      /* all who have no name, groups of shared subscriptions too */
    struct user_rule *rules; /* owned, their patterns too */
    unsigned rule_count;
    bool rejects; /* some of them are full in a way that stops publishers */
};

/* The new limits hold at once: expiries that are too long are cut, and what sessions are owed too
 * much goes in the next turns where the oldest is to go, or the session is to end. Who is connected
 * stays, and so does what was kept for sessions whose rule is to take no more. */
void users_set(struct core *core, const struct users_config *config);
/* One who has something here now; NULL: none. */
const struct user *user_find(const struct core *core, struct slice name);
/* `user` NULL: the first. NULL: there are no more. */
const struct user *user_next(const struct core *core, const struct user *user);

/* The client, which has logged in, is to count as one of its user's connections. RC_LIMIT: there
 * are as many as may be; counted and logged. Once is enough; what opens a session need not. */
MUST_CHECK enum rc client_admit(struct client *client);
/* How long a session of the client may outlive its connections; UINT64_MAX: without limit. */
uint64_t client_session_expiry_max_ms(const struct client *client);

/* ---- for core ---- */

void users_init(struct core *core);
void users_done(struct core *core);
/* Nobody's is told by SLICE_NONE. Made when it was not there. */
struct user *user_ref(struct core *core, struct slice name);
/* Sets *user NULL. */
void user_unref(struct core *core, struct user **user);
/* The client's; that of nobody when it gave no name. */
struct user *user_of(const struct client *client);
/* As client_admit(), but for `leaving` (NULL: nobody), which goes because of it. */
MUST_CHECK enum rc client_admit_for(struct client *client, const struct client *leaving);
/* Whose the client is from now on; SLICE_NONE: nobody's. */
void client_set_user(struct client *client, struct slice name);
/* The session is another user's from now on, and what it is owed above that one's caps goes as when
 * caps are lowered. */
void session_set_user(struct session *session, struct slice name);
/* RC_LIMIT: the client's user has as many sessions as it may have; counted and logged. */
MUST_CHECK enum rc user_may_have_session(struct client *client);

#endif
